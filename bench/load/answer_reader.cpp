#include "bench/load/answer_reader.h"

#include <algorithm>
#include <charconv>

#include "config/text.h"

namespace sharestore::load {

void AnswerReader::reset() {
  state_ = State::head;
  head_.clear();
  line_.clear();
  status_ = 0;
  closes_ = false;
  left_ = 0;
}

Status AnswerReader::feed(ByteSpan bytes, const std::function<void(ByteSpan)>& body) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::head: {
        // Only what may hold the end of the head is looked at again.
        const std::size_t known = head_.size();
        head_.append(as_text(bytes.first(std::min(bytes.size(), kMaxHeadBytes))));
        const std::size_t end = head_.find("\r\n\r\n", known < 3 ? 0 : known - 3);
        if (end == std::string::npos) {
          if (head_.size() >= kMaxHeadBytes) return fail(Errc::invalid_argument, "endless head");
          return {};
        }
        head_.resize(end + 4);
        bytes = bytes.subspan(head_.size() - known);
        if (auto good = read_head(); !good) return good;
        break;
      }
      case State::counted:
      case State::chunk:
      case State::to_end: {
        std::size_t count = bytes.size();
        if (state_ != State::to_end)
          count = static_cast<std::size_t>(std::min<std::uint64_t>(count, left_));
        body(bytes.first(count));
        bytes = bytes.subspan(count);
        if (state_ == State::to_end) break;
        left_ -= count;
        if (left_ == 0) state_ = state_ == State::chunk ? State::chunk_end : State::complete;
        break;
      }
      case State::chunk_size:
      case State::chunk_end:
      case State::trailer:
        if (const auto text = line(bytes)) {
          if (auto good = chunk_line(*text); !good) return good;
        }
        break;
      case State::complete: return fail(Errc::invalid_argument, "more bytes than the answer has");
    }
  }
  return {};
}

Status AnswerReader::end() {
  if (state_ == State::to_end) state_ = State::complete;
  if (state_ == State::complete) return {};
  return fail(Errc::invalid_argument, "the connection ended in the middle of an answer");
}

std::optional<std::string> AnswerReader::line(ByteSpan& bytes) {
  const std::string_view text = as_text(bytes);
  const std::size_t end = text.find('\n');
  line_.append(text.substr(0, end));
  bytes = bytes.subspan(end == std::string_view::npos ? bytes.size() : end + 1);
  if (end == std::string_view::npos) return std::nullopt;
  if (line_.ends_with('\r')) line_.pop_back();
  return std::exchange(line_, {});
}

Status AnswerReader::chunk_line(const std::string& text) {
  if (state_ == State::chunk_end) {
    state_ = State::chunk_size;
  } else if (state_ == State::trailer) {
    if (text.empty()) state_ = State::complete;
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), left_, 16);
    if (error != std::errc() || end == text.data())
      return fail(Errc::invalid_argument, "bad chunk");
    state_ = left_ == 0 ? State::trailer : State::chunk;
  }
  return {};
}

Status AnswerReader::read_head() {
  const std::string_view head = head_;
  const bool http11 = head.starts_with("HTTP/1.1 ");
  if ((!http11 && !head.starts_with("HTTP/1.0 ")) || head.size() < 12) {
    return fail(Errc::invalid_argument, "the answer is not HTTP");
  }
  std::from_chars(head.data() + 9, head.data() + 12, status_);
  closes_ = !http11;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  std::size_t at = head.find("\r\n") + 2;
  while (at + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", at);
    const std::string_view text = head.substr(at, end - at);
    at = end + 2;
    // Only three lines matter: content-length, connection and transfer-encoding.
    if (text.size() < 12 || std::string_view("cCtT").find(text[0]) == std::string_view::npos)
      continue;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = ascii_lower(text.substr(0, colon));
    const std::string_view value = trim(text.substr(colon + 1));
    if (name == "content-length") {
      std::from_chars(value.data(), value.data() + value.size(), length.emplace());
    } else if (name == "connection") {
      const std::string option = ascii_lower(value);
      closes_ = option == "close" || (closes_ && option != "keep-alive");
    } else if (name == "transfer-encoding") {
      chunked = ascii_lower(value) == "chunked";
    }
  }
  if (status_ < 200) {  // an interim answer: the real one follows
    reset();
    return {};
  }
  const bool empty = status_ == 204 || status_ == 304;
  left_ = length.value_or(0);
  if (empty || (length && *length == 0)) {
    state_ = State::complete;
  } else if (chunked) {
    state_ = State::chunk_size;
  } else {
    state_ = length ? State::counted : State::to_end;
  }
  return {};
}

}  // namespace sharestore::load
