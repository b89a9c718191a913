#include "storage_server/protocol/request_bodies.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "backends/core/limits.h"
#include "storage_server/protocol/cbor.h"

namespace sharestore {

namespace {

using Kind = CborToken::Kind;

// gbs-protocol.md section 3, endpoint 8.
constexpr std::size_t kMaxReasonBytes = 32765;
constexpr std::size_t kMaxKeyBytes = 64;
// Neither schema has byte strings: each is refused for its kind, whatever its length.
constexpr std::uint64_t kAnyByteString = UINT64_MAX;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Errc::invalid_argument, "request body: " + std::string(what));
}

Status expect(CborReader& reader, Kind kind, std::string_view what) {
  const auto token = reader.next();
  if (!token) return fail(token.error());
  if (token->kind != kind) return wrong(what);
  return {};
}

Result<std::vector<ShareNumber>> read_number_set(CborReader& reader) {
  const auto tag = reader.next();
  if (!tag) return fail(tag.error());
  if (tag->kind != Kind::tag || tag->value != kCborSetTag) return wrong("expected a set (tag 258)");
  if (auto begun = expect(reader, Kind::array_begin, "expected an array in the set"); !begun) {
    return fail(begun.error());
  }
  std::vector<ShareNumber> numbers;
  for (;;) {
    const auto token = reader.next();
    if (!token) return fail(token.error());
    if (token->kind == Kind::container_end) break;
    if (token->kind != Kind::unsigned_int)
      return wrong("a share number is not an unsigned integer");
    if (numbers.size() == limits::kShareNumbersPerSet) return wrong("too many share numbers");
    numbers.push_back(token->value);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

// Answers whether a key follows (in `key`) or the map ends.
Result<bool> read_key(CborReader& reader, std::string& key) {
  const auto token = reader.next();
  if (!token) return fail(token.error());
  if (token->kind == Kind::container_end) return false;
  if (token->kind != Kind::text) return wrong("a key is not a text");
  key = token->text;
  return true;
}

}  // namespace

Task<Bytes> read_whole_body(http::RequestBody* body, std::size_t max_bytes) {
  if (body->length().value_or(0) > max_bytes) {
    co_return fail(Errc::too_large, "request body: too large");
  }
  std::vector<std::byte> whole;
  for (;;) {
    // One byte more than allowed tells a body that is too large from one that just fits.
    auto piece = co_await body->read(max_bytes + 1 - whole.size());
    if (!piece) co_return fail(std::move(piece.error()));
    if (piece->empty()) break;
    if (piece->size() > max_bytes - whole.size()) {
      co_return fail(Errc::too_large, "request body: too large");
    }
    whole.insert(whole.end(), piece->span().begin(), piece->span().end());
  }
  co_return Bytes(std::move(whole));
}

Result<AllocateRequest> decode_allocate(ByteSpan body) {
  CborReader reader(body, {.max_depth = 4,
                           .max_items = limits::kShareNumbersPerSet,
                           .max_text_bytes = kMaxKeyBytes,
                           .max_byte_string_bytes = kAnyByteString});
  if (auto begun = expect(reader, Kind::map_begin, "expected a map"); !begun) {
    return fail(begun.error());
  }
  AllocateRequest request;
  bool has_numbers = false;
  bool has_size = false;
  std::string key;
  for (;;) {
    const auto more = read_key(reader, key);
    if (!more) return fail(more.error());
    if (!*more) break;
    if (key == "share-numbers" && !std::exchange(has_numbers, true)) {
      auto numbers = read_number_set(reader);
      if (!numbers) return fail(numbers.error());
      request.numbers = std::move(*numbers);
    } else if (key == "allocated-size" && !std::exchange(has_size, true)) {
      const auto size = reader.next();
      if (!size) return fail(size.error());
      if (size->kind != Kind::unsigned_int) return wrong("allocated-size: an unsigned integer");
      request.allocated_size_bytes = size->value;
    } else {
      return wrong("an unknown or repeated key");
    }
  }
  if (!has_numbers || !has_size) return wrong("share-numbers and allocated-size are required");
  if (auto ended = expect(reader, Kind::end, "bytes after it"); !ended) return fail(ended.error());
  return request;
}

Result<std::string> decode_corruption_report(ByteSpan body) {
  CborReader reader(body, {.max_depth = 2,
                           .max_items = 1,
                           .max_text_bytes = kMaxReasonBytes,
                           .max_byte_string_bytes = kAnyByteString});
  if (auto begun = expect(reader, Kind::map_begin, "expected a map"); !begun) {
    return fail(begun.error());
  }
  std::string key;
  const auto more = read_key(reader, key);
  if (!more) return fail(more.error());
  if (!*more || key != "reason") return wrong("exactly the key reason is required");
  const auto reason = reader.next();
  if (!reason) return fail(reason.error());
  if (reason->kind != Kind::text || reason->text.empty()) return wrong("reason: a text, not empty");
  std::string text(reason->text);
  if (auto closed = expect(reader, Kind::container_end, "an unknown or repeated key"); !closed) {
    return fail(closed.error());
  }
  if (auto ended = expect(reader, Kind::end, "bytes after it"); !ended) return fail(ended.error());
  return text;
}

}  // namespace sharestore
