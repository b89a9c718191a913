// The pure functions that every request passes: heads, routes, ranges, secrets, CBOR, range sets,
// share file headers, and the configuration reader.
//
//   hot_functions_bench --benchmark_filter=parse
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "backends/s3/signature.h"
#include "backends/share_file/layout.h"
#include "bench/measure/operations.h"
#include "config/ini_reader.h"
#include "storage_server/http/request_parser.h"
#include "storage_server/protocol/authorization.h"
#include "storage_server/protocol/byte_range.h"
#include "storage_server/protocol/cbor.h"
#include "storage_server/protocol/route.h"
#include "storage_server/shares/range_set.h"

namespace {

using namespace sharestore;  // a program, not a library

constexpr std::string_view kHead =
    "GET /storage/v1/immutable/u5vgfpug7qhkxdtj76tcfh6bmy/7 HTTP/1.1\r\n"
    "Host: node.example.org:3457\r\n"
    "Authorization: Tahoe-LAFS bDZ1dm4yanh0eHp3ZnJzcDJka2poMmM0d3F4amZyYnU=\r\n"
    "Accept: application/cbor\r\n"
    "Range: bytes=4096-135167\r\n"
    "User-Agent: tahoe-lafs/1.20.0\r\n\r\n";

// What a case costs besides time.
class Allocations {
 public:
  explicit Allocations(benchmark::State& state) : state_(state) {}
  ~Allocations() {
    const auto made = static_cast<double>(measure::allocations() - before_);
    state_.counters["allocs"] = made / static_cast<double>(state_.iterations());
  }
  Allocations(const Allocations&) = delete;
  Allocations& operator=(const Allocations&) = delete;

 private:
  benchmark::State& state_;
  const std::uint64_t before_ = measure::allocations();
};

void parse_head(benchmark::State& state) {
  const http::Limits limits;
  http::Request request;
  http::Framing framing;
  http::parse_head(kHead, limits, request, framing);  // the header list keeps its memory
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(http::parse_head(kHead, limits, request, framing));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kHead.size()));
}

void match_route(benchmark::State& state) {
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(sharestore::match_route(
        http::Method::get, "/storage/v1/immutable/u5vgfpug7qhkxdtj76tcfh6bmy/7"));
  }
}

void check_authorization(benchmark::State& state) {
  const http::Limits limits;
  http::Request request;
  http::Framing framing;
  http::parse_head(kHead, limits, request, framing);
  const Secret expected = expected_authorization(Secret("l6uvn2jxtxzwfrsp2dkjh2c4wqxjfrbu"));
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(sharestore::check_authorization(request, expected));
  }
}

void parse_range(benchmark::State& state) {
  const Allocations counted(state);
  for (auto _ : state) benchmark::DoNotOptimize(sharestore::parse_range("bytes=4096-135167"));
}

void decode_base64(benchmark::State& state) {
  const std::string text = base64_encode(std::string(32, 'r'));
  const Allocations counted(state);
  for (auto _ : state) benchmark::DoNotOptimize(lenient_base64_decode(text));
}

// A read-test-write request of one share with a write of that many bytes.
std::vector<std::byte> read_test_write_request(std::uint64_t bytes) {
  std::vector<std::byte> out;
  CborWriter writer(out);
  writer.map(2);
  writer.text("test-write-vectors");
  writer.map(1);
  writer.uint(0);
  writer.map(3);
  writer.text("test");
  writer.array(0);
  writer.text("write");
  writer.array(1);
  writer.map(2);
  writer.text("offset");
  writer.uint(0);
  writer.text("data");
  writer.bytes(std::string(static_cast<std::size_t>(bytes), 'x'));
  writer.text("new-length");
  writer.null();
  writer.text("read-vector");
  writer.array(0);
  return out;
}

void decode_cbor(benchmark::State& state) {
  const auto request = read_test_write_request(static_cast<std::uint64_t>(state.range(0)));
  CborLimits limits;
  limits.max_byte_string_bytes = std::uint64_t{1} << 30;
  const Allocations counted(state);
  for (auto _ : state) {
    CborReader reader(request, limits);
    for (;;) {
      const auto token = reader.next();
      if (!token) return state.SkipWithError("the request was refused");
      if (token->kind == CborToken::Kind::end) break;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(request.size()));
}

void encode_cbor(benchmark::State& state) {
  std::vector<std::byte> out;
  const Allocations counted(state);
  for (auto _ : state) {
    out.clear();
    CborWriter writer(out);
    writer.set(10);
    for (std::uint64_t number = 0; number < 10; ++number) writer.uint(number);
    benchmark::DoNotOptimize(out.data());
  }
}

// An upload that arrives in pieces, from both ends in turn.
void range_set(benchmark::State& state) {
  const auto pieces = static_cast<std::uint64_t>(state.range(0));
  const Allocations counted(state);
  for (auto _ : state) {
    RangeSet set;
    for (std::uint64_t i = 0; i < pieces; ++i) {
      const std::uint64_t at = (i % 2 == 0 ? i / 2 : pieces - 1 - i / 2) * 1000;
      set.add({at, at + 1000});
    }
    benchmark::DoNotOptimize(set.covers({0, pieces * 1000}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void share_header(benchmark::State& state) {
  const std::string start = encode_immutable_header(2, 1 << 20, 1) + std::string(500, 'x');
  const std::uint64_t file_bytes = kImmutableHeaderBytes + (1 << 20) + kImmutableLeaseBytes;
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_share_header(as_byte_span(start), file_bytes));
  }
}

void configuration(benchmark::State& state) {
  const std::string text =
      "[node]\nnickname = a node\ntub.port = tcp:3457\ntub.location = tcp:example.org:3457\n"
      "[storage]\nenabled = true\nreserved_space = 20G\n# a comment\nexpire.enabled = true\n"
      "expire.mode = age\n";
  const Allocations counted(state);
  for (auto _ : state) benchmark::DoNotOptimize(IniDocument::parse(text, "tahoe.cfg"));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

// A part of a multipart upload, signed by version 4.
void sign_request(benchmark::State& state) {
  const s3::SigningKey key{"AKIAIOSFODNN7EXAMPLE", Secret(std::string(40, 'k'))};
  const s3::ScopeV4 scope{.date = "20261125T120000Z", .region = "eu-west-1"};
  const s3::SignableRequest request{
      .method = "PUT",
      .path = "/node/shares/u5/u5vgfpug7qhkxdtj76tcfh6bma/7",
      .query = {{"partNumber", "12"}, {"uploadId", std::string(64, 'u')}},
      .headers = {{"Host", "bucket.store.example.org"},
                  {"x-amz-content-sha256", std::string(s3::kUnsignedPayload)},
                  {"x-amz-date", scope.date}}};
  const Allocations counted(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(s3::authorization_v4(request, scope, s3::kUnsignedPayload, key));
  }
}

BENCHMARK(parse_head);
BENCHMARK(sign_request);
BENCHMARK(share_header);
BENCHMARK(configuration);
BENCHMARK(match_route);
BENCHMARK(check_authorization);
BENCHMARK(parse_range);
BENCHMARK(decode_base64);
BENCHMARK(decode_cbor)->Arg(100)->Arg(4096)->Arg(1 << 20);
BENCHMARK(encode_cbor);
BENCHMARK(range_set)->Arg(16)->Arg(1024);

}  // namespace
