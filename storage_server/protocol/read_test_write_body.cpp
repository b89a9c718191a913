#include "storage_server/protocol/read_test_write_body.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage_server/protocol/cbor.h"

namespace sharestore {

namespace {

using Kind = CborToken::Kind;

constexpr std::size_t kReadPieceBytes = 256 * 1024;
constexpr std::size_t kMaxKeyBytes = 64;
// map > map > map > array > map, and room for what a hostile body nests before it is refused.
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kEndOfMap = SIZE_MAX;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Errc::invalid_argument, "request body: " + std::string(what));
}

class Decoder {
 public:
  Decoder(http::RequestBody* body, Spool* spool, ReadTestWriteLimits limits)
      : body_(body),
        spool_(spool),
        limits_(limits),
        memory_left_(limits.max_memory_bytes),
        decoder_({.max_depth = kMaxDepth,
                  .max_items = limits::kWriteVectorsPerRequest,
                  .max_text_bytes = kMaxKeyBytes,
                  .max_byte_string_bytes = limits.max_body_bytes}) {}

  Task<ReadTestWriteBody> decode();

 private:
  // The keys of a map that was begun.
  struct Keys {
    std::span<const std::string_view> names;
    unsigned seen = 0;
  };

  Task<CborToken> next();
  Task<void> expect(Kind kind, std::string_view what);
  // Answers the place of the next key in `keys.names`, or kEndOfMap when all have been there.
  Task<std::size_t> next_key(Keys* keys);
  // Answers whether an array has another map, and enters it.
  Task<bool> next_map_in_array();
  Task<std::uint64_t> uint();
  Task<void> shares();
  Task<void> share(TestWriteVectors* share);
  Task<void> tests(std::vector<TestVector>* tests);
  Task<void> writes(std::vector<ShareChange::Write>* writes);
  Task<void> reads();
  Task<void> new_length(std::optional<std::uint64_t>* length);
  Task<ByteSourcePtr> byte_string();
  Task<ByteSourcePtr> spooled_string(std::vector<std::byte> begun);
  Task<void> spool_bytes(ByteSpan bytes);
  Task<void> flush_spool();

  http::RequestBody* body_;
  Spool* spool_;
  ReadTestWriteLimits limits_;
  std::size_t memory_left_;
  CborDecoder decoder_;
  Bytes piece_;  // what the decoder reads
  std::uint64_t received_bytes_ = 0;
  std::size_t write_vectors_ = 0;
  std::vector<std::byte>
      unspooled_;  // on its way to the file, so that it is written in large pieces
  ReadTestWriteBody result_;
};

Task<CborToken> Decoder::next() {
  for (;;) {
    auto token = decoder_.next();
    if (!token) co_return fail(std::move(token.error()));
    if (token->kind != Kind::need_more && token->kind != Kind::end) co_return *token;
    // Let go before asking for more: pieces are charged to the memory that the next one needs.
    decoder_.feed({});
    piece_ = {};
    auto piece = co_await body_->read(kReadPieceBytes);
    if (!piece) co_return fail(std::move(piece.error()));
    if (piece->empty()) {
      if (token->kind == Kind::end) co_return *token;
      co_return wrong("ends within an item");
    }
    received_bytes_ += piece->size();
    if (received_bytes_ > limits_.max_body_bytes) {
      co_return fail(Errc::too_large, "request body: too large");
    }
    piece_ = std::move(*piece);
    decoder_.feed(piece_.span());
  }
}

Task<void> Decoder::expect(Kind kind, std::string_view what) {
  const auto token = co_await next();
  if (!token) co_return fail(token.error());
  if (token->kind != kind) co_return wrong(what);
  co_return Status();
}

Task<std::size_t> Decoder::next_key(Keys* keys) {
  const auto token = co_await next();
  if (!token) co_return fail(token.error());
  if (token->kind == Kind::container_end) {
    if (keys->seen + 1 != 1U << keys->names.size()) co_return wrong("a required key is missing");
    co_return kEndOfMap;
  }
  if (token->kind != Kind::text) co_return wrong("a key is not a text");
  const auto found = std::find(keys->names.begin(), keys->names.end(), token->text);
  const auto place = static_cast<std::size_t>(found - keys->names.begin());
  if (found == keys->names.end() || (keys->seen >> place & 1U) != 0) {
    co_return wrong("an unknown or repeated key");
  }
  keys->seen |= 1U << place;
  co_return place;
}

Task<bool> Decoder::next_map_in_array() {
  const auto token = co_await next();
  if (!token) co_return fail(token.error());
  if (token->kind == Kind::container_end) co_return false;
  if (token->kind != Kind::map_begin) co_return wrong("a vector is not a map");
  co_return true;
}

Task<std::uint64_t> Decoder::uint() {
  const auto token = co_await next();
  if (!token) co_return fail(token.error());
  if (token->kind != Kind::unsigned_int) co_return wrong("expected an unsigned integer");
  co_return token->value;
}

Task<ReadTestWriteBody> Decoder::decode() {
  static constexpr std::array<std::string_view, 2> kNames = {"test-write-vectors", "read-vector"};
  if (auto begun = co_await expect(Kind::map_begin, "expected a map"); !begun) {
    co_return fail(std::move(begun.error()));
  }
  Keys keys{kNames};
  for (;;) {
    const auto key = co_await next_key(&keys);
    if (!key) co_return fail(key.error());
    if (*key == kEndOfMap) break;
    auto done = co_await (*key == 0 ? shares() : reads());
    if (!done) co_return fail(std::move(done.error()));
  }
  if (auto ended = co_await expect(Kind::end, "bytes after it"); !ended) {
    co_return fail(std::move(ended.error()));
  }
  if (auto flushed = co_await flush_spool(); !flushed) co_return fail(std::move(flushed.error()));
  co_return std::move(result_);
}

Task<void> Decoder::shares() {
  if (auto begun = co_await expect(Kind::map_begin, "test-write-vectors: a map"); !begun) {
    co_return begun;
  }
  for (;;) {
    const auto token = co_await next();
    if (!token) co_return fail(token.error());
    if (token->kind == Kind::container_end) co_return Status();
    if (token->kind != Kind::unsigned_int) co_return wrong("a share number is no unsigned integer");
    const auto [entry, added] = result_.request.shares.try_emplace(token->value);
    if (!added) co_return wrong("a share number comes twice");
    if (result_.request.shares.size() > limits::kShareNumbersPerSet) {
      co_return wrong("too many shares");
    }
    if (auto done = co_await share(&entry->second); !done) co_return done;
  }
}

Task<void> Decoder::share(TestWriteVectors* share) {
  static constexpr std::array<std::string_view, 3> kNames = {"test", "write", "new-length"};
  if (auto begun = co_await expect(Kind::map_begin, "a share's vectors: a map"); !begun) {
    co_return begun;
  }
  Keys keys{kNames};
  for (;;) {
    const auto key = co_await next_key(&keys);
    if (!key) co_return fail(key.error());
    if (*key == kEndOfMap) co_return Status();
    auto done = *key == 0   ? co_await tests(&share->tests)
                : *key == 1 ? co_await writes(&share->writes)
                            : co_await new_length(&share->new_length);
    if (!done) co_return done;
  }
}

Task<void> Decoder::tests(std::vector<TestVector>* tests) {
  static constexpr std::array<std::string_view, 3> kNames = {"offset", "size", "specimen"};
  if (auto begun = co_await expect(Kind::array_begin, "test: an array"); !begun) co_return begun;
  for (;;) {
    const auto more = co_await next_map_in_array();
    if (!more) co_return fail(more.error());
    if (!*more) co_return Status();
    if (tests->size() == limits::kTestVectorsPerShare) co_return wrong("too many test vectors");
    TestVector test;
    Keys keys{kNames};
    for (;;) {
      const auto key = co_await next_key(&keys);
      if (!key) co_return fail(key.error());
      if (*key == kEndOfMap) break;
      if (*key == 2) {
        auto specimen = co_await byte_string();
        if (!specimen) co_return fail(std::move(specimen.error()));
        test.specimen = std::move(*specimen);
        continue;
      }
      const auto value = co_await uint();
      if (!value) co_return fail(value.error());
      (*key == 0 ? test.offset : test.size) = *value;
    }
    tests->push_back(std::move(test));
  }
}

Task<void> Decoder::writes(std::vector<ShareChange::Write>* writes) {
  static constexpr std::array<std::string_view, 2> kNames = {"offset", "data"};
  if (auto begun = co_await expect(Kind::array_begin, "write: an array"); !begun) co_return begun;
  for (;;) {
    const auto more = co_await next_map_in_array();
    if (!more) co_return fail(more.error());
    if (!*more) co_return Status();
    if (++write_vectors_ > limits::kWriteVectorsPerRequest) {
      co_return fail(Errc::too_large, "request body: too many write vectors");
    }
    ShareChange::Write write;
    Keys keys{kNames};
    for (;;) {
      const auto key = co_await next_key(&keys);
      if (!key) co_return fail(key.error());
      if (*key == kEndOfMap) break;
      if (*key == 1) {
        auto data = co_await byte_string();
        if (!data) co_return fail(std::move(data.error()));
        write.data = std::move(*data);
        continue;
      }
      const auto offset = co_await uint();
      if (!offset) co_return fail(offset.error());
      write.offset = *offset;
    }
    writes->push_back(std::move(write));
  }
}

Task<void> Decoder::reads() {
  static constexpr std::array<std::string_view, 2> kNames = {"offset", "size"};
  std::vector<ReadVector>& reads = result_.request.reads;
  if (auto begun = co_await expect(Kind::array_begin, "read-vector: an array"); !begun) {
    co_return begun;
  }
  for (;;) {
    const auto more = co_await next_map_in_array();
    if (!more) co_return fail(more.error());
    if (!*more) co_return Status();
    if (reads.size() == limits::kReadVectors) co_return wrong("too many read vectors");
    ReadVector read;
    Keys keys{kNames};
    for (;;) {
      const auto key = co_await next_key(&keys);
      if (!key) co_return fail(key.error());
      if (*key == kEndOfMap) break;
      const auto value = co_await uint();
      if (!value) co_return fail(value.error());
      (*key == 0 ? read.offset : read.size) = *value;
    }
    reads.push_back(read);
  }
}

Task<void> Decoder::new_length(std::optional<std::uint64_t>* length) {
  const auto token = co_await next();
  if (!token) co_return fail(token.error());
  if (token->kind == Kind::unsigned_int) {
    *length = token->value;
  } else if (token->kind != Kind::null) {
    co_return wrong("new-length: an unsigned integer or null");
  }
  co_return Status();
}

Task<ByteSourcePtr> Decoder::byte_string() {
  const auto begin = co_await next();
  if (!begin) co_return fail(begin.error());
  if (begin->kind != Kind::bytes_begin) co_return wrong("expected a byte string");
  const std::size_t room = std::min(limits_.spool_above_bytes, memory_left_);
  std::vector<std::byte> held;
  if (begin->length && *begin->length <= room) {
    held.reserve(static_cast<std::size_t>(*begin->length));
  }
  if (begin->length && *begin->length > room) co_return co_await spooled_string(std::move(held));
  for (;;) {
    const auto token = co_await next();
    if (!token) co_return fail(token.error());
    if (token->kind == Kind::bytes_end) break;
    held.insert(held.end(), token->piece.begin(), token->piece.end());
    if (held.size() > room) co_return co_await spooled_string(std::move(held));
  }
  memory_left_ -= held.size();
  co_return memory_source(Bytes(std::move(held)));
}

// The rest of a byte string whose beginning is in `begun`.
Task<ByteSourcePtr> Decoder::spooled_string(std::vector<std::byte> begun) {
  if (!result_.spooled) {
    auto file = co_await spool_->create();
    if (!file) co_return fail(std::move(file.error()));
    result_.spooled = std::move(*file);
  }
  const std::uint64_t offset = result_.spooled->size() + unspooled_.size();
  std::uint64_t size = begun.size();
  if (auto done = co_await spool_bytes(begun); !done) co_return fail(std::move(done.error()));
  for (;;) {
    const auto token = co_await next();
    if (!token) co_return fail(token.error());
    if (token->kind == Kind::bytes_end) co_return result_.spooled->source(offset, size);
    size += token->piece.size();
    if (auto done = co_await spool_bytes(token->piece); !done) {
      co_return fail(std::move(done.error()));
    }
  }
}

Task<void> Decoder::spool_bytes(ByteSpan bytes) {
  unspooled_.insert(unspooled_.end(), bytes.begin(), bytes.end());
  if (unspooled_.size() < kReadPieceBytes) co_return Status();
  co_return co_await flush_spool();
}

Task<void> Decoder::flush_spool() {
  if (unspooled_.empty()) co_return Status();
  Bytes full(std::exchange(unspooled_, {}));
  co_return co_await result_.spooled->append(std::move(full));
}

}  // namespace

std::size_t read_test_write_memory(std::optional<std::uint64_t> body_bytes) {
  // A vector takes 15 bytes of a body and about a hundred of memory; the rest is its strings.
  constexpr std::uint64_t kPerByte = 8;
  constexpr std::uint64_t kLeast = 4096;
  if (!body_bytes || *body_bytes > kMaxReadTestWriteMemoryBytes / kPerByte) {
    return kMaxReadTestWriteMemoryBytes;
  }
  return static_cast<std::size_t>(std::max(kLeast, *body_bytes * kPerByte));
}

Task<ReadTestWriteBody> decode_read_test_write(http::RequestBody* body, Spool* spool,
                                               ReadTestWriteLimits limits) {
  if (body->length().value_or(0) > limits.max_body_bytes) {
    co_return fail(Errc::too_large, "request body: too large");
  }
  Decoder decoder(body, spool, limits);
  co_return co_await decoder.decode();
}

}  // namespace sharestore
