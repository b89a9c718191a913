// The decoder of chunked bodies: the same in whatever pieces, and the same as Boost.Beast's.
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "storage_server/http/chunked_decoder.h"

namespace {

namespace beast = boost::beast;
using sharestore::as_byte_span;
using sharestore::as_text;
using sharestore::ByteSpan;
using sharestore::http::ChunkedDecoder;

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool finished = false;
  bool failed = false;

  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view text, std::size_t in_step, std::size_t out_step) {
  ChunkedDecoder decoder;
  Decoded result;
  std::vector<std::byte> out(out_step);
  while (result.consumed < text.size() && !decoder.finished() && !decoder.failed()) {
    auto step = decoder.decode(as_byte_span(text.substr(result.consumed, in_step)), out);
    require(step.consumed + step.produced > 0, "no progress");
    result.consumed += step.consumed;
    result.body += as_text(ByteSpan(out).first(step.produced));
  }
  result.finished = decoder.finished();
  result.failed = decoder.failed();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Decoded whole = decode(text, size + 1, size + 1);
  require(whole == decode(text, 1, 3), "the pieces matter");

  beast::http::request_parser<beast::http::string_body> parser;
  parser.eager(true);
  parser.body_limit(boost::none);
  std::string message = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  message += text;
  std::string_view left = message;
  bool bad = false;
  while (!parser.is_done() && !bad && !left.empty()) {
    beast::error_code error;
    std::size_t used = parser.put(boost::asio::buffer(left.data(), left.size()), error);
    if (error == beast::http::error::need_more) break;
    bad = error.failed();
    left.remove_prefix(used);
  }
  // Beast takes folded trailers, ours does not; ours is free about extensions, which nobody reads.
  bool odd = text.find(';') != std::string_view::npos || text.find_first_of(" \t") != text.npos ||
             text.find("\n0") != 0;
  if (parser.is_done() && whole.finished) {
    require(parser.get().body() == whole.body, "another body than Beast's");
  }
  if (parser.is_done()) require(whole.finished || odd, "Beast is done, ours is not");
  return 0;
}
