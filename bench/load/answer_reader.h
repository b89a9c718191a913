// An HTTP answer as it arrives: Content-Length, chunked, or until the connection ends.
//
// One thread per object. What it reads is bounded: heads of 16 KiB; bodies are given on in pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "backends/core/bytes.h"
#include "backends/core/error.h"

namespace sharestore::load {

class AnswerReader {
 public:
  static constexpr std::size_t kMaxHeadBytes = 16 * 1024;

  // Begins another answer.
  void reset();
  // Takes bytes; every piece of the body goes to `body`. invalid_argument: not HTTP, or more than
  // the answer.
  Status feed(ByteSpan bytes, const std::function<void(ByteSpan)>& body);
  // The connection has ended. invalid_argument: in the middle of the answer.
  Status end();

  bool begun() const { return state_ != State::head || !head_.empty(); }
  bool complete() const { return state_ == State::complete; }
  int status() const { return status_; }
  // Whether the server says that it will close.
  bool closes() const { return closes_; }

 private:
  enum class State { head, counted, to_end, chunk_size, chunk, chunk_end, trailer, complete };

  Status read_head();
  std::optional<std::string> line(ByteSpan& bytes);
  Status chunk_line(const std::string& text);

  State state_ = State::head;
  std::string head_;
  std::string line_;
  int status_ = 0;
  bool closes_ = false;
  std::uint64_t left_ = 0;
};

}  // namespace sharestore::load
