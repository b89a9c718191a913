// The head parser against Boost.Beast's: what ours takes, Beast takes alike; what ours refuses and
// Beast takes is refused for a reason that is checked here by other means.
#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage_server/http/request_parser.h"
#include "storage_server/http/text.h"

namespace {

namespace beast = boost::beast;
using sharestore::http::equals_lower;
using sharestore::http::Framing;
using sharestore::http::Limits;
using sharestore::http::parse_head;
using sharestore::http::ParseResult;
using sharestore::http::ParseState;
using sharestore::http::Request;

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string_view view(beast::string_view s) { return {s.data(), s.size()}; }

using BeastParser = beast::http::request_parser<beast::http::empty_body>;

enum class Verdict { complete, more, bad };

Verdict beast_parse(BeastParser& parser, std::string_view text) {
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  parser.skip(true);
  while (!parser.is_header_done()) {
    beast::error_code error;
    std::size_t used = parser.put(boost::asio::buffer(text.data(), text.size()), error);
    if (error == beast::http::error::need_more) return Verdict::more;
    if (error) return Verdict::bad;
    text.remove_prefix(used);
    if (used == 0) return Verdict::more;
  }
  return Verdict::complete;
}

void compare(const BeastParser& parser, const Request& request, const Framing& framing) {
  const auto& message = parser.get();
  require(view(message.method_string()) == request.method_text, "method");
  require(message.version() == (framing.http10 ? 10u : 11u), "version");
  std::string_view target = view(message.target());
  if (target.front() == '/') {
    std::string rebuilt(request.path);
    if (target.find('?') != std::string_view::npos) rebuilt.append("?").append(request.query);
    require(rebuilt == target, "target");
  }
  std::size_t count = 0;
  for (const auto& field : message) {
    // Beast groups lines of one name; the order within a name is the order of arrival.
    ++count;
    require(std::any_of(request.headers.begin(), request.headers.end(),
                        [&](const auto& ours) {
                          return ours.name == view(field.name_string()) &&
                                 ours.value == view(field.value());
                        }),
            "header line");
  }
  require(count == request.headers.size(), "number of header lines");
  require(parser.chunked() == framing.chunked, "chunked");
  std::uint64_t length = parser.content_length() ? *parser.content_length() : 0;
  require(framing.chunked || length == framing.content_length, "content length");
  // Where HTTP/1.0 names both, ours closes and Beast does not.
  bool keeps = parser.keep_alive();
  require(framing.http10 ? keeps || !framing.keep_alive : keeps == framing.keep_alive,
          "keep alive");
}

// Beast refuses options of Connection that are no words; ours looks only for those it knows.
bool has_odd_connection(const Request& request) {
  for (const auto& line : request.headers) {
    if (!equals_lower(line.name, "connection") && !equals_lower(line.name, "proxy-connection")) {
      continue;
    }
    std::string_view value = line.value;
    while (!value.empty()) {
      std::size_t comma = std::min(value.find(','), value.size());
      std::string_view option = sharestore::http::trim_blanks(value.substr(0, comma));
      value.remove_prefix(std::min(comma + 1, value.size()));
      for (char c : option) {
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
        if (!word) return true;
      }
    }
  }
  return false;
}

// Why ours may refuse what Beast takes.
bool stricter_on_purpose(const BeastParser& parser, std::string_view text, int status) {
  if (status == 414 || status == 431) return true;  // our limits
  if (text.find("\r\n ") != std::string_view::npos ||
      text.find("\r\n\t") != std::string_view::npos) {
    return true;  // folded lines
  }
  const auto& message = parser.get();
  std::size_t hosts = 0, lengths = 0, encodings = 0, expectations = 0;
  bool plain_length = true;
  for (const auto& field : message) {
    std::string_view name = view(field.name_string());
    if (equals_lower(name, "host")) ++hosts;
    if (equals_lower(name, "expect")) ++expectations;
    if (equals_lower(name, "transfer-encoding")) ++encodings;
    if (equals_lower(name, "content-length")) {
      ++lengths;
      std::string_view value = view(field.value());
      plain_length = plain_length && !value.empty() && value.size() < 20 &&
                     value.find_first_not_of("0123456789") == std::string_view::npos &&
                     value.compare(0, 19, "9223372036854775807") <= 0;
    }
  }
  std::string_view target = view(message.target());
  bool odd_target = !target.starts_with("/");
  if (status == 417) return expectations > 0;
  if (status == 501) return encodings > 0;
  return odd_target || hosts > 1 || lengths > 1 || (lengths == 1 && !plain_length) ||
         (encodings > 0 && (lengths > 0 || message.version() == 10));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Limits limits;
  Request request;
  Framing framing;
  ParseResult ours = parse_head(text, limits, request, framing);

  if (ours.state == ParseState::complete) {
    require(ours.head_bytes <= size && text.substr(0, ours.head_bytes).ends_with("\r\n\r\n"),
            "a head ends in an empty line");
    Request again;
    Framing same;
    std::size_t step = size > 600 ? size / 300 : 1;
    for (std::size_t cut = 0; cut < ours.head_bytes; cut += step) {
      require(parse_head(text.substr(0, cut), limits, again, same).state == ParseState::more,
              "part of a good head needs more");
    }
  }

  std::string_view for_beast = text;  // Beast does not skip the empty line that RFC 9112 allows
  if (for_beast.starts_with("\r\n")) for_beast.remove_prefix(2);
  BeastParser parser;
  Verdict theirs = beast_parse(parser, for_beast);
  switch (ours.state) {
    case ParseState::complete:
      if (theirs != Verdict::complete && has_odd_connection(request)) break;
      require(theirs == Verdict::complete, "ours takes what Beast does not");
      compare(parser, request, framing);
      break;
    case ParseState::more:
      require(theirs != Verdict::complete, "ours wants more where Beast has all");
      break;
    case ParseState::bad:
      require(theirs != Verdict::complete || stricter_on_purpose(parser, for_beast, ours.status),
              "ours refuses what Beast takes");
      break;
  }
  return 0;
}
