// Request bodies: the schemas of allocate, corruption reports and read-test-write, and where the
// bytes of a large request go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage_server/protocol/cbor.h"
#include "storage_server/protocol/read_test_write_body.h"
#include "storage_server/protocol/request_bodies.h"
#include "storage_server/protocol/spool.h"
#include "tests/storage_server/protocol/requests.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

using Write = std::function<void(CborWriter&)>;

std::string written(const Write& write) {
  std::vector<std::byte> out;
  CborWriter writer(out);
  write(writer);
  return std::string(as_text(out));
}

// A tag is not something the writer offers: no answer has another one than a set's.
std::string tagged(char tag, const std::string& item) {
  return std::string(1, static_cast<char>(0xc0 | tag)) + item;
}

std::string set_of(std::vector<std::uint64_t> numbers) {
  return written([&](CborWriter& w) {
    w.set(numbers.size());
    for (const auto n : numbers) w.uint(n);
  });
}

std::string map_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string text = written([&](CborWriter& w) { w.map(entries.size()); });
  for (const auto& [key, value] : entries) {
    text += written([&](CborWriter& w) { w.text(key); });
    text += value;
  }
  return text;
}

std::string uint(std::uint64_t n) {
  return written([n](CborWriter& w) { w.uint(n); });
}
std::string bytes(std::string_view s) {
  return written([s](CborWriter& w) { w.bytes(s); });
}
std::string text(std::string_view s) {
  return written([s](CborWriter& w) { w.text(s); });
}
std::string array_of(const std::vector<std::string>& items) {
  std::string out = written([&](CborWriter& w) { w.array(items.size()); });
  for (const auto& item : items) out += item;
  return out;
}

template <class T>
void expect_refused(const Result<T>& result, Errc code = Errc::invalid_argument) {
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), code) << result.error().message();
}

auto allocate(const std::string& body) { return decode_allocate(as_byte_span(body)); }

TEST(AllocateBody, ReadsTheExampleOfTheFacts) {
  const std::string body =
      map_of({{"share-numbers", set_of({1, 7})}, {"allocated-size", uint(48)}});
  EXPECT_EQ(body.substr(0, 3), "\xa2\x6ds");
  const auto request = allocate(body);
  ASSERT_TRUE(request);
  EXPECT_THAT(request->numbers, testing::ElementsAre(1, 7));
  EXPECT_EQ(request->allocated_size_bytes, 48U);
}

TEST(AllocateBody, TakesAnyOrderAndRepeatedNumbers) {
  const auto request = allocate(
      map_of({{"allocated-size", uint(UINT64_MAX)}, {"share-numbers", set_of({9, 2, 9})}}));
  ASSERT_TRUE(request);
  EXPECT_THAT(request->numbers, testing::ElementsAre(2, 9));
  EXPECT_EQ(request->allocated_size_bytes, UINT64_MAX);
}

TEST(AllocateBody, TakesFromNoneTo256Numbers) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t n = 0; n < 256; ++n) numbers.push_back(n);
  const auto body = [&] {
    return map_of({{"share-numbers", set_of(numbers)}, {"allocated-size", uint(1)}});
  };
  EXPECT_TRUE(allocate(body()));
  numbers.push_back(256);
  expect_refused(allocate(body()));
  numbers.clear();
  EXPECT_TRUE(allocate(body()));
}

TEST(AllocateBody, RefusesEverythingElse) {
  const std::string size = uint(1);
  const std::string numbers = set_of({1});
  for (const std::string& body : {
           std::string(),
           std::string("\xf6"),
           std::string("garbage"),
           array_of({}),
           map_of({}),
           map_of({{"share-numbers", numbers}}),
           map_of({{"allocated-size", size}}),
           map_of({{"share-numbers", numbers}, {"allocated-size", size}, {"more", size}}),
           map_of({{"share-numbers", numbers}, {"allocated-size", size}, {"allocated-size", size}}),
           map_of({{"share-numbers", array_of({size})}, {"allocated-size", size}}),
           map_of({{"share-numbers", tagged(1, array_of({size}))}, {"allocated-size", size}}),
           map_of({{"share-numbers", numbers}, {"allocated-size", "\x20"}}),  // -1
           map_of({{"share-numbers", numbers},
                   {"allocated-size",
                    "\xf9\x3c"
                    "\x01"}}),  // float
           map_of({{"share-numbers", numbers}, {"allocated-size", text("1")}}),
           map_of({{"share-numbers", numbers}, {"allocated-size", tagged(2, bytes("\x01"))}}),
           map_of({{"share-numbers", "\xd9\x01\x02\x81\x20"}, {"allocated-size", size}}),
           map_of({{"share-numbers", numbers}, {"allocated-size", size}}) + '\0',
           map_of({{"share-numbers", numbers}, {"allocated-size", size}}).substr(0, 20),
           "\xa2" + bytes("share-numbers") + numbers + bytes("allocated-size") + size,
           tagged(5, map_of({{"share-numbers", numbers}, {"allocated-size", size}})),
       }) {
    expect_refused(allocate(body));
  }
}

auto report(const std::string& body) { return decode_corruption_report(as_byte_span(body)); }

TEST(CorruptionReport, ReadsItsReason) {
  const auto reason = report(map_of({{"reason", text("OHNO \xe1\x88\xb5")}}));
  ASSERT_TRUE(reason);
  EXPECT_EQ(*reason, "OHNO \xe1\x88\xb5");
  EXPECT_TRUE(report(map_of({{"reason", text(std::string(32757, 'x'))}})));
}

TEST(CorruptionReport, RefusesEverythingElse) {
  for (const std::string& body : {
           std::string(),
           map_of({}),
           map_of({{"reason", text("")}}),
           map_of({{"reason", bytes("x")}}),
           map_of({{"Reason", text("x")}}),
           map_of({{"reason", text("x")}, {"more", text("x")}}),
           map_of({{"reason", text("x")}, {"reason", text("x")}}),
           map_of({{"reason", text("x")}}) + "x",
           map_of({{"reason", text("\xff")}}),
           map_of({{"reason", text(std::string(32766, 'x'))}}),
           map_of({{"reason", uint(1)}}),
           "\xbf" + text("reason") + text("x") + text("reason") + text("x") + "\xff",
       }) {
    expect_refused(report(body));
  }
}

TEST(WholeBody, StopsAtItsLimit) {
  PiecewiseBody fits({"abc", "de"});
  EXPECT_EQ(run_task(read_whole_body(&fits, 5))->text(), "abcde");
  PiecewiseBody large({"abc", "def"});
  expect_refused(run_task(read_whole_body(&large, 5)), Errc::too_large);
  PiecewiseBody announced({"abc"});
  announced.announced = 6;
  expect_refused(run_task(read_whole_body(&announced, 5)), Errc::too_large);
  EXPECT_EQ(announced.taken, 0U);
  PiecewiseBody broken({"abc"});
  broken.end = Error(Errc::cancelled, "gone");
  expect_refused(run_task(read_whole_body(&broken, 5)), Errc::cancelled);
}

std::string content(const ByteSourcePtr& source) {
  std::string bytes_read(source->size(), '\0');
  const auto read =
      source->read(0, {reinterpret_cast<std::byte*>(bytes_read.data()), bytes_read.size()});
  return read ? bytes_read : "unreadable: " + read.error().message();
}

class ReadTestWriteBodyTest : public testing::Test {
 protected:
  Result<ReadTestWriteBody> decode(std::string_view body, std::size_t piece_bytes = 100'000,
                                   std::uint64_t spool_bytes = 1 << 20) {
    spool_.emplace(directory_ / "spool", spool_bytes, pool_);
    last_body_.emplace(body, piece_bytes);
    return run_task(decode_read_test_write(&*last_body_, &*spool_, limits_));
  }

  static std::string share(const std::vector<std::string>& tests,
                           const std::vector<std::string>& writes,
                           const std::string& new_length = "\xf6") {
    return map_of(
        {{"test", array_of(tests)}, {"write", array_of(writes)}, {"new-length", new_length}});
  }
  static std::string test(std::uint64_t offset, std::uint64_t size, std::string_view specimen) {
    return map_of({{"offset", uint(offset)}, {"size", uint(size)}, {"specimen", bytes(specimen)}});
  }
  static std::string write(std::uint64_t offset, std::string_view data) {
    return map_of({{"offset", uint(offset)}, {"data", bytes(data)}});
  }
  static std::string read(std::uint64_t offset, std::uint64_t size) {
    return map_of({{"offset", uint(offset)}, {"size", uint(size)}});
  }
  static std::string shares(const std::vector<std::pair<std::uint64_t, std::string>>& entries) {
    std::string out = written([&](CborWriter& w) { w.map(entries.size()); });
    for (const auto& [number, vectors] : entries) out += uint(number) + vectors;
    return out;
  }
  static std::string request(const std::string& shares, const std::vector<std::string>& reads) {
    return map_of({{"test-write-vectors", shares}, {"read-vector", array_of(reads)}});
  }

  TempDir directory_;
  IoPool pool_{1};
  ReadTestWriteLimits limits_;
  std::optional<Spool> spool_;
  std::optional<PiecewiseBody> last_body_;
};

TEST_F(ReadTestWriteBodyTest, ReadsEveryPart) {
  const std::string body = request(shares({{3, share({test(1, 2, "ab"), test(UINT64_MAX, 0, "")},
                                                     {write(5, "hello"), write(0, "")}, uint(7))},
                                           {0, share({}, {})}}),
                                   {read(0, 10), read(UINT64_MAX, UINT64_MAX)});
  for (const std::size_t piece_bytes : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
    const auto decoded = decode(body, piece_bytes);
    ASSERT_TRUE(decoded) << decoded.error().message();
    EXPECT_EQ(decoded->spooled, nullptr);
    const ReadTestWrite& wanted = decoded->request;
    ASSERT_EQ(wanted.shares.size(), 2U);
    const TestWriteVectors& three = wanted.shares.at(3);
    ASSERT_EQ(three.tests.size(), 2U);
    EXPECT_EQ(three.tests[0].offset, 1U);
    EXPECT_EQ(three.tests[0].size, 2U);
    EXPECT_EQ(content(three.tests[0].specimen), "ab");
    EXPECT_EQ(three.tests[1].offset, UINT64_MAX);
    ASSERT_EQ(three.writes.size(), 2U);
    EXPECT_EQ(three.writes[0].offset, 5U);
    EXPECT_EQ(content(three.writes[0].data), "hello");
    EXPECT_EQ(three.writes[1].data->size(), 0U);
    EXPECT_EQ(three.new_length, 7U);
    EXPECT_EQ(wanted.shares.at(0).new_length, std::nullopt);
    ASSERT_EQ(wanted.reads.size(), 2U);
    EXPECT_EQ(wanted.reads[1].size, UINT64_MAX);
  }
}

TEST_F(ReadTestWriteBodyTest, ReadsIndefiniteLengths) {
  const std::string body = "\xbf" + text("read-vector") + "\x9f\xff" + text("test-write-vectors") +
                           "\xbf\x01\xbf" + text("test") + "\x9f\xff" + text("new-length") +
                           "\xf6" + text("write") + "\x9f\xbf" + text("offset") + "\x00" +
                           text("data") + "\x5f" + bytes("ab") + bytes("c") +
                           "\xff\xff\xff\xff\xff\xff";
  // One NUL in the middle: the literal "\x00" ends early, so it is put in by hand.
  std::string fixed = body;
  fixed.insert(fixed.find("offset") + 6, 1, '\0');
  const auto decoded = decode(fixed);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(content(decoded->request.shares.at(1).writes.at(0).data), "abc");
}

TEST_F(ReadTestWriteBodyTest, SpoolsLongStrings) {
  limits_.spool_above_bytes = 1000;
  const std::string small = pattern_text(1000, 1);
  const std::string large = pattern_text(1001, 2);
  const std::string huge = pattern_text(700'000, 3);
  const std::string body = request(
      shares(
          {{0, share({test(0, 1001, large)}, {write(0, small), write(9, huge), write(1, large)})}}),
      {});
  for (const std::size_t piece_bytes : {std::size_t{997}, std::size_t{300'000}}) {
    auto decoded = decode(body, piece_bytes);
    ASSERT_TRUE(decoded) << decoded.error().message();
    ASSERT_NE(decoded->spooled, nullptr);
    EXPECT_EQ(decoded->spooled->size(), 1001U + 700'000 + 1001);
    EXPECT_EQ(spool_->bytes(), decoded->spooled->size());
    const TestWriteVectors& vectors = decoded->request.shares.at(0);
    EXPECT_EQ(content(vectors.tests.at(0).specimen), large);
    EXPECT_EQ(content(vectors.writes.at(0).data), small);
    EXPECT_TRUE(vectors.writes.at(0).data->in_memory());
    EXPECT_EQ(content(vectors.writes.at(1).data), huge);
    EXPECT_FALSE(vectors.writes.at(1).data->in_memory());
    EXPECT_EQ(content(vectors.writes.at(2).data), large);
    decoded = fail(Errc::not_found, "gone");
    EXPECT_EQ(spool_->bytes(), 0U);
    EXPECT_LE(last_body_->largest_read, 256U * 1024);
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "spool"));
}

TEST_F(ReadTestWriteBodyTest, SpoolsStringsOfUnknownLength) {
  limits_.spool_above_bytes = 10;
  const std::string chunked = "\x5f" + bytes("0123456") + bytes("7890") + bytes("abc") + "\xff";
  const auto decoded = decode(request(
      shares({{0, share({}, {"\xa2" + text("data") + chunked + text("offset") + uint(1)})}}), {}));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(content(decoded->request.shares.at(0).writes.at(0).data), "01234567890abc");
  EXPECT_NE(decoded->spooled, nullptr);
}

TEST_F(ReadTestWriteBodyTest, ManySmallStringsDoNotAddUpInMemory) {
  limits_.max_memory_bytes = 2500;
  std::vector<std::string> writes;
  for (unsigned i = 0; i < 5; ++i) writes.push_back(write(i, pattern_text(1000, i)));
  const auto decoded = decode(request(shares({{0, share({}, writes)}}), {}));
  ASSERT_TRUE(decoded);
  const auto& vectors = decoded->request.shares.at(0).writes;
  for (unsigned i = 0; i < 5; ++i) {
    EXPECT_EQ(content(vectors.at(i).data), pattern_text(1000, i));
    EXPECT_EQ(vectors.at(i).data->in_memory().has_value(), i < 2) << i;
  }
}

TEST_F(ReadTestWriteBodyTest, KeepsItsLimits) {
  limits_.max_body_bytes = 3000;
  const auto with_data = [](std::size_t size) {
    return request(shares({{0, share({}, {write(0, std::string(size, 'x'))})}}), {});
  };
  EXPECT_TRUE(decode(with_data(2900)));
  expect_refused(decode(with_data(3100)), Errc::too_large);
  // A length beyond the limit is refused when it is announced.
  expect_refused(decode(with_data(2'000'000).substr(0, 90)), Errc::too_large);
  last_body_.emplace(with_data(10), 100);
  last_body_->announced = 3001;
  expect_refused(run_task(decode_read_test_write(&*last_body_, &*spool_, limits_)),
                 Errc::too_large);
  EXPECT_EQ(last_body_->taken, 0U);
  // What all requests may spool together.
  limits_.spool_above_bytes = 10;
  expect_refused(decode(with_data(1500), 100, 1400), Errc::busy);
  EXPECT_EQ(spool_->bytes(), 0U);
}

TEST_F(ReadTestWriteBodyTest, CountsVectors) {
  const std::vector<std::string> thirty_tests(30, test(0, 1, "x"));
  const std::vector<std::string> thirty_reads(30, read(0, 1));
  EXPECT_TRUE(decode(request(shares({{0, share(thirty_tests, {})}}), thirty_reads)));
  expect_refused(
      decode(request(shares({{0, share(std::vector<std::string>(31, test(0, 1, "x")), {})}}), {})));
  expect_refused(decode(request(shares({}), std::vector<std::string>(31, read(0, 1)))));
  std::vector<std::pair<std::uint64_t, std::string>> many;
  for (std::uint64_t n = 0; n < 256; ++n) many.emplace_back(n, share({}, {}));
  EXPECT_TRUE(decode(request(shares(many), {})));
  many.emplace_back(256, share({}, {}));
  expect_refused(decode(request(shares(many), {})));
  // Write vectors are counted over all shares.
  const std::vector<std::string> half(limits::kWriteVectorsPerRequest / 2, write(0, ""));
  EXPECT_TRUE(decode(request(shares({{0, share({}, half)}, {1, share({}, half)}}), {})));
  expect_refused(
      decode(request(
          shares({{0, share({}, half)}, {1, share({}, half)}, {2, share({}, {write(0, "")})}}),
          {})),
      Errc::too_large);
}

TEST_F(ReadTestWriteBodyTest, RefusesWhatIsNotOfTheSchema) {
  const std::string none = shares({});
  const std::string no_reads = array_of({});
  const std::string offset0 = uint(0);
  const std::vector<std::string> bad = {
      "",
      "\xf6",
      array_of({}),
      map_of({}),
      map_of({{"test-write-vectors", none}}),
      map_of({{"read-vector", no_reads}}),
      map_of({{"test-write-vectors", none}, {"read-vector", no_reads}, {"x", no_reads}}),
      map_of({{"test-write-vectors", none}, {"test-write-vectors", none}}),
      map_of({{"test-write-vectors", array_of({})}, {"read-vector", no_reads}}),
      map_of({{"test-write-vectors", none}, {"read-vector", map_of({})}}),
      request(none, {}) + '\0',
      request(none, {}).substr(0, 30),
      request(shares({{1, share({}, {})}, {1, share({}, {})}}), {}),
      request("\xa1\x20" + share({}, {}), {}),
      request("\xa1" + text("1") + share({}, {}), {}),
      request(shares({{1, map_of({{"test", no_reads}, {"write", no_reads}})}}), {}),
      request(shares({{1, share({}, {}, "\x20")}}), {}),
      request(shares({{1, share({}, {}, "\xf5")}}), {}),
      request(shares({{1, share({}, {}, bytes("x"))}}), {}),
      request(shares({{1, share({offset0}, {})}}), {}),
      request(shares({{1, share({read(0, 1)}, {})}}), {}),       // no specimen
      request(shares({{1, share({}, {test(0, 1, "x")})}}), {}),  // not data
      request(shares({{1, share({}, {map_of({{"offset", offset0}, {"data", text("x")}})})}}), {}),
      request(shares({{1, share({}, {map_of({{"offset", offset0}, {"offset", offset0}})})}}), {}),
      request(shares({{1, share({}, {write(0, "x").substr(0, 12)})}}), {}),
      request(none, {map_of({{"offset", offset0}})}),
      request(none, {map_of({{"offset", "\x20"}, {"size", offset0}})}),
      request(none, {map_of({{"offset", tagged(2, bytes("\x01"))}, {"size", offset0}})}),
      request(std::string(1000, '\x81'), {}),  // deeply nested
      map_of({{std::string(1000, 'k'), none}, {"read-vector", no_reads}}),
  };
  for (const std::string& body : bad) expect_refused(decode(body));
}

// Pieces are charged to a budget that the next piece may have to wait for.
class OnePieceAtATime final : public http::RequestBody {
 public:
  explicit OnePieceAtATime(std::string_view text) : text_(text) {}
  std::optional<std::uint64_t> length() const override { return std::nullopt; }
  Task<Bytes> read(std::size_t) override {
    EXPECT_TRUE(last_.expired());
    const auto owner = std::make_shared<std::string>(text_.substr(0, 10));
    last_ = owner;
    text_.remove_prefix(owner->size());
    co_return Bytes(owner, as_byte_span(*owner));
  }

 private:
  std::string_view text_;
  std::weak_ptr<std::string> last_;
};

TEST_F(ReadTestWriteBodyTest, HoldsOnePieceAtATime) {
  spool_.emplace(directory_ / "spool", 1000, pool_);
  limits_.spool_above_bytes = 20;
  const std::string text =
      request(shares({{0, share({}, {write(0, "short"), write(9, std::string(100, 'x'))})}}), {});
  OnePieceAtATime body(text);
  EXPECT_TRUE(run_task(decode_read_test_write(&body, &*spool_, limits_)));
}

TEST(ReadTestWriteMemory, FollowsTheBodyUpToAMost) {
  EXPECT_EQ(read_test_write_memory(0), 4096U);
  EXPECT_EQ(read_test_write_memory(10'000), 80'000U);
  EXPECT_EQ(read_test_write_memory(1ULL << 32), kMaxReadTestWriteMemoryBytes);
  EXPECT_EQ(read_test_write_memory(UINT64_MAX), kMaxReadTestWriteMemoryBytes);
  EXPECT_EQ(read_test_write_memory(std::nullopt), kMaxReadTestWriteMemoryBytes);
}

TEST_F(ReadTestWriteBodyTest, PassesOnThatTheBodyFailed) {
  spool_.emplace(directory_ / "spool", 1000, pool_);
  PiecewiseBody body({request(shares({}), {}).substr(0, 10)});
  body.end = Error(Errc::timed_out, "too slow");
  expect_refused(run_task(decode_read_test_write(&body, &*spool_, limits_)), Errc::timed_out);
}

}  // namespace
}  // namespace sharestore
