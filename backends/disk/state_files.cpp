#include "backends/disk/state_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace sharestore {
namespace {

constexpr std::size_t kMaxNameChars = 200;
// No state name begins with a dot, so these can be told apart.
constexpr std::string_view kNewPrefix = ".new-";

std::unexpected<Error> bad_name(const std::string& name) {
  return fail(Errc::invalid_argument, "not the name of a state blob: " + name);
}

Result<Bytes> read_state(DiskParts& parts, const std::string& name) {
  const auto file =
      File::open(parts.files, parts.layout.state() + "/" + name, O_RDONLY, "state " + name);
  if (!file) return fail(file.error());
  auto bytes = read_whole(*file, kMaxStateBytes);
  if (!bytes) return fail(bytes.error());
  return Bytes(std::move(*bytes));
}

Result<PendingFile> write_new(DiskParts& parts, const std::string& name, const Bytes& content) {
  std::string path = parts.layout.state() + "/" + std::string(kNewPrefix) + name;
  auto file = File::open(parts.files, path, O_RDWR | O_CREAT | O_TRUNC, "state " + name);
  if (!file) return fail(file.error());
  PendingFile fresh(parts.files, std::move(path), std::move(*file));
  if (Status ok = fresh.file.write(0, content.span()); !ok) return fail(ok.error());
  return fresh;
}

}  // namespace

bool is_state_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameChars && name.front() != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string_view::npos;
}

Task<void> put_state_file(DiskParts& parts, std::string name, Bytes content) {
  if (!is_state_name(name)) co_return bad_name(name);
  if (content.size() > kMaxStateBytes) {
    co_return fail(Errc::too_large, "state " + name + " has more than 16 MiB");
  }
  if (Status ok = parts.durable.writable(); !ok) co_return ok;
  auto fresh =
      co_await parts.pool.run([&parts, name, content] { return write_new(parts, name, content); });
  if (!fresh) co_return fail(fresh.error());
  const auto file = std::make_shared<PendingFile>(std::move(*fresh));
  DurableFiles::Change change;
  change.files = {file->file.fd()};
  change.publish = [&parts, file, name]() -> Status {
    const int result = parts.files.rename(file->path(), parts.layout.state() + "/" + name);
    if (result < 0) return fail(file_error(result, "state " + name));
    file->keep();
    return {};
  };
  change.directories = {parts.layout.state()};
  co_return co_await parts.durable.commit(std::move(change));
}

Task<Bytes> get_state_file(DiskParts& parts, std::string name) {
  if (!is_state_name(name)) co_return bad_name(name);
  co_return co_await parts.pool.run([&parts, name] { return read_state(parts, name); });
}

Task<std::vector<std::string>> list_state_files(DiskParts& parts) {
  using Names = Result<std::vector<std::string>>;
  co_return co_await parts.pool.run([&parts]() -> Names {
    std::vector<std::string> names;
    const int result = parts.files.list(parts.layout.state(), names);
    if (result < 0) return fail(file_error(result, "state"));
    std::erase_if(names, [](const std::string& name) { return !is_state_name(name); });
    std::sort(names.begin(), names.end());
    return names;
  });
}

Task<void> remove_state_file(DiskParts& parts, std::string name) {
  if (!is_state_name(name)) co_return bad_name(name);
  DurableFiles::Change change;
  change.publish = [&parts, name]() -> Status {
    const int result = parts.files.unlink(parts.layout.state() + "/" + name);
    if (result < 0 && result != -ENOENT) return fail(file_error(result, "state " + name));
    return {};
  };
  change.directories = {parts.layout.state()};
  co_return co_await parts.durable.commit(std::move(change));
}

Status clean_state_files(DiskParts& parts) {
  std::vector<std::string> names;
  const int result = parts.files.list(parts.layout.state(), names);
  if (result < 0) return fail(file_error(result, "state"));
  for (const std::string& name : names) {
    if (!name.starts_with(kNewPrefix)) continue;
    const int removed = parts.files.unlink(parts.layout.state() + "/" + name);
    if (removed < 0 && removed != -ENOENT) return fail(file_error(removed, "state " + name));
  }
  return {};
}

}  // namespace sharestore
