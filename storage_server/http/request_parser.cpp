#include "storage_server/http/request_parser.h"

#include <array>
#include <cstring>

#include "storage_server/http/text.h"

namespace sharestore::http {
namespace {

enum CharClass : std::uint8_t { kTokenChar = 1, kTargetChar = 2, kValueChar = 4 };

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0; c < 256; ++c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    bool printing = c > 0x20 && c != 0x7f;
    classes[c] = static_cast<std::uint8_t>((letter ? kTokenChar : 0) |
                                           (printing ? kTargetChar | kValueChar : 0));
  }
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) {
    classes[static_cast<unsigned char>(c)] |= kTokenChar;
  }
  classes[' '] |= kValueChar;
  classes['\t'] |= kValueChar;
  return classes;
}();

bool is_class(char c, CharClass wanted) {
  return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

Method method_of(std::string_view text) {
  switch (text.size()) {
    case 3:
      if (text == "GET") return Method::get;
      if (text == "PUT") return Method::put;
      break;
    case 4:
      if (text == "HEAD") return Method::head;
      if (text == "POST") return Method::post;
      break;
    case 5:
      if (text == "PATCH") return Method::patch;
      break;
    case 6:
      if (text == "DELETE") return Method::del;
      break;
    case 7:
      if (text == "OPTIONS") return Method::options;
      break;
    default: break;
  }
  return Method::other;
}

// One pass over a head. Members that return bool leave `result_` set when they return false.
class HeadScanner {
 public:
  HeadScanner(std::string_view text, const Limits& limits, Request& request, Framing& framing)
      : begin_(text.data()),
        at_(text.data()),
        end_(text.data() + text.size()),
        limits_(limits),
        request_(request),
        framing_(framing) {}

  ParseResult scan() {
    request_.headers.clear();
    framing_ = Framing{};
    if (at_ < end_ && *at_ == '\r') {
      if (end_ - at_ < 2) return {ParseState::more, 0, 0};
      if (at_[1] != '\n') return refuse(400);
      at_ += 2;
    }
    if (!request_line()) return beyond_head_bytes(/*in_request_line=*/true);
    for (;;) {
      if (end_ - at_ < 2) return beyond_head_bytes(false);
      if (at_[0] == '\r') break;
      if (request_.headers.size() == limits_.header_lines) return refuse(431);
      if (!header_line()) return beyond_head_bytes(false);
    }
    if (at_[1] != '\n') return refuse(400);
    at_ += 2;
    if (size() > limits_.head_bytes) return refuse(431);
    return finish();
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

  ParseResult refuse(int status) {
    result_ = {ParseState::bad, 0, status};
    return result_;
  }
  bool bad(int status = 400) {
    refuse(status);
    return false;
  }
  bool more() {
    result_ = {ParseState::more, 0, 0};
    return false;
  }
  // What is incomplete must still be able to become complete within the limits.
  ParseResult beyond_head_bytes(bool in_request_line) {
    if (result_.state == ParseState::bad) return result_;
    if (static_cast<std::size_t>(end_ - begin_) >= limits_.head_bytes) {
      return refuse(in_request_line ? 414 : 431);
    }
    more();
    return result_;
  }

  std::string_view take(CharClass wanted) {
    const char* from = at_;
    while (at_ < end_ && is_class(*at_, wanted)) ++at_;
    return {from, static_cast<std::size_t>(at_ - from)};
  }

  bool request_line() {
    request_.method_text = take(kTokenChar);
    if (at_ == end_) return more();
    if (*at_ != ' ' || request_.method_text.empty()) return bad();
    ++at_;
    std::string_view target = take(kTargetChar);
    if (target.size() > limits_.target_bytes) return bad(414);
    if (at_ == end_) return more();
    if (*at_ != ' ' || target.empty()) return bad();
    ++at_;
    constexpr std::string_view kVersion = "HTTP/d.d\r\n";
    std::string_view left(at_, static_cast<std::size_t>(end_ - at_));
    for (std::size_t i = 0; i < kVersion.size() && i < left.size(); ++i) {
      bool digit = left[i] >= '0' && left[i] <= '9';
      if (kVersion[i] == 'd' ? !digit : left[i] != kVersion[i]) return bad();
    }
    if (left.size() < kVersion.size()) return more();
    if (left[5] != '1' || left[7] > '1') return bad(505);
    framing_.http10 = left[7] == '0';
    framing_.keep_alive = !framing_.http10;
    at_ += kVersion.size();
    request_.method = method_of(request_.method_text);
    return split_target(target);
  }

  bool split_target(std::string_view target) {
    if (target.front() != '/') {
      // The absolute form, which servers must accept (RFC 9112 section 3.2.2).
      std::size_t scheme = target.find("://");
      if (scheme != std::string_view::npos && (equals_lower(target.substr(0, scheme), "https") ||
                                               equals_lower(target.substr(0, scheme), "http"))) {
        target.remove_prefix(scheme + 3);
        std::size_t path = target.find_first_of("/?");
        if (path == 0) return bad();
        target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
      } else if (target != "*") {
        return bad();
      }
    }
    std::size_t question = target.find('?');
    request_.path = target.substr(0, question);
    request_.query = {};
    if (question != std::string_view::npos) request_.query = target.substr(question + 1);
    if (request_.path.empty()) request_.path = "/";
    return true;
  }

  bool header_line() {
    std::string_view name = take(kTokenChar);
    if (at_ == end_) return more();
    if (*at_ != ':' || name.empty()) return bad();
    ++at_;
    const auto* stop =
        static_cast<const char*>(std::memchr(at_, '\r', static_cast<std::size_t>(end_ - at_)));
    const char* value_end = stop ? stop : end_;
    for (const char* p = at_; p < value_end; ++p) {
      if (!is_class(*p, kValueChar)) return bad();
    }
    if (!stop || stop + 1 == end_) return more();
    if (stop[1] != '\n') return bad();
    std::string_view value = trim_blanks({at_, static_cast<std::size_t>(stop - at_)});
    at_ = stop + 2;
    request_.headers.push_back({name, value});
    return note_framing(name, value);
  }

  // The few headers that steer the transport.
  bool note_framing(std::string_view name, std::string_view value) {
    switch (name.size()) {
      case 4:
        if (equals_lower(name, "host") && std::exchange(has_host_, true)) return bad();
        return true;
      case 6:
        if (equals_lower(name, "expect")) {
          if (!equals_lower(value, "100-continue")) return bad(417);
          framing_.expects_continue = true;
        }
        return true;
      case 10:
        if (equals_lower(name, "connection")) note_connection(value);
        return true;
      case 14:
        if (equals_lower(name, "content-length")) return content_length(value);
        return true;
      case 17:
        if (equals_lower(name, "transfer-encoding")) {
          has_encoding_ = true;
          if (framing_.chunked || !equals_lower(value, "chunked")) unknown_encoding_ = true;
          framing_.chunked = true;
        }
        return true;
      default: return true;
    }
  }

  void note_connection(std::string_view value) {
    while (!value.empty()) {
      std::size_t comma = value.find(',');
      std::string_view option = trim_blanks(value.substr(0, comma));
      if (equals_lower(option, "close")) has_close_ = true;
      if (equals_lower(option, "keep-alive")) has_keep_alive_ = true;
      value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    }
  }

  bool content_length(std::string_view value) {
    if (std::exchange(has_length_, true) || value.empty()) return bad();
    constexpr std::uint64_t kMax = (1ULL << 63) - 1;
    std::uint64_t length = 0;
    for (char c : value) {
      if (c < '0' || c > '9') return bad();
      auto digit = static_cast<std::uint64_t>(c - '0');
      if (length > (kMax - digit) / 10) return bad();
      length = length * 10 + digit;
    }
    framing_.content_length = length;
    return true;
  }

  ParseResult finish() {
    if (has_encoding_ && (has_length_ || framing_.http10)) return refuse(400);
    if (unknown_encoding_) return refuse(501);
    if (has_keep_alive_) framing_.keep_alive = true;
    if (has_close_) framing_.keep_alive = false;
    if (framing_.http10 || (!framing_.chunked && framing_.content_length == 0)) {
      framing_.expects_continue = false;
    }
    return {ParseState::complete, size(), 0};
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  const Limits& limits_;
  Request& request_;
  Framing& framing_;
  ParseResult result_;
  bool has_host_ = false;
  bool has_length_ = false;
  bool has_encoding_ = false;
  bool unknown_encoding_ = false;
  bool has_close_ = false;
  bool has_keep_alive_ = false;
};

}  // namespace

ParseResult parse_head(std::string_view text, const Limits& limits, Request& request,
                       Framing& framing) {
  return HeadScanner(text, limits, request, framing).scan();
}

bool has_head_end(std::string_view text, std::size_t from) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  from = from < kEnd.size() ? 0 : from - (kEnd.size() - 1);
  return text.find(kEnd, from) != std::string_view::npos;
}

}  // namespace sharestore::http
