// Foolscap's serialisation: tokens, and the trees of containers that they form.
//
// No input or output of its own. One thread at a time per object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backends/core/error.h"

namespace sharestore::grid {

// Words that table 1 of the initial vocabulary has: index and word, or nothing.
std::optional<std::uint64_t> vocabulary_index(std::string_view word);
std::optional<std::string_view> vocabulary_word(std::uint64_t index);

// Writes tokens. `vocabulary`: open types as indexes of table 1, otherwise spelled out.
class BananaWriter {
 public:
  explicit BananaWriter(bool vocabulary) : vocabulary_(vocabulary) {}

  void open(std::string_view type);
  void close();
  void integer(std::uint64_t value);  // at most 2^31 - 1
  void bytes(std::string_view value);
  void ping();
  void pong(std::uint64_t number);

  // Everything written since the last call.
  std::string take();
  bool empty() const { return out_.empty(); }

 private:
  void header(std::uint64_t number);

  bool vocabulary_;
  std::uint64_t next_open_ = 0;
  std::vector<std::uint64_t> open_;
  std::string out_;
};

// One object of a message. Depth at most kMaxDepth.
struct BananaValue {
  enum class Kind : std::uint8_t {
    integer,
    bytes,
    other,      // floats and integers beyond 64 bits: nothing that is looked at
    container,  // `bytes` is its open type
  };

  Kind kind = Kind::other;
  std::int64_t integer = 0;
  std::string bytes;
  std::vector<BananaValue> items;

  bool is(std::string_view open_type) const {
    return kind == Kind::container && bytes == open_type;
  }
  bool is_integer() const { return kind == Kind::integer; }
  // A byte string, or a text (a `unicode` container); nothing for others.
  std::optional<std::string_view> text() const;
};

struct BananaPing {
  std::uint64_t number = 0;
};
struct BananaPong {};
// The peer's last word: it closes the connection.
struct BananaError {
  std::string text;
};
using BananaEvent = std::variant<BananaValue, BananaPing, BananaPong, BananaError>;

// Reads tokens out of pieces of any size. Holds at most one message within the limits of
// limits.h, and what was appended and not yet read.
class BananaReader {
 public:
  explicit BananaReader(bool vocabulary) : vocabulary_(vocabulary) {}

  void append(std::string_view bytes) { input_ += bytes; }

  // The next top-level container or control token; nothing when more bytes are needed.
  // too_large: a limit was passed; invalid_argument: no Banana. Both are final: the reader must not
  // be used again.
  Result<std::optional<BananaEvent>> next();

 private:
  struct Header {
    std::uint64_t number = 0;
    std::uint8_t type = 0;
    std::size_t bytes = 0;  // of the header itself
  };

  Result<std::optional<Header>> read_header() const;
  Result<std::optional<std::string_view>> read_body(const Header& header) const;
  Status take_token(const Header& header, std::string_view body);
  Status take_open(std::uint64_t number);
  Status take_close(std::uint64_t number);
  Status add(BananaValue value);
  std::optional<BananaEvent> control_event(const Header& header, std::string_view body) const;
  void consume(std::size_t bytes);

  struct Open {
    std::uint64_t number = 0;
    bool typed = false;  // its open type has come
    BananaValue value;
  };

  bool vocabulary_;
  std::string input_;
  std::size_t begin_ = 0;  // of what is unread in input_
  std::vector<Open> open_;
  std::optional<BananaValue> finished_;
  std::size_t message_bytes_ = 0;
  std::size_t message_tokens_ = 0;
};

}  // namespace sharestore::grid
