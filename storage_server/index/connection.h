// One SQLite connection and its prepared statements, with errors that wait to be asked for.
//
// A failed call is remembered: every later call on the connection does nothing and answers "no
// row" until clear_failure(). So a sequence of statements is written as if nothing could fail, and
// its end looks once. A connection and its statements belong to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/digest.h"
#include "backends/core/error.h"
#include "backends/core/storage_index.h"

namespace sharestore::index_db {

// An SQLite result code as an Error: full disk no_space; not a database or damaged corrupt; no
// right to write forbidden; everything else io_error. `system_errno` is what the operating system
// said.
Error sqlite_error(int extended_code, int system_errno, std::string_view what);

class Connection {
 public:
  enum class Mode : std::uint8_t { read_write, read_only };

  // WAL and synchronous=FULL are set by the writer's own set-up, not here. `cache_bytes`: page
  // cache.
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, Mode mode,
                                                  std::size_t cache_bytes);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Several statements, none with results. False: it failed.
  bool exec(const char* sql);
  // The first column of the first row; nothing if there is no row or it failed.
  std::optional<std::int64_t> integer(const char* sql);
  std::optional<std::string> text(const char* sql);

  bool ok() const { return failure_ == SQLITE_OK; }
  // Success, or the first failure since the last clear_failure().
  Status status() const;
  // Extended result code of that failure.
  int failure_code() const { return failure_; }
  void clear_failure() { failure_ = SQLITE_OK; }
  void note_failure(int code);

  sqlite3* handle() const { return db_; }
  const std::filesystem::path& file() const { return file_; }

 private:
  explicit Connection(std::filesystem::path file) : file_(std::move(file)) {}

  std::filesystem::path file_;
  sqlite3* db_ = nullptr;
  int failure_ = SQLITE_OK;
  int system_errno_ = 0;
  std::string sentence_;
};

// A prepared statement. Lives no longer than its connection.
class Statement {
 public:
  Statement(Connection& connection, const char* sql);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // One use of the statement: parameters bound in order, rows fetched, reset at its end.
  class Query {
   public:
    explicit Query(Statement& statement) : statement_(&statement) {}
    ~Query() {
      if (statement_->statement_ != nullptr) sqlite3_reset(statement_->statement_);
    }
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // True: there is a row to read. False: the end, or a failure of the connection.
    bool step();

    std::int64_t integer(int column) const;
    // Valid until the next step.
    std::string_view blob(int column) const;
    bool is_null(int column) const;
    // A 16-byte column; anything else counts as damage.
    StorageIndex storage_index(int column);
    std::optional<Digest> digest(int column);

   private:
    Statement* statement_;
  };

  template <class... Values>
  Query query(const Values&... values) {
    int position = 0;
    (bind(++position, values), ...);
    return Query(*this);
  }
  // For statements without results.
  template <class... Values>
  void run(const Values&... values) {
    Query q = query(values...);
    while (q.step()) {
    }
  }

 private:
  void bind(int position, std::int64_t value);
  void bind(int position, std::uint64_t value) { bind(position, static_cast<std::int64_t>(value)); }
  void bind(int position, int value) { bind(position, static_cast<std::int64_t>(value)); }
  void bind(int position, std::string_view blob);
  void bind(int position, const StorageIndex& si) { bind(position, si.byte_view()); }
  void bind(int position, const std::optional<Digest>& digest);
  void bind(int position, const std::optional<std::int64_t>& value);
  void note(int code);

  Connection* connection_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace sharestore::index_db
