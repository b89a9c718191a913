// Request bodies in chunks (RFC 9112 section 7.1), decoded as they arrive.
//
// One decoder per body, used by one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/core/bytes.h"

namespace sharestore::http {

class ChunkedDecoder {
 public:
  // A size line with its extensions, and all trailer lines together.
  static constexpr std::size_t kMaxSizeLineBytes = 256;
  static constexpr std::size_t kMaxTrailerBytes = 8 * 1024;

  struct Step {
    std::size_t consumed = 0;  // of the input
    std::size_t produced = 0;  // bytes of body written to the output
  };

  // Decodes as much of `in` as fits `out`. Extensions and trailers are checked for their size and
  // thrown away.
  Step decode(ByteSpan in, MutableByteSpan out);

  bool finished() const { return state_ == State::done; }
  bool failed() const { return state_ == State::failed; }

 private:
  enum class State : std::uint8_t {
    size_start,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer,
    trailer_lf,
    end_lf,
    done,
    failed,
  };

  State framing_step(char c);

  State state_ = State::size_start;
  std::size_t line_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::uint64_t left_ = 0;
};

}  // namespace sharestore::http
