#include "storage_server/protocol/cbor.h"

#include <algorithm>

#include "config/text.h"

namespace sharestore {

namespace {

using Kind = CborToken::Kind;

CborToken token(Kind kind, std::uint64_t value = 0) {
  CborToken made;
  made.kind = kind;
  made.value = value;
  return made;
}

// Chunks of no bytes cost the sender one byte each and us a turn of a loop; more is mischief.
constexpr std::uint64_t kMaxEmptyChunks = 1024;

}  // namespace

void CborWriter::head(unsigned major, std::uint64_t value) {
  const auto first = [&](unsigned info) { return static_cast<std::byte>((major << 5U) | info); };
  if (value < 24) {
    out_.push_back(first(static_cast<unsigned>(value)));
    return;
  }
  unsigned log2_bytes = 0;
  while (log2_bytes < 3 && (value >> (8U << log2_bytes)) != 0) ++log2_bytes;
  out_.push_back(first(24 + log2_bytes));
  for (unsigned left = 1U << log2_bytes; left > 0; --left) {
    out_.push_back(static_cast<std::byte>(value >> (8 * (left - 1)) & 0xffU));
  }
}

void CborWriter::bytes(std::string_view value) {
  head(2, value.size());
  const ByteSpan span = as_byte_span(value);
  out_.insert(out_.end(), span.begin(), span.end());
}

void CborWriter::text(std::string_view value) {
  head(3, value.size());
  const ByteSpan span = as_byte_span(value);
  out_.insert(out_.end(), span.begin(), span.end());
}

void CborWriter::set(std::uint64_t count) {
  head(6, kCborSetTag);
  head(4, count);
}

Result<CborToken> CborDecoder::next() {
  for (;;) {
    auto result = step();
    if (!result) {
      state_ = State::failed;
      return fail(std::move(result.error()));
    }
    if (result->has_value()) return **result;
  }
}

CborDecoder::Step CborDecoder::step() {
  switch (state_) {
    case State::item: {
      const auto head = read_head();
      if (!head) return fail(head.error());
      if (!head->has_value()) return token(Kind::need_more);
      return open_item(**head);
    }
    case State::close: return close_container();
    case State::bytes:
    case State::byte_chunk: return bytes_part();
    case State::byte_chunks: return next_chunk(2);
    case State::text:
    case State::text_chunk: return text_part();
    case State::text_chunks: return next_chunk(3);
    case State::done:
      if (!input_.empty()) return fail(Errc::invalid_argument, "CBOR: bytes after the item");
      return token(Kind::end);
    case State::failed: break;
  }
  return fail(Errc::invalid_argument, "CBOR: used after an error");
}

Result<std::optional<CborDecoder::Head>> CborDecoder::read_head() {
  const auto take = [this](std::size_t size) {
    const std::size_t n = std::min(size - std::min(size, head_size_), input_.size());
    std::copy_n(reinterpret_cast<const unsigned char*>(input_.data()), n,
                head_.data() + head_size_);
    head_size_ += n;
    input_ = input_.subspan(n);
    return head_size_ >= size;
  };
  if (!take(1)) return std::optional<Head>();
  Head head;
  head.major = head_[0] >> 5U;
  head.info = head_[0] & 31U;
  if (head.info < 24) {
    head.value = head.info;
  } else if (head.info < 28) {
    const std::size_t size = std::size_t{1} << (head.info - 24);
    if (!take(1 + size)) return std::optional<Head>();
    for (std::size_t i = 1; i <= size; ++i) head.value = head.value << 8U | head_[i];
  } else if (head.info != 31 || head.major < 2 || head.major == 6) {
    return fail(Errc::invalid_argument, "CBOR: reserved length code");
  }
  head_size_ = 0;
  return std::optional<Head>(head);
}

CborDecoder::Step CborDecoder::open_item(const Head& head) {
  switch (head.major) {
    case 0:
    case 1:
      if (auto done = item_done(); !done) return fail(done.error());
      return token(head.major == 0 ? Kind::unsigned_int : Kind::negative_int, head.value);
    case 2:
    case 3: return open_string(head);
    case 4:
    case 5: return open_container(head);
    case 6:
      if (auto pushed = push(FrameKind::tag, false, 1); !pushed) return fail(pushed.error());
      return token(Kind::tag, head.value);
    default: return simple(head);
  }
}

CborDecoder::Step CborDecoder::simple(const Head& head) {
  if (head.is_break()) {
    if (frames_.empty() || !frames_.back().indefinite) {
      return fail(Errc::invalid_argument, "CBOR: break outside an indefinite container");
    }
    if (frames_.back().kind == FrameKind::map && frames_.back().count % 2 != 0) {
      return fail(Errc::invalid_argument, "CBOR: a key without a value");
    }
    return close_container();
  }
  if (head.info == 24 && head.value < 32) {
    return fail(Errc::invalid_argument, "CBOR: simple value in the wrong form");
  }
  if (auto done = item_done(); !done) return fail(done.error());
  if (head.info == 20 || head.info == 21) return token(Kind::boolean, head.info - 20);
  return token(head.info == 22 ? Kind::null : Kind::other);
}

CborDecoder::Step CborDecoder::open_container(const Head& head) {
  const bool map = head.major == 5;
  const auto kind = map ? FrameKind::map : FrameKind::array;
  if (!head.indefinite() && head.value > limits_.max_items) {
    return fail(Errc::invalid_argument, "CBOR: a container has too many items");
  }
  const std::uint64_t items = head.indefinite() ? 0 : head.value * (map ? 2 : 1);
  if (auto pushed = push(kind, head.indefinite(), items); !pushed) return fail(pushed.error());
  if (!head.indefinite() && items == 0) state_ = State::close;
  return token(map ? Kind::map_begin : Kind::array_begin);
}

CborDecoder::Step CborDecoder::open_string(const Head& head) {
  const bool text = head.major == 3;
  text_.clear();
  string_bytes_ = 0;
  empty_chunks_ = 0;
  if (head.indefinite()) {
    state_ = text ? State::text_chunks : State::byte_chunks;
    if (text) return std::nullopt;
    return token(Kind::bytes_begin);
  }
  if (auto counted = text ? count_text(head.value) : count_bytes(head.value); !counted) {
    return fail(counted.error());
  }
  state_ = text ? State::text : State::bytes;
  if (text) return std::nullopt;
  CborToken begin = token(Kind::bytes_begin);
  begin.length = head.value;
  return begin;
}

CborDecoder::Step CborDecoder::next_chunk(unsigned major) {
  const auto head = read_head();
  if (!head) return fail(head.error());
  if (!head->has_value()) return token(Kind::need_more);
  if ((*head)->is_break()) {
    if (major == 3) return finish_text();
    if (auto done = item_done(); !done) return fail(done.error());
    return token(Kind::bytes_end);
  }
  if ((*head)->major != major || (*head)->indefinite()) {
    return fail(Errc::invalid_argument, "CBOR: a string's chunk is not a string of its kind");
  }
  const std::uint64_t size = (*head)->value;
  if (size == 0 && ++empty_chunks_ > kMaxEmptyChunks) {
    return fail(Errc::invalid_argument, "CBOR: too many empty chunks");
  }
  if (auto counted = major == 3 ? count_text(size) : count_bytes(size); !counted) {
    return fail(counted.error());
  }
  state_ = major == 3 ? State::text_chunk : State::byte_chunk;
  chunk_begin_ = text_.size();
  return std::nullopt;
}

CborDecoder::Step CborDecoder::bytes_part() {
  if (left_ == 0) {
    if (state_ == State::byte_chunk) {
      state_ = State::byte_chunks;
      return std::nullopt;
    }
    if (auto done = item_done(); !done) return fail(done.error());
    return token(Kind::bytes_end);
  }
  if (input_.empty()) return token(Kind::need_more);
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input_.size()));
  CborToken part = token(Kind::bytes_piece);
  part.piece = input_.first(size);
  input_ = input_.subspan(size);
  left_ -= size;
  return part;
}

CborDecoder::Step CborDecoder::text_part() {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input_.size()));
  text_.append(as_text(input_.first(size)));
  input_ = input_.subspan(size);
  left_ -= size;
  if (left_ > 0) return token(Kind::need_more);
  if (state_ == State::text) return finish_text();
  // RFC 8949 section 3.2.3: no character is split between chunks.
  if (!is_valid_utf8(std::string_view(text_).substr(chunk_begin_))) {
    return fail(Errc::invalid_argument, "CBOR: text is not UTF-8");
  }
  state_ = State::text_chunks;
  return std::nullopt;
}

CborDecoder::Step CborDecoder::finish_text() {
  if (!is_valid_utf8(text_)) return fail(Errc::invalid_argument, "CBOR: text is not UTF-8");
  if (auto done = item_done(); !done) return fail(done.error());
  CborToken whole = token(Kind::text);
  whole.text = text_;
  return whole;
}

CborDecoder::Step CborDecoder::close_container() {
  frames_.pop_back();
  if (auto done = item_done(); !done) return fail(done.error());
  return token(Kind::container_end);
}

Status CborDecoder::count_text(std::uint64_t bytes) {
  if (bytes > limits_.max_text_bytes - string_bytes_) {
    return fail(Errc::invalid_argument, "CBOR: a text is too long");
  }
  string_bytes_ += bytes;
  left_ = bytes;
  return {};
}

Status CborDecoder::count_bytes(std::uint64_t bytes) {
  if (bytes > limits_.max_byte_string_bytes - string_bytes_) {
    return fail(Errc::too_large, "CBOR: a byte string is too long");
  }
  string_bytes_ += bytes;
  left_ = bytes;
  return {};
}

Status CborDecoder::push(FrameKind kind, bool indefinite, std::uint64_t count) {
  if (frames_.size() >= limits_.max_depth) {
    return fail(Errc::invalid_argument, "CBOR: nested too deeply");
  }
  frames_.push_back({kind, indefinite, count});
  state_ = State::item;
  return {};
}

// An item is complete: so may be the containers around it.
Status CborDecoder::item_done() {
  for (;;) {
    if (frames_.empty()) {
      state_ = State::done;
      return {};
    }
    Frame& frame = frames_.back();
    state_ = State::item;
    if (frame.indefinite) {
      ++frame.count;
      const std::uint64_t per_item = frame.kind == FrameKind::map ? 2 : 1;
      if (frame.count > limits_.max_items * per_item) {
        return fail(Errc::invalid_argument, "CBOR: a container has too many items");
      }
      return {};
    }
    if (--frame.count > 0) return {};
    if (frame.kind != FrameKind::tag) {
      state_ = State::close;
      return {};
    }
    frames_.pop_back();
  }
}

Result<CborToken> CborReader::next() {
  auto result = decoder_.next();
  if (result && result->kind == Kind::need_more) {
    return fail(Errc::invalid_argument, "CBOR: ends within an item");
  }
  return result;
}

}  // namespace sharestore
