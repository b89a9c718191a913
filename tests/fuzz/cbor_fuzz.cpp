// The CBOR decoder and the bodies decoded with it: no input may crash them, and how input is cut
// into pieces must not matter.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "storage_server/protocol/cbor.h"
#include "storage_server/protocol/read_test_write_body.h"
#include "storage_server/protocol/request_bodies.h"
#include "tests/storage_server/protocol/requests.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// The tokens as text, with byte strings joined.
std::string tokens(std::string_view input, std::size_t piece_bytes) {
  CborDecoder decoder(
      {.max_depth = 8, .max_items = 100, .max_text_bytes = 100, .max_byte_string_bytes = 1000});
  std::string words;
  std::size_t fed = 0;
  for (;;) {
    const auto token = decoder.next();
    if (!token) return words + "!" + std::string(to_string(token.error().code()));
    if (token->kind == CborToken::Kind::need_more || token->kind == CborToken::Kind::end) {
      if (fed == input.size()) return words + std::to_string(static_cast<int>(token->kind));
      const std::string_view piece = input.substr(fed, piece_bytes);
      fed += piece.size();
      decoder.feed(as_byte_span(piece));
    } else if (token->kind == CborToken::Kind::bytes_piece) {
      require(!token->piece.empty());
      words += as_text(token->piece);
    } else {
      words += '|' + std::to_string(static_cast<int>(token->kind)) + ',' +
               std::to_string(token->value) + ',' + std::string(token->text);
    }
  }
}

struct Decoded {
  bool ok = false;
  Errc code = Errc::io_error;
  std::size_t shares = 0;
  std::size_t reads = 0;
  std::uint64_t write_bytes = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded read_test_write(std::string_view input, std::size_t piece_bytes, std::size_t spool_above) {
  static const TempDir directory;
  static IoPool pool(1);
  Spool spool(directory.path(), 1 << 20, pool);
  ReadTestWriteLimits limits;
  limits.max_body_bytes = 1 << 20;
  limits.spool_above_bytes = spool_above;
  PiecewiseBody body(input, piece_bytes);
  auto result = run_task(decode_read_test_write(&body, &spool, limits));
  Decoded decoded;
  decoded.ok = result.has_value();
  if (!result) {
    decoded.code = result.error().code();
    return decoded;
  }
  decoded.shares = result->request.shares.size();
  decoded.reads = result->request.reads.size();
  for (const auto& [number, vectors] : result->request.shares) {
    for (const auto& test : vectors.tests) require(test.specimen != nullptr);
    for (const auto& write : vectors.writes) decoded.write_bytes += write.data->size();
  }
  return decoded;
}

}  // namespace
}  // namespace sharestore

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = tokens(input, size + 1);
  require(tokens(input, 1) == whole);
  require(tokens(input, 5) == whole);
  [[maybe_unused]] const auto allocate = decode_allocate(as_byte_span(input));
  const auto report = decode_corruption_report(as_byte_span(input));
  require(!report || (!report->empty() && report->size() < 32766));
  const Decoded decoded = read_test_write(input, size + 1, 1000);
  require(read_test_write(input, 3, 1000) == decoded);
  require(read_test_write(input, size + 1, 2) == decoded);
  return 0;
}
