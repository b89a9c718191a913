// What the client's storage-server object relies on: sequences of requests as it makes them.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "tests/protocol/fixture.h"
#include "tests/support/test_data.h"

namespace sharestore::protocol_test {

PROTOCOL_SUITE(IStorageServerTests);

namespace {

TestWrite writing(std::string data, std::uint64_t offset = 0) {
  return {.writes = {{offset, std::move(data)}}};
}
Secrets renewed_by(char letter) {
  Secrets secrets;
  secrets.renew = std::string(32, letter);
  return secrets;
}

}  // namespace

TEST_P(IStorageServerTests, test_allocate_buckets_new) {
  EXPECT_CBOR(client_.allocate(new_index(), {0, 1, 2, 3, 4}, 1024), allocated({}, {0, 1, 2, 3, 4}));
}

TEST_P(IStorageServerTests, test_allocate_buckets_repeat) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.allocate(index, {0, 1, 2, 3, 4}, 1024), allocated({}, {0, 1, 2, 3, 4}));
  EXPECT_CBOR(client_.allocate(index, {0, 1, 2, 3, 4, 5}, 1024), allocated({}, {5}));
}

TEST_P(IStorageServerTests, test_written_shares_are_allocated) {
  const std::string index = new_index();
  client_.allocate(index, {0, 1, 2, 3, 4}, 1024);
  client_.write(index, 1, 0, std::string(1024, '1'));
  client_.write(index, 2, 0, std::string(1024, '2'));
  client_.write(index, 3, 0, std::string(512, '3'));
  EXPECT_CBOR(client_.allocate(index, {0, 1, 2, 3, 4}, 1024), allocated({1, 2}, {}));
}

TEST_P(IStorageServerTests, test_written_shares_are_readable) {
  std::mt19937 random(20);
  const std::string index = new_index();
  client_.allocate(index, {0, 1, 2, 3, 4}, 1000);
  for (std::uint64_t number = 0; number < 5; ++number) {
    const std::string data = pattern_text(1000, static_cast<unsigned>(number));
    std::vector<std::uint64_t> places = {0, 100, 200, 300, 400, 500, 600, 700, 800, 900};
    std::ranges::shuffle(places, random);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Answer answer = client_.write(index, number, places[i], data.substr(places[i], 100));
      EXPECT_STATUS(answer, i + 1 == places.size() ? 201 : 200);
    }
    EXPECT_EQ(client_.read(Kind::immutable, index, number).body, data);
  }
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({0, 1, 2, 3, 4}));
}

TEST_P(IStorageServerTests, test_non_matching_overlapping_writes) {
  const std::string index = new_index();
  client_.allocate(index, {0}, 30);
  EXPECT_STATUS(client_.write(index, 0, 0, std::string(25, '1')), 200);
  EXPECT_STATUS(client_.write(index, 0, 20, std::string(10, '2')), 409);
}

TEST_P(IStorageServerTests, test_matching_overlapping_writes) {
  const std::string index = new_index();
  client_.allocate(index, {0}, 25);
  EXPECT_STATUS(client_.write(index, 0, 0, std::string(10, '1')), 200);
  EXPECT_STATUS(client_.write(index, 0, 10, std::string(10, '2')), 200);
  EXPECT_STATUS(client_.write(index, 0, 5, std::string(5, '1') + std::string(10, '2')), 200);
  EXPECT_STATUS(client_.write(index, 0, 20, std::string(5, '3')), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 0).body,
            std::string(10, '1') + std::string(10, '2') + std::string(5, '3'));
}

TEST_P(IStorageServerTests, test_abort) {
  const std::string index = new_index();
  client_.allocate(index, {0}, 1024);
  EXPECT_STATUS(client_.write(index, 0, 0, std::string(1023, 'a')), 200);
  EXPECT_STATUS(client_.abort(index, 0), 200);
  client_.allocate(index, {0}, 1024);
  EXPECT_STATUS(client_.write(index, 0, 0, std::string(1024, 'b')), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 0).body, std::string(1024, 'b'));
}

TEST_P(IStorageServerTests, test_get_buckets_skips_unfinished_buckets) {
  const std::string index = new_index();
  client_.allocate(index, {0, 1, 2, 3, 4}, 10);
  client_.write(index, 1, 0, "0123456789");
  client_.write(index, 2, 0, "012345678");
  client_.write(index, 4, 0, "0123456789");
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({1, 4}));
  EXPECT_STATUS(client_.read(Kind::immutable, index, 2), 404);
}

TEST_P(IStorageServerTests, test_read_bucket_at_offset) {
  const std::string index = new_index();
  const std::string data = "0123456789";
  store(index, 0, data);
  for (std::size_t offset = 0; offset < 10; ++offset) {
    for (std::size_t length = 1; length < 20 - offset; ++length) {
      const Answer answer = client_.read(Kind::immutable, index, 0,
                                         fmt::format("bytes={}-{}", offset, offset + length - 1));
      EXPECT_EQ(answer.body, data.substr(offset, length)) << offset << " " << length;
    }
  }
}

TEST_P(IStorageServerTests, test_allocate_buckets_creates_lease) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store(index, 0, "data");
  const Leases leases = inside()->leases(share_id(index, 0));
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].owner, 0U);
  EXPECT_EQ(leases[0].expires_at, begin + 31 * 86400);
  EXPECT_EQ(leases[0].renew_digest, blake2b_256(Secrets().renew));
}

TEST_P(IStorageServerTests, allocate_renews_leases_of_finished_shares) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store(index, 0, "data");
  inside()->advance(std::chrono::seconds(123));
  client_.allocate(index, {1}, 10);
  ASSERT_EQ(inside()->leases(share_id(index, 0)).size(), 1U);
  EXPECT_EQ(inside()->leases(share_id(index, 0))[0].expires_at, begin + 123 + kLeaseSeconds);
  client_.allocate(index, {}, 10, renewed_by('n'));
  ASSERT_EQ(inside()->leases(share_id(index, 0)).size(), 2U);
}

TEST_P(IStorageServerTests, test_add_lease_renewal) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store(index, 0, "data");
  inside()->advance(std::chrono::seconds(178));
  EXPECT_STATUS(client_.add_lease(index), 204);
  const Leases leases = inside()->leases(share_id(index, 0));
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].expires_at, begin + 178 + kLeaseSeconds);
}

TEST_P(IStorageServerTests, test_add_new_lease) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store(index, 0, "data");
  inside()->advance(std::chrono::seconds(167));
  EXPECT_STATUS(client_.add_lease(index, renewed_by('n')), 204);
  const Leases leases = inside()->leases(share_id(index, 0));
  ASSERT_EQ(leases.size(), 2U);
  EXPECT_EQ(leases[0].expires_at, begin + kLeaseSeconds);
  EXPECT_EQ(leases[1].expires_at, begin + 167 + kLeaseSeconds);
}

TEST_P(IStorageServerTests, test_STARAW_reads_after_write) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("01234")}, {1, writing("56789")}});
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 2}, {3, 4}}),
              outcome(true, {{0, {"01", "34"}}, {1, {"56", "89"}}}));
}

TEST_P(IStorageServerTests, test_SATRAW_reads_happen_before_writes_in_single_query) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("abcdefg")}, {1, writing("0123456")}});
  EXPECT_CBOR(client_.read_test_write(index, {{0, writing("X")}, {1, writing("Y", 4)}}, {{0, 5}}),
              outcome(true, {{0, {"abcde"}}, {1, {"01234"}}}));
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 100}}),
              outcome(true, {{0, {"Xbcdefg"}}, {1, {"0123Y56"}}}));
}

TEST_P(IStorageServerTests, test_SATRAW_writes_happens_only_if_test_matches) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("1234567")}});
  const TestWrite good = {.tests = {{0, 3, "123"}, {3, 3, "456"}}, .writes = {{0, "a"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{0, good}}), outcome(true, {{0, {}}}));
  const TestWrite bad = {.tests = {{0, 3, "a23"}, {3, 3, "4?6"}}, .writes = {{0, "b"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{0, bad}}, {{0, 7}}),
              outcome(false, {{0, {"a234567"}}}));
}

TEST_P(IStorageServerTests, test_SATRAW_tests_past_end_of_data) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("1234567")}});
  const TestWrite clipped = {.tests = {{0, 10, "1234567"}}, .writes = {{0, "A"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{0, clipped}}), outcome(true, {{0, {}}}));
  const TestWrite beyond = {.tests = {{100, 10, ""}, {UINT64_MAX, UINT64_MAX, ""}}};
  EXPECT_CBOR(client_.read_test_write(index, {{0, beyond}}), outcome(true, {{0, {}}}));
}

TEST_P(IStorageServerTests, test_SATRAW_reads_past_end_of_data) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("12345")}});
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 99}, {5, 1}}),
              outcome(true, {{0, {"12345", ""}}}));
}

TEST_P(IStorageServerTests, test_STARAW_zero_new_length_deletes) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("1234567")}});
  EXPECT_CBOR(client_.read_test_write(index, {{0, {.writes = {{0, "x"}}, .new_length = 0}}}),
              outcome(true, {{0, {}}}));
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 7}}), outcome(true, {}));
}

// The client asks for the list, then reads each vector of each share by itself.
TEST_P(IStorageServerTests, test_slot_readv) {
  const std::string index = new_index();
  client_.read_test_write(
      index, {{0, writing("abcdefg")}, {1, writing("0123456")}, {2, writing("9876543")}});
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({0, 1, 2}));
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 0, "bytes=1-3").body, "bcd");
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1, "bytes=6-19").body, "6");
  EXPECT_STATUS(client_.read(Kind::mutable_slot, index, 2, "bytes=7-19"), 204);
  EXPECT_STATUS(client_.read(Kind::mutable_slot, index, 3, "bytes=0-1"), 404);
}

TEST_P(IStorageServerTests, test_slot_readv_unknown_storage_index) {
  EXPECT_CBOR(client_.list(Kind::mutable_slot, new_index()), set({}));
}

TEST_P(IStorageServerTests, test_STARAW_create_lease) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store_mutable(index, 0, "data");
  const Leases leases = inside()->leases(share_id(index, 0));
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].expires_at, begin + kLeaseSeconds);
}

TEST_P(IStorageServerTests, test_STARAW_renews_lease) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  store_mutable(index, 0, "data");
  inside()->advance(std::chrono::seconds(167));
  store_mutable(index, 0, "more");
  const Leases leases = inside()->leases(share_id(index, 0));
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].expires_at, begin + 167 + kLeaseSeconds);
}

TEST_P(IStorageServerTests, test_STARAW_new_lease) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  store_mutable(index, 0, "data");
  inside()->advance(std::chrono::seconds(167));
  store_mutable(index, 0, "more", renewed_by('n'));
  EXPECT_EQ(inside()->leases(share_id(index, 0)).size(), 2U);
}

}  // namespace sharestore::protocol_test
