// CBOR (RFC 8949) as far as the storage protocol uses it: an encoder that appends to a buffer, and
// a decoder that takes its input in pieces of any size and needs memory for the nesting only.
//
// One thread per object. Nothing here allocates because a length in the input says so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/error.h"

namespace sharestore {

// The tag of a set (IANA "CBOR Tags"): around an array.
inline constexpr std::uint64_t kCborSetTag = 258;

// Appends items to `out`, definite lengths only, integers in their shortest form. The caller keeps
// the counts it announced.
class CborWriter {
 public:
  // `out` must outlive the writer.
  explicit CborWriter(std::vector<std::byte>& out) : out_(out) {}

  void uint(std::uint64_t value) { head(0, value); }
  void bytes(std::string_view value);
  // The head of a byte string whose content follows elsewhere.
  void bytes_head(std::uint64_t length) { head(2, length); }
  void text(std::string_view value);
  void array(std::uint64_t count) { head(4, count); }
  void map(std::uint64_t pairs) { head(5, pairs); }
  // Tag 258 and the head of its array.
  void set(std::uint64_t count);
  void boolean(bool value) { head(7, value ? 21 : 20); }
  void null() { head(7, 22); }

 private:
  void head(unsigned major, std::uint64_t value);

  std::vector<std::byte>& out_;
};

struct CborToken {
  enum class Kind : std::uint8_t {
    need_more,     // all input is consumed: feed() the next piece
    end,           // the one top-level item is complete and no input is left
    unsigned_int,  // value
    negative_int,  // -1 - value
    text,          // text, whole and valid UTF-8; valid until the next call
    bytes_begin,   // length if it is known; then any number of bytes_piece, then bytes_end
    bytes_piece,   // piece, part of what was fed
    bytes_end,
    array_begin,  // the items follow, then container_end
    map_begin,    // keys and values follow, then container_end
    container_end,
    tag,      // value; the tagged item follows
    boolean,  // value 0 or 1
    null,
    other,  // a float, undefined, or another simple value
  };
  Kind kind = Kind::need_more;
  std::uint64_t value = 0;
  std::optional<std::uint64_t> length;
  std::string_view text;
  ByteSpan piece;
};

// What a decoder refuses. `max_items` counts items of an array and pairs of a map.
struct CborLimits {
  std::size_t max_depth = 8;
  std::uint64_t max_items = 1024;
  std::size_t max_text_bytes = 64;
  std::uint64_t max_byte_string_bytes = 0;
};

// Reads exactly one item, with everything in it, from input that comes in pieces.
//
// Accepts all well-formed CBOR within the limits: indefinite lengths, integers longer than needed.
// Errors are final: invalid_argument for what is not CBOR or beyond a limit, too_large for a byte
// string beyond its limit. Bytes after the item are invalid_argument.
class CborDecoder {
 public:
  explicit CborDecoder(CborLimits limits) : limits_(limits) {}

  // The next piece; `piece` must stay until need_more or end has been answered.
  void feed(ByteSpan piece) { input_ = piece; }
  Result<CborToken> next();

 private:
  enum class State : std::uint8_t {
    item,
    close,
    bytes,
    byte_chunks,
    byte_chunk,
    text,
    text_chunks,
    text_chunk,
    done,
    failed,
  };
  enum class FrameKind : std::uint8_t { array, map, tag };
  struct Frame {
    FrameKind kind = FrameKind::array;
    bool indefinite = false;
    // Items to come of a definite frame, items read of an indefinite one. A pair is two items.
    std::uint64_t count = 0;
  };
  struct Head {
    unsigned major = 0;
    unsigned info = 0;
    std::uint64_t value = 0;
    bool indefinite() const { return info == 31; }
    bool is_break() const { return major == 7 && info == 31; }
  };

  // Nothing: the state has moved on without a token; step again.
  using Step = Result<std::optional<CborToken>>;

  Step step();
  // Nothing: more input is needed.
  Result<std::optional<Head>> read_head();
  Step open_item(const Head& head);
  Step open_container(const Head& head);
  Step open_string(const Head& head);
  Step simple(const Head& head);
  Step next_chunk(unsigned major);
  Step bytes_part();
  Step text_part();
  Step finish_text();
  Step close_container();
  Status count_text(std::uint64_t bytes);
  Status count_bytes(std::uint64_t bytes);
  Status push(FrameKind kind, bool indefinite, std::uint64_t count);
  Status item_done();

  CborLimits limits_;
  ByteSpan input_;
  State state_ = State::item;
  std::vector<Frame> frames_;
  std::array<unsigned char, 9> head_{};
  std::size_t head_size_ = 0;
  std::uint64_t left_ = 0;          // of the string or chunk being read
  std::uint64_t string_bytes_ = 0;  // announced so far of the string being read
  std::uint64_t empty_chunks_ = 0;
  std::size_t chunk_begin_ = 0;  // in text_
  std::string text_;
};

// The same over input that is all there.
class CborReader {
 public:
  // `input` must outlive the reader.
  CborReader(ByteSpan input, CborLimits limits) : decoder_(limits) { decoder_.feed(input); }

  // invalid_argument also where the input ends within an item. After the item: Kind::end.
  Result<CborToken> next();

 private:
  CborDecoder decoder_;
};

}  // namespace sharestore
