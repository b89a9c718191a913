#include "storage_server/index/read_pool.h"

#include <algorithm>

namespace sharestore::index_db {

Reader::Reader(std::unique_ptr<Connection> opened)
    : owned(std::move(opened)),
      connection(*owned),
      slot(connection,
           "select num, kind, state, version, data_bytes, stored_bytes, first_write, last_write, "
           "enabler, generation from share where si=?1"),
      is_doubtful(connection, "select 1 from doubt where si=?1"),
      is_gone(connection, "select 1 from gone where si=?1"),
      leases(connection, "select leases from share where si=?1 and num=?2"),
      value(connection, "select value from value where name=?1") {}

ReadPool::ReadPool(std::filesystem::path file, std::size_t memory_bytes)
    : file_(std::move(file)),
      cache_bytes_(std::max<std::size_t>(memory_bytes / kMaxReaders, std::size_t{64} << 10)) {}

Result<ReadPool::Loan> ReadPool::take() {
  {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return closed_ || !idle_.empty() || lent_ < kMaxReaders; });
    if (closed_) return fail(Errc::cancelled, "the index has stopped");
    ++lent_;
    if (!idle_.empty()) {
      std::unique_ptr<Reader> reader = std::move(idle_.back());
      idle_.pop_back();
      return Loan(*this, std::move(reader));
    }
  }
  auto connection = Connection::open(file_, Connection::Mode::read_only, cache_bytes_);
  Status status;
  std::unique_ptr<Reader> reader;
  if (connection) {
    reader = std::make_unique<Reader>(std::move(*connection));
    status = reader->connection.status();
  } else {
    status = fail(connection.error());
  }
  if (status) return Loan(*this, std::move(reader));
  {
    std::lock_guard lock(mutex_);
    --lent_;
  }
  returned_.notify_one();
  return fail(status.error());
}

void ReadPool::give_back(std::unique_ptr<Reader> reader) {
  const bool is_sound = reader->connection.ok();
  if (!is_sound) reader.reset();
  {
    std::lock_guard lock(mutex_);
    --lent_;
    if (reader) idle_.push_back(std::move(reader));
  }
  // All: close() waits too.
  returned_.notify_all();
}

void ReadPool::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  returned_.notify_all();
  returned_.wait(lock, [this] { return lent_ == 0; });
  idle_.clear();
}

}  // namespace sharestore::index_db
