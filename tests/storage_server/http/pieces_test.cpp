// The parts of the transport that need no socket.
#include <gtest/gtest.h>

#include "storage_server/http/buffer_pool.h"
#include "storage_server/http/chunked_decoder.h"
#include "storage_server/http/response_writer.h"
#include "storage_server/http/text.h"
#include "storage_server/http/timeouts.h"

namespace sharestore::http {
namespace {

struct Decoded {
  std::string body;
  std::size_t consumed = 0;
  bool finished = false;
  bool failed = false;
};

Decoded decode(std::string_view text, std::size_t in_step, std::size_t out_step) {
  ChunkedDecoder decoder;
  Decoded result;
  std::vector<std::byte> out(out_step);
  while (result.consumed < text.size() && !decoder.finished() && !decoder.failed()) {
    auto step = decoder.decode(as_byte_span(text.substr(result.consumed, in_step)), out);
    result.consumed += step.consumed;
    result.body += as_text(ByteSpan(out).first(step.produced));
  }
  result.finished = decoder.finished();
  result.failed = decoder.failed();
  return result;
}

TEST(ChunkedDecoder, DecodesWhateverThePieces) {
  std::string_view text =
      "4\r\nWiki\r\n006;a=b;c=\"d e\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n"
      "0\r\nA: b\r\nC: d\r\n\r\nnext";
  for (std::size_t in : {1, 2, 3, 7, 1000}) {
    for (std::size_t out : {1, 5, 1000}) {
      auto result = decode(text, in, out);
      EXPECT_TRUE(result.finished) << in << " " << out;
      EXPECT_EQ(result.body, "Wikipedia in \r\n\r\nchunks.");
      EXPECT_EQ(text.substr(result.consumed), "next");
    }
  }
}

TEST(ChunkedDecoder, RefusesBadFraming) {
  for (std::string_view text : {"x\r\n", "\r\n", ";a\r\n", "1\nx", "1\r\nxy", "1\r\nx\n", "-1\r\n",
                                "0x1\r\n", "1 x\x01\r\n", "8000000000000000\r\n",
                                "fffffffffffffffff\r\n", "0\r\n\n", "0\r\nA: b\n", "0\r\n\rx"}) {
    EXPECT_TRUE(decode(text, 100, 100).failed) << text;
  }
  EXPECT_FALSE(decode("7fffffffffffffff\r\nx", 100, 100).failed);
}

TEST(ChunkedDecoder, BoundsWhatIsThrownAway) {
  std::string size_line = "1;" + std::string(ChunkedDecoder::kMaxSizeLineBytes, 'x') + "\r\n";
  EXPECT_TRUE(decode(size_line, 1000, 10).failed);
  EXPECT_TRUE(decode(std::string(300, '0'), 1000, 10).failed);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 1000; ++i) trailers += "A: some trailer\r\n";
  EXPECT_TRUE(decode(trailers, 100'000, 10).failed);
}

TEST(Timeouts, EndInOrderAndOnlyWhenDue) {
  Limits limits;
  limits.idle = std::chrono::seconds(60);
  limits.head = std::chrono::seconds(10);
  Timeouts timeouts(limits);
  Monotonic start{};
  TimeoutKind kind = TimeoutKind::none;
  TimeoutHook a, b, c;
  timeouts.arm(a, TimeoutKind::idle, start);
  timeouts.arm(b, TimeoutKind::head, start);
  timeouts.arm(c, TimeoutKind::idle, start + std::chrono::seconds(1));
  EXPECT_EQ(timeouts.take_expired(start + std::chrono::seconds(9), kind), nullptr);
  EXPECT_EQ(timeouts.take_expired(start + std::chrono::seconds(10), kind), &b);
  EXPECT_EQ(kind, TimeoutKind::head);
  timeouts.arm(a, TimeoutKind::idle, start + std::chrono::seconds(2));  // behind c now
  Monotonic late = start + std::chrono::seconds(61);
  EXPECT_EQ(timeouts.take_expired(late, kind), &c);
  EXPECT_EQ(timeouts.take_expired(late, kind), nullptr);
  timeouts.disarm(a);
  timeouts.disarm(a);
  EXPECT_EQ(timeouts.take_expired(late + std::chrono::hours(1), kind), nullptr);
}

TEST(BufferPool, LendsSmallBuffersWhenMemoryIsSpent) {
  MemoryBudget memory(BufferPool::kLargeBytes + 10);
  {
    BufferPool pool(memory);
    auto large = pool.get();
    EXPECT_EQ(large->room(), BufferPool::kLargeBytes);
    auto small = pool.get();
    EXPECT_EQ(small->room(), BufferPool::kSmallBytes);
    EXPECT_TRUE(small->takes_record());
    large->append(as_byte_span("x"));
    auto* kept = large.get();
    pool.put(std::move(large));
    pool.put(std::move(small));
    EXPECT_EQ(memory.used_bytes(), BufferPool::kLargeBytes);
    auto again = pool.get();
    EXPECT_EQ(again.get(), kept) << "last in, first out";
    EXPECT_TRUE(again->empty());
    pool.put(std::move(again));
    pool.trim();
    EXPECT_EQ(memory.used_bytes(), 0u);
  }
}

TEST(ResponseWriter, RendersHeads) {
  ResponseWriter writer;
  writer.set_time(WallTime(std::chrono::seconds(784111777)));
  Response response;
  response.status = 206;
  response.content_type = "application/octet-stream";
  response.extra_headers = "Content-Range: bytes 0-9/*\r\n";
  std::string head;
  writer.head(head, response, 10, Persistence::implied);
  EXPECT_EQ(head,
            "HTTP/1.1 206 Partial Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Length: 10\r\nContent-Type: application/octet-stream\r\n"
            "Content-Range: bytes 0-9/*\r\n\r\n");
  writer.head(head, Response::empty(599), 0, Persistence::close);
  EXPECT_EQ(head,
            "HTTP/1.1 599 Unknown\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST(LoggablePath, KeepsNoSecretAndNoStorageIndex) {
  EXPECT_EQ(loggable_path("/storage/v1/version"), "/storage/v1/version");
  EXPECT_EQ(loggable_path("/storage/v1/immutable/aaaaabbbbbcccccdddddeeeeea/12"),
            "/storage/v1/immutable/aaaaa.../12");
  EXPECT_EQ(loggable_path("/uri/URI:CHK:abcdefghijklmnopqrstuvwxyz"), "/uri/URI:C...");
  EXPECT_EQ(loggable_path("/a b\n\x80"), "/a?b??");
  EXPECT_EQ(loggable_path(""), "");
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "/part";
  EXPECT_LE(loggable_path(deep).size(), kLoggedPathBytes);
}

}  // namespace
}  // namespace sharestore::http
