// Read connections, taken for the length of one question.
//
// Any thread. At most kMaxReaders exist; a thread that finds none waits for one, which takes as
// long as another thread's question. Connections are opened when first needed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "storage_server/index/connection.h"

namespace sharestore::index_db {

// As many as threads that are likely to ask at once.
inline constexpr std::size_t kMaxReaders = 16;

struct Reader {
  explicit Reader(std::unique_ptr<Connection> opened);

  std::unique_ptr<Connection> owned;
  Connection& connection;
  // number, kind, state, version, data, stored, first, last, enabler, generation of a slot
  Statement slot;
  Statement is_doubtful;
  Statement is_gone;
  Statement leases;
  Statement value;
};

class ReadPool {
 public:
  ReadPool(std::filesystem::path file, std::size_t memory_bytes);

  class Loan {
   public:
    Loan(ReadPool& pool, std::unique_ptr<Reader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    ~Loan() {
      if (reader_) pool_->give_back(std::move(reader_));
    }
    Loan(Loan&&) = default;
    Loan& operator=(Loan&&) = delete;
    Reader* operator->() const { return reader_.get(); }
    Reader& operator*() const { return *reader_; }

   private:
    ReadPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  // cancelled after close(); what opening a connection says.
  Result<Loan> take();
  // Waits for loans and closes every connection.
  void close();

 private:
  void give_back(std::unique_ptr<Reader> reader);

  const std::filesystem::path file_;
  const std::size_t cache_bytes_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Reader>> idle_;
  std::size_t lent_ = 0;
  bool closed_ = false;
};

}  // namespace sharestore::index_db
