#include "storage_server/grid/banana.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "storage_server/grid/limits.h"

namespace sharestore::grid {

namespace {

// Type bytes; everything below 0x80 is a digit of the header.
enum : std::uint8_t {
  kInteger = 0x81,
  kString = 0x82,
  kNegative = 0x83,
  kFloat = 0x84,
  kLongInteger = 0x85,
  kLongNegative = 0x86,
  kVocabulary = 0x87,
  kOpen = 0x88,
  kClose = 0x89,
  kAbort = 0x8a,
  kError = 0x8d,
  kPing = 0x8e,
  kPong = 0x8f,
};

constexpr unsigned kDigitBits = 7;
constexpr std::uint8_t kFirstType = 0x80;
constexpr std::size_t kFloatBytes = 8;

constexpr std::array<std::string_view, 25> kWords = {
    "none",      "boolean",       "reference", "dict",         "list",           "tuple",
    "set",       "immutable-set", "unicode",   "set-vocab",    "add-vocab",      "call",
    "arguments", "answer",        "error",     "my-reference", "your-reference", "their-reference",
    "copyable",  "instance",      "module",    "class",        "method",         "function",
    "attrdict",
};

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("the peer sent {}", what));
}

std::unexpected<Error> beyond(std::string_view what) {
  return fail(Errc::too_large, fmt::format("the peer sent {}", what));
}

bool has_body(std::uint8_t type) {
  return type == kString || type == kLongInteger || type == kLongNegative || type == kError;
}

}  // namespace

std::optional<std::uint64_t> vocabulary_index(std::string_view word) {
  const auto* const found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<std::uint64_t>(found - kWords.begin());
}

std::optional<std::string_view> vocabulary_word(std::uint64_t index) {
  if (index >= kWords.size()) return std::nullopt;
  return kWords[index];
}

void BananaWriter::header(std::uint64_t number) {
  do {
    out_ += static_cast<char>(number & (kFirstType - 1));
    number >>= kDigitBits;
  } while (number != 0);
}

void BananaWriter::open(std::string_view type) {
  header(next_open_);
  out_ += static_cast<char>(kOpen);
  open_.push_back(next_open_++);
  const auto index = vocabulary_ ? vocabulary_index(type) : std::nullopt;
  if (!index) return bytes(type);
  header(*index);
  out_ += static_cast<char>(kVocabulary);
}

void BananaWriter::close() {
  header(open_.back());
  open_.pop_back();
  out_ += static_cast<char>(kClose);
}

void BananaWriter::integer(std::uint64_t value) {
  header(value);
  out_ += static_cast<char>(kInteger);
}

void BananaWriter::bytes(std::string_view value) {
  header(value.size());
  out_ += static_cast<char>(kString);
  out_ += value;
}

void BananaWriter::ping() { out_ += static_cast<char>(kPing); }

void BananaWriter::pong(std::uint64_t number) {
  if (number != 0) header(number);
  out_ += static_cast<char>(kPong);
}

std::string BananaWriter::take() { return std::exchange(out_, {}); }

std::optional<std::string_view> BananaValue::text() const {
  if (kind == Kind::bytes) return bytes;
  if (is("unicode") && items.size() == 1 && items[0].kind == Kind::bytes) return items[0].bytes;
  return std::nullopt;
}

Result<std::optional<BananaEvent>> BananaReader::next() {
  for (;;) {
    const auto header = read_header();
    if (!header) return fail(header.error());
    if (!*header) return std::nullopt;
    const auto body = read_body(**header);
    if (!body) return fail(body.error());
    if (!*body) return std::nullopt;
    auto event = control_event(**header, **body);
    if (!event) {
      if (auto taken = take_token(**header, **body); !taken) return fail(taken.error());
    }
    consume((*header)->bytes + (*body)->size());
    if (event) return event;
    if (finished_) {
      message_bytes_ = 0;
      message_tokens_ = 0;
      return BananaEvent(*std::exchange(finished_, std::nullopt));
    }
  }
}

Result<std::optional<BananaReader::Header>> BananaReader::read_header() const {
  Header header;
  for (std::size_t at = begin_; at < input_.size(); ++at) {
    const auto byte = static_cast<std::uint8_t>(input_[at]);
    if (byte >= kFirstType) {
      header.type = byte;
      header.bytes = at + 1 - begin_;
      return header;
    }
    const std::size_t digit = at - begin_;
    if (digit == kMaxHeaderDigits) return beyond("a token header of too many digits");
    const unsigned shift = static_cast<unsigned>(digit) * kDigitBits;
    if (byte > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
      return beyond("a token header of more than 64 bits");
    }
    header.number |= std::uint64_t{byte} << shift;
  }
  return std::nullopt;
}

// Judges the length before the bytes are there, so that nothing waits for too many.
Result<std::optional<std::string_view>> BananaReader::read_body(const Header& header) const {
  std::size_t size = 0;
  if (header.type == kFloat) size = kFloatBytes;
  if (has_body(header.type)) {
    const std::size_t most = header.type == kError ? kMaxErrorBytes : kMaxStringBytes;
    if (header.number > most) return beyond(fmt::format("a token of {} bytes", header.number));
    size = static_cast<std::size_t>(header.number);
  }
  const std::size_t start = begin_ + header.bytes;
  if (input_.size() - start < size) return std::nullopt;
  return std::string_view(input_).substr(start, size);
}

std::optional<BananaEvent> BananaReader::control_event(const Header& header,
                                                       std::string_view body) const {
  switch (header.type) {
    case kPing: return BananaPing{header.number};
    case kPong: return BananaPong{};
    case kError: return BananaError{std::string(body)};
    default: return std::nullopt;
  }
}

Status BananaReader::take_token(const Header& header, std::string_view body) {
  if (++message_tokens_ > kMaxMessageTokens) return beyond("a message of too many tokens");
  message_bytes_ += body.size();
  if (message_bytes_ > kMaxMessageBytes) return beyond("a message that is too large");
  BananaValue value;
  switch (header.type) {
    case kOpen: return take_open(header.number);
    case kClose: return take_close(header.number);
    case kInteger:
    case kNegative:
      if (header.number > std::numeric_limits<std::int64_t>::max()) {
        return beyond("an integer of more than 63 bits");
      }
      value.kind = BananaValue::Kind::integer;
      value.integer = static_cast<std::int64_t>(header.number);
      if (header.type == kNegative) value.integer = -value.integer;
      return add(std::move(value));
    case kString:
      value.kind = BananaValue::Kind::bytes;
      value.bytes = body;
      return add(std::move(value));
    case kVocabulary: {
      const auto word = vocabulary_ ? vocabulary_word(header.number) : std::nullopt;
      if (!word) return bad("a word that the vocabulary does not have");
      value.kind = BananaValue::Kind::bytes;
      value.bytes = *word;
      return add(std::move(value));
    }
    case kFloat:
    case kLongInteger:
    case kLongNegative: return add(std::move(value));
    case kAbort: return bad("half a message and gave it up");
    default: return bad(fmt::format("a token of unknown type {:#x}", header.type));
  }
}

Status BananaReader::take_open(std::uint64_t number) {
  if (open_.size() == kMaxDepth) return beyond("a message that is nested too deeply");
  if (!open_.empty() && !open_.back().typed) return bad("a container as an open type");
  Open opened;
  opened.number = number;
  opened.value.kind = BananaValue::Kind::container;
  open_.push_back(std::move(opened));
  return {};
}

Status BananaReader::take_close(std::uint64_t number) {
  if (open_.empty() || !open_.back().typed || open_.back().number != number) {
    return bad("a CLOSE that matches no OPEN");
  }
  BananaValue value = std::move(open_.back().value);
  open_.pop_back();
  if (!open_.empty()) return add(std::move(value));
  finished_ = std::move(value);
  return {};
}

Status BananaReader::add(BananaValue value) {
  if (open_.empty()) return bad("an object outside of any message");
  Open& parent = open_.back();
  if (!parent.typed) {
    if (value.kind != BananaValue::Kind::bytes) return bad("an open type that is no word");
    // Changing the vocabulary on the way is for peers who ask for it.
    if (value.bytes == "set-vocab" || value.bytes == "add-vocab") {
      return bad("a change of vocabulary");
    }
    parent.typed = true;
    parent.value.bytes = std::move(value.bytes);
  } else {
    parent.value.items.push_back(std::move(value));
  }
  return {};
}

void BananaReader::consume(std::size_t bytes) {
  begin_ += bytes;
  if (begin_ == input_.size() || begin_ >= kReadBytes) {
    input_.erase(0, begin_);
    begin_ = 0;
  }
}

}  // namespace sharestore::grid
