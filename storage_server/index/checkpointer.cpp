#include "storage_server/index/checkpointer.h"

namespace sharestore::index_db {

namespace {

// The helper copies behind from here on.
constexpr int kCopyPages = 4000;
// From here on the writer copies the rest itself between two groups, so that the log can begin
// anew: when the helper has just done most of it, or in any case at the hard limit (256 MiB of
// log).
constexpr int kRestartPages = 8000;
constexpr int kHardPages = 65536;

}  // namespace

Checkpointer::Checkpointer(Connection& writer, SharedState& shared)
    : writer_(writer), shared_(shared) {
  sqlite3_wal_hook(
      writer_.handle(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Checkpointer*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  auto own = Connection::open(writer_.file(), Connection::Mode::read_write, std::size_t{256} << 10);
  // Without a helper the writer copies everything itself.
  if (own && (*own)->exec("pragma synchronous=full; pragma wal_autocheckpoint=0")) {
    own_ = std::move(*own);
    thread_ = std::thread([this] { run(); });
  }
}

Checkpointer::~Checkpointer() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  sqlite3_wal_hook(writer_.handle(), nullptr, nullptr);
}

void Checkpointer::committed() {
  if (log_pages_ < kCopyPages) return;
  bool copy_now = log_pages_ >= kHardPages || (!own_ && log_pages_ >= kRestartPages);
  {
    std::lock_guard lock(mutex_);
    copy_now = copy_now || (rest_is_small_ && log_pages_ >= kRestartPages);
    rest_is_small_ = false;
    wanted_pages_ = log_pages_;
  }
  if (copy_now) {
    copy_rest();
  } else {
    wake_.notify_one();
  }
}

void Checkpointer::copy_rest() {
  const int code = sqlite3_wal_checkpoint_v2(writer_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             nullptr, nullptr);
  // Busy: the helper is at it. A full disk: the log holds the rows and grows until there is room.
  if ((code & 0xff) == SQLITE_IOERR) {
    shared_.poison(
        "copying the index's log into the database failed: " +
        sqlite_error(code, sqlite3_system_errno(writer_.handle()), writer_.file().string())
            .message());
  }
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || wanted_pages_ != 0; });
    if (stop_) return;
    wanted_pages_ = 0;
    lock.unlock();
    const int code = sqlite3_wal_checkpoint_v2(own_->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                               nullptr, nullptr);
    if ((code & 0xff) == SQLITE_IOERR) {
      shared_.poison("copying the index's log into the database failed: " +
                     sqlite_error(code, sqlite3_system_errno(own_->handle()), own_->file().string())
                         .message());
    }
    lock.lock();
    rest_is_small_ = code == SQLITE_OK;
  }
}

void Checkpointer::finish() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  own_.reset();
  copy_rest();
}

}  // namespace sharestore::index_db
