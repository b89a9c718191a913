#include "storage_server/http/chunked_decoder.h"

#include <algorithm>
#include <cstring>

namespace sharestore::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_line_text(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

// One more hex digit must not push a size to 2^63 or beyond.
constexpr std::uint64_t kMaxBeforeDigit = ((1ULL << 63) - 1) >> 4;

}  // namespace

ChunkedDecoder::State ChunkedDecoder::framing_step(char c) {
  switch (state_) {
    case State::size_start:
      left_ = 0;
      line_bytes_ = 0;
      if (hex_value(c) < 0) return State::failed;
      [[fallthrough]];
    case State::size:
      if (++line_bytes_ > kMaxSizeLineBytes) return State::failed;
      if (int digit = hex_value(c); digit >= 0) {
        if (left_ > kMaxBeforeDigit) return State::failed;
        left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
        return State::size;
      }
      if (c == '\r') return State::size_lf;
      return c == ';' || c == ' ' || c == '\t' ? State::extension : State::failed;
    case State::extension:
      if (++line_bytes_ > kMaxSizeLineBytes) return State::failed;
      if (c == '\r') return State::size_lf;
      return is_line_text(c) ? State::extension : State::failed;
    case State::size_lf:
      if (c != '\n') return State::failed;
      return left_ == 0 ? State::trailer_start : State::data;
    case State::data_cr: return c == '\r' ? State::data_lf : State::failed;
    case State::data_lf: return c == '\n' ? State::size_start : State::failed;
    case State::trailer_start:
      if (c == '\r') return State::end_lf;
      [[fallthrough]];
    case State::trailer:
      if (++trailer_bytes_ > kMaxTrailerBytes) return State::failed;
      if (c == '\r') return State::trailer_lf;
      return is_line_text(c) ? State::trailer : State::failed;
    case State::trailer_lf: return c == '\n' ? State::trailer_start : State::failed;
    case State::end_lf: return c == '\n' ? State::done : State::failed;
    case State::data:
    case State::done:
    case State::failed: break;
  }
  return state_;
}

ChunkedDecoder::Step ChunkedDecoder::decode(ByteSpan in, MutableByteSpan out) {
  Step step;
  while (step.consumed < in.size() && state_ != State::done && state_ != State::failed) {
    if (state_ != State::data) {
      state_ = framing_step(static_cast<char>(in[step.consumed++]));
      continue;
    }
    if (step.produced == out.size()) break;
    std::size_t count = std::min(in.size() - step.consumed, out.size() - step.produced);
    count = static_cast<std::size_t>(std::min<std::uint64_t>(count, left_));
    std::memcpy(out.data() + step.produced, in.data() + step.consumed, count);
    step.consumed += count;
    step.produced += count;
    left_ -= count;
    if (left_ == 0) state_ = State::data_cr;
  }
  return step;
}

}  // namespace sharestore::http
