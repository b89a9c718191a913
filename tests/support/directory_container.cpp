#include "tests/support/directory_container.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <utility>
#include <vector>

namespace sharestore {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 256 * 1024;

// Keys have no '+'.
std::string file_of(std::string key) {
  std::ranges::replace(key, '/', '+');
  return key;
}
std::string key_of(std::string file) {
  std::ranges::replace(file, '+', '/');
  return file;
}

class DirectoryContainer final : public ObjectContainer {
 public:
  DirectoryContainer(fs::path directory, Clock& clock)
      : root_(std::move(directory)), clock_(clock) {
    for (const char* name : {"objects", "uploads", "new"}) fs::create_directories(root_ / name);
    for (const auto& left : fs::directory_iterator(root_ / "new")) fs::remove(left.path());
    traits_.name = "directory";
    traits_.min_part_bytes = 1;
    traits_.put_if_absent = traits_.put_if_match = true;
  }

  const ContainerTraits& traits() const override { return traits_; }
  Task<void> open(OpContext) override { co_return Status{}; }
  Task<void> close() override { co_return Status{}; }
  Task<void> create(OpContext) override { co_return Status{}; }
  ContainerStatus status() const override {
    return {.health = {}, .clock_offset_seconds = 0, .clock_known = true};
  }

  Task<ObjectInfo> put(OpContext, std::string key, ByteSourcePtr content,
                       PutCondition condition) override {
    auto fresh = store(*content);
    if (!fresh) co_return fail(std::move(fresh.error()));
    const std::lock_guard hold(mutex_);
    co_return place(key, *fresh, condition);
  }

  Task<ObjectBytes> get(OpContext, std::string key, std::uint64_t offset, std::uint64_t length,
                        Freshness) override {
    const std::lock_guard hold(mutex_);
    auto info = look(key);
    if (!info) co_return fail(std::move(info.error()));
    const std::uint64_t begin = std::min(offset, info->size_bytes);
    const std::uint64_t left = info->size_bytes - begin;
    std::vector<std::byte> bytes(length == 0 ? left : std::min(length, left));
    std::ifstream in(object(key), std::ios::binary);
    in.seekg(static_cast<std::streamoff>(begin));
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!in) co_return fail(Errc::io_error, "reading " + key);
    co_return ObjectBytes{Bytes(std::move(bytes)), std::move(*info)};
  }

  Task<ObjectInfo> head(OpContext, std::string key, Freshness) override {
    const std::lock_guard hold(mutex_);
    co_return look(key);
  }

  Task<void> remove(OpContext, std::string key) override {
    const std::lock_guard hold(mutex_);
    fs::remove(object(key));
    co_return Status{};
  }

  Task<ObjectPage> list(OpContext, std::string prefix, std::string after,
                        std::size_t limit) override {
    const std::lock_guard hold(mutex_);
    std::vector<std::string> keys;
    for (const auto& entry : fs::directory_iterator(root_ / "objects")) {
      std::string key = key_of(entry.path().filename().string());
      if (key.starts_with(prefix) && key > after) keys.push_back(std::move(key));
    }
    std::ranges::sort(keys);
    ObjectPage page;
    page.more = keys.size() > limit;
    keys.resize(std::min(keys.size(), limit));
    for (const std::string& key : keys) {
      if (auto info = look(key)) page.objects.push_back(std::move(*info));
    }
    co_return page;
  }

  Task<Multipart> begin_multipart(OpContext, std::string key) override {
    const std::lock_guard hold(mutex_);
    std::string id;
    do {
      id = fmt::format("upload-{}", ++last_id_);
    } while (fs::exists(root_ / "uploads" / id));
    fs::create_directory(root_ / "uploads" / id);
    std::ofstream(root_ / "uploads" / id / "key") << key;
    co_return Multipart{std::move(key), std::move(id)};
  }

  Task<MultipartPart> upload_part(OpContext, Multipart upload, std::uint32_t number,
                                  ByteSourcePtr content) override {
    auto fresh = store(*content);
    if (!fresh) co_return fail(std::move(fresh.error()));
    const std::lock_guard hold(mutex_);
    const fs::path directory = root_ / "uploads" / upload.id;
    if (!fs::exists(directory)) co_return fail(Errc::not_found, "no upload " + upload.id);
    fs::rename(*fresh, directory / std::to_string(number));
    co_return MultipartPart{number, std::to_string(number), content->size()};
  }

  Task<ObjectInfo> complete_multipart(OpContext, Multipart upload, std::vector<MultipartPart> parts,
                                      PutCondition condition) override {
    const std::lock_guard hold(mutex_);
    const fs::path directory = root_ / "uploads" / upload.id;
    if (!fs::exists(directory)) co_return fail(Errc::not_found, "no upload " + upload.id);
    const fs::path whole = fresh_name();
    std::ofstream out(whole, std::ios::binary);
    for (const MultipartPart& part : parts) {
      const fs::path file = directory / std::to_string(part.number);
      if (!fs::exists(file)) co_return fail(Errc::invalid_argument, "a part is missing");
      out << std::ifstream(file, std::ios::binary).rdbuf();
    }
    out.close();
    auto placed = place(upload.key, whole, condition);
    if (placed) fs::remove_all(directory);
    co_return placed;
  }

  Task<void> abort_multipart(OpContext, Multipart upload) override {
    const std::lock_guard hold(mutex_);
    fs::remove_all(root_ / "uploads" / upload.id);
    co_return Status{};
  }

  Task<std::vector<Multipart>> list_multiparts(OpContext, std::string prefix,
                                               std::size_t limit) override {
    const std::lock_guard hold(mutex_);
    std::vector<Multipart> found;
    for (const auto& entry : fs::directory_iterator(root_ / "uploads")) {
      std::string key;
      std::ifstream(entry.path() / "key") >> key;
      if (found.size() < limit && key.starts_with(prefix)) {
        found.push_back({std::move(key), entry.path().filename().string()});
      }
    }
    co_return found;
  }

 private:
  fs::path object(const std::string& key) const { return root_ / "objects" / file_of(key); }

  fs::path fresh_name() { return root_ / "new" / std::to_string(++last_new_); }

  Result<fs::path> store(const ByteSource& content) {
    fs::path file;
    {
      const std::lock_guard hold(mutex_);
      file = fresh_name();
    }
    std::ofstream out(file, std::ios::binary);
    std::vector<std::byte> piece;
    for (std::uint64_t at = 0; at < content.size(); at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(kPieceBytes, content.size() - at));
      if (auto read = content.read(at, piece); !read) return fail(std::move(read.error()));
      out.write(reinterpret_cast<const char*>(piece.data()),
                static_cast<std::streamsize>(piece.size()));
    }
    out.close();
    if (!out) return fail(Errc::no_space, "writing " + file.string());
    return file;
  }

  // A file is never changed, only replaced: its inode and time name a version.
  Result<ObjectInfo> look(const std::string& key) const {
    struct stat file{};
    if (::stat(object(key).c_str(), &file) != 0) return fail(Errc::not_found, "no object " + key);
    return ObjectInfo{
        key, static_cast<std::uint64_t>(file.st_size),
        fmt::format("{}-{}-{}", file.st_ino, file.st_mtim.tv_sec, file.st_mtim.tv_nsec),
        unix_seconds(clock_.utc_now())};
  }

  Result<ObjectInfo> place(const std::string& key, const fs::path& fresh,
                           const PutCondition& condition) {
    const auto old = look(key);
    if (condition.if_absent && old) return fail(Errc::conflict, key + " exists");
    if (!condition.if_match.empty() && (!old || old->etag != condition.if_match)) {
      return fail(Errc::conflict, key + " is another version");
    }
    fs::rename(fresh, object(key));
    return look(key);
  }

  const fs::path root_;
  Clock& clock_;
  ContainerTraits traits_;
  std::mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_new_ = 0;
};

}  // namespace

std::unique_ptr<ObjectContainer> make_directory_container(fs::path directory, Clock& clock) {
  return std::make_unique<DirectoryContainer>(std::move(directory), clock);
}

}  // namespace sharestore
