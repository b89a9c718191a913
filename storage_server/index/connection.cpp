#include "storage_server/index/connection.h"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace sharestore::index_db {

namespace {

constexpr int kBusyTimeoutMs = 5000;

Errc errc_of(int extended_code, int system_errno) {
  const bool full = system_errno == ENOSPC || system_errno == EDQUOT;
  const bool refused = system_errno == EACCES || system_errno == EPERM || system_errno == EROFS;
  switch (extended_code & 0xff) {
    case SQLITE_FULL: return Errc::no_space;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Errc::corrupt;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return Errc::forbidden;
    case SQLITE_CANTOPEN: return full ? Errc::no_space : refused ? Errc::forbidden : Errc::io_error;
    case SQLITE_IOERR: return full ? Errc::no_space : Errc::io_error;
    default: return Errc::io_error;
  }
}

}  // namespace

Error sqlite_error(int extended_code, int system_errno, std::string_view what) {
  std::string message(what);
  message.append(": ").append(sqlite3_errstr(extended_code));
  const int primary = extended_code & 0xff;
  const bool has_cause = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ||
                         primary == SQLITE_FULL || primary == SQLITE_READONLY;
  if (has_cause && system_errno != 0) {
    message.append(" (").append(std::generic_category().message(system_errno)).append(")");
  }
  return Error(errc_of(extended_code, system_errno), std::move(message));
}

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, Mode mode,
                                                     std::size_t cache_bytes) {
  std::unique_ptr<Connection> connection(new Connection(file));
  const int flags =
      mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code =
      sqlite3_open_v2(file.c_str(), &connection->db_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (connection->db_ == nullptr) return fail(Errc::io_error, "no memory for the index");
  sqlite3_extended_result_codes(connection->db_, 1);
  if (code != SQLITE_OK) {
    connection->note_failure(sqlite3_extended_errcode(connection->db_));
    return fail(connection->status().error());
  }
  sqlite3_busy_timeout(connection->db_, kBusyTimeoutMs);
  const std::string pragmas = "pragma cache_size=-" + std::to_string(cache_bytes / 1024 + 1) +
                              "; pragma temp_store=memory; pragma mmap_size=0;"
                              " pragma cell_size_check=on; pragma trusted_schema=off";
  if (!connection->exec(pragmas.c_str())) return fail(connection->status().error());
  return connection;
}

Connection::~Connection() { sqlite3_close_v2(db_); }

void Connection::note_failure(int code) {
  if (!ok()) return;
  failure_ = code;
  system_errno_ = sqlite3_system_errno(db_);
  // Damage that we noticed and SQLite did not is not in its message.
  const bool is_sqlites = (sqlite3_errcode(db_) & 0xff) == (code & 0xff);
  sentence_ = is_sqlites ? sqlite3_errmsg(db_) : "a column holds what it cannot hold";
}

Status Connection::status() const {
  if (ok()) return {};
  std::string what = "the index " + file_.string();
  if (!sentence_.empty() && sentence_ != sqlite3_errstr(failure_))
    what.append(": ").append(sentence_);
  return fail(sqlite_error(failure_, system_errno_, what));
}

bool Connection::exec(const char* sql) {
  if (!ok()) return false;
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) note_failure(sqlite3_extended_errcode(db_));
  return ok();
}

std::optional<std::int64_t> Connection::integer(const char* sql) {
  Statement statement(*this, sql);
  auto row = statement.query();
  if (!row.step()) return std::nullopt;
  return row.integer(0);
}

std::optional<std::string> Connection::text(const char* sql) {
  Statement statement(*this, sql);
  auto row = statement.query();
  if (!row.step()) return std::nullopt;
  return std::string(row.blob(0));
}

Statement::Statement(Connection& connection, const char* sql) : connection_(&connection) {
  if (!connection.ok()) return;
  const int code = sqlite3_prepare_v3(connection.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      &statement_, nullptr);
  if (code != SQLITE_OK) note(code);
}

void Statement::note(int code) {
  const int extended = sqlite3_extended_errcode(connection_->handle());
  connection_->note_failure((extended & 0xff) == (code & 0xff) ? extended : code);
}

void Statement::bind(int position, std::int64_t value) {
  if (statement_ == nullptr) return;
  const int code = sqlite3_bind_int64(statement_, position, value);
  if (code != SQLITE_OK) note(code);
}

void Statement::bind(int position, std::string_view blob) {
  if (statement_ == nullptr) return;
  // An empty view may have no address, which SQLite would take for NULL.
  const int code = blob.empty() ? sqlite3_bind_zeroblob(statement_, position, 0)
                                : sqlite3_bind_blob64(statement_, position, blob.data(),
                                                      blob.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) note(code);
}

void Statement::bind(int position, const std::optional<Digest>& digest) {
  if (digest) {
    bind(position, as_text(*digest));
  } else if (statement_ != nullptr) {
    sqlite3_bind_null(statement_, position);
  }
}

void Statement::bind(int position, const std::optional<std::int64_t>& value) {
  if (value) {
    bind(position, *value);
  } else if (statement_ != nullptr) {
    sqlite3_bind_null(statement_, position);
  }
}

bool Statement::Query::step() {
  if (statement_->statement_ == nullptr || !statement_->connection_->ok()) return false;
  const int code = sqlite3_step(statement_->statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) statement_->note(code);
  return false;
}

std::int64_t Statement::Query::integer(int column) const {
  return sqlite3_column_int64(statement_->statement_, column);
}

std::string_view Statement::Query::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_->statement_, column);
  const int size = sqlite3_column_bytes(statement_->statement_, column);
  return {static_cast<const char*>(data), data == nullptr ? 0 : static_cast<std::size_t>(size)};
}

bool Statement::Query::is_null(int column) const {
  return sqlite3_column_type(statement_->statement_, column) == SQLITE_NULL;
}

StorageIndex Statement::Query::storage_index(int column) {
  const auto si = StorageIndex::from_bytes(blob(column));
  if (!si) statement_->connection_->note_failure(SQLITE_CORRUPT);
  return si.value_or(StorageIndex());
}

std::optional<Digest> Statement::Query::digest(int column) {
  const std::string_view bytes = blob(column);
  if (bytes.size() != kDigestBytes) {
    if (!is_null(column)) statement_->connection_->note_failure(SQLITE_CORRUPT);
    return std::nullopt;
  }
  Digest digest;
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return digest;
}

}  // namespace sharestore::index_db
