#include "backends/object/slot_intent.h"

#include <boost/json.hpp>

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "backends/core/base32.h"

namespace sharestore {

namespace json = boost::json;

namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

// A file descriptor that is closed when it goes; sources share it.
class NamedSpool {
 public:
  NamedSpool(const std::filesystem::path& file, int flags)
      : path_(file), fd_(::open(file.c_str(), flags | O_CLOEXEC, 0600)), error_(errno) {}
  ~NamedSpool() {
    if (fd_ >= 0) ::close(fd_);
  }
  NamedSpool(const NamedSpool&) = delete;
  NamedSpool& operator=(const NamedSpool&) = delete;

  Status opened() const {
    if (fd_ >= 0) return {};
    return fail(errno_error(error_, path_.string()));
  }

  Status append(ByteSpan bytes) {
    while (!bytes.empty()) {
      const ssize_t done = ::write(fd_, bytes.data(), bytes.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return fail(errno_error(errno, "writing " + path_.string()));
      bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return {};
  }

  Status read(std::uint64_t offset, MutableByteSpan into) const {
    while (!into.empty()) {
      const ssize_t done = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return fail(errno_error(errno, "reading " + path_.string()));
      if (done == 0) return fail(Errc::corrupt, path_.string() + " is shorter than it must be");
      into = into.subspan(static_cast<std::size_t>(done));
      offset += static_cast<std::uint64_t>(done);
    }
    return {};
  }

  Status sync() {
    if (::fsync(fd_) != 0) return fail(errno_error(errno, "syncing " + path_.string()));
    const int directory = ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return fail(errno_error(errno, path_.parent_path().string()));
    const bool good = ::fsync(directory) == 0;
    const int error = errno;
    ::close(directory);
    if (!good) return fail(errno_error(error, "syncing " + path_.parent_path().string()));
    return {};
  }

 private:
  const std::filesystem::path path_;
  const int fd_;
  const int error_;
};

class PartSource final : public ByteSource {
 public:
  PartSource(std::shared_ptr<const NamedSpool> file, IntentEntry entry)
      : file_(std::move(file)), entry_(entry) {}
  std::uint64_t size() const override { return entry_.size_bytes; }
  Status read(std::uint64_t offset, MutableByteSpan into) const override {
    return file_->read(entry_.offset + offset, into);
  }

 private:
  const std::shared_ptr<const NamedSpool> file_;
  const IntentEntry entry_;
};

class Hasher {
 public:
  Hasher() { crypto_generichash_init(&state_, nullptr, 0, kDigestBytes); }
  void add(ByteSpan bytes) {
    crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size());
  }
  Digest finish() {
    Digest digest;
    crypto_generichash_final(&state_, digest.data(), digest.size());
    return digest;
  }

 private:
  crypto_generichash_state state_;
};

Status append_source(NamedSpool& file, Hasher& hasher, const ByteSource& source) {
  std::vector<std::byte> piece;
  for (std::uint64_t at = 0; at < source.size();) {
    piece.resize(std::min<std::uint64_t>(kPieceBytes, source.size() - at));
    auto read = source.read(at, piece);
    if (!read) return read;
    hasher.add(piece);
    auto written = file.append(piece);
    if (!written) return written;
    at += piece.size();
  }
  return {};
}

}  // namespace

std::string encode_intent(const SlotIntent& intent) {
  json::array entries;
  for (const IntentEntry& entry : intent.entries) {
    entries.push_back({{"number", entry.number},
                       {"remove", entry.remove},
                       {"offset", entry.offset},
                       {"size", entry.size_bytes}});
  }
  return json::serialize(json::value{{"file", intent.file_name},
                                     {"digest", base32_encode(as_text(intent.digest))},
                                     {"entries", std::move(entries)}});
}

Result<SlotIntent> decode_intent(const std::string& body) {
  try {
    const json::value parsed = json::parse(body);
    SlotIntent intent;
    intent.file_name = std::string(parsed.at("file").as_string());
    const auto digest = base32_decode(parsed.at("digest").as_string());
    const bool safe_name = !intent.file_name.empty() && !intent.file_name.contains('/');
    if (!digest || digest->size() != kDigestBytes || !safe_name) {
      return fail(Errc::corrupt, "an intent in the index is damaged");
    }
    std::copy(digest->begin(), digest->end(), intent.digest.begin());
    for (const json::value& entry : parsed.at("entries").as_array()) {
      intent.entries.push_back({entry.at("number").to_number<std::uint64_t>(),
                                entry.at("remove").as_bool(),
                                entry.at("offset").to_number<std::uint64_t>(),
                                entry.at("size").to_number<std::uint64_t>()});
    }
    return intent;
  } catch (const std::exception& error) {
    return fail(Errc::corrupt, std::string("an intent in the index is damaged: ") + error.what());
  }
}

Result<SlotIntent> spool_intent(const std::filesystem::path& directory,
                                std::vector<IntentEntry> entries,
                                const std::vector<ByteSourcePtr>& sources) {
  SlotIntent intent;
  std::string random(10, '\0');
  randombytes_buf(random.data(), random.size());
  intent.file_name = "slot-" + base32_encode(random);
  NamedSpool file(directory / intent.file_name, O_CREAT | O_EXCL | O_WRONLY);
  auto opened = file.opened();
  if (!opened) return fail(std::move(opened.error()));
  Hasher hasher;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].remove) continue;
    entries[i].offset = at;
    entries[i].size_bytes = sources[i]->size();
    at += sources[i]->size();
    auto written = append_source(file, hasher, *sources[i]);
    if (!written) return fail(std::move(written.error()));
  }
  auto synced = file.sync();
  if (!synced) return fail(std::move(synced.error()));
  intent.digest = hasher.finish();
  intent.entries = std::move(entries);
  return intent;
}

Result<std::vector<ByteSourcePtr>> load_intent(const std::filesystem::path& directory,
                                               const SlotIntent& intent) {
  auto file = std::make_shared<NamedSpool>(directory / intent.file_name, O_RDONLY);
  auto opened = file->opened();
  if (!opened) return fail(std::move(opened.error()));
  Hasher hasher;
  std::vector<ByteSourcePtr> sources;
  std::vector<std::byte> piece;
  for (const IntentEntry& entry : intent.entries) {
    if (entry.remove) {
      sources.push_back(nullptr);
      continue;
    }
    for (std::uint64_t at = 0; at < entry.size_bytes; at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(kPieceBytes, entry.size_bytes - at));
      auto read = file->read(entry.offset + at, piece);
      if (!read) return fail(std::move(read.error()));
      hasher.add(piece);
    }
    sources.push_back(std::make_shared<PartSource>(file, entry));
  }
  if (hasher.finish() != intent.digest) {
    return fail(Errc::corrupt, intent.file_name + " does not have the bytes that were recorded");
  }
  return sources;
}

}  // namespace sharestore
