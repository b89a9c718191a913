// Mutable shares: read-test-write.
#include <fmt/format.h>

#include "tests/protocol/fixture.h"
#include "tests/support/test_data.h"

namespace sharestore::protocol_test {

PROTOCOL_SUITE(MutableHTTPAPIsTests);

namespace {

TestWrite writing(std::string data, std::uint64_t offset = 0) {
  return {.writes = {{offset, std::move(data)}}};
}

Secrets enabled_by(const std::string& enabler) {
  Secrets secrets;
  secrets.enabler = enabler;
  return secrets;
}

Secrets renewed_by(char letter) {
  Secrets secrets;
  secrets.renew = std::string(32, letter);
  return secrets;
}

}  // namespace

TEST_P(MutableHTTPAPIsTests, test_write_can_be_read_small_data) {
  const std::string index = new_index();
  store_mutable(index, 1, "aaaaabbbbb");
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "aaaaabbbbb");
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1, "bytes=4-6").body, "abb");
}

TEST_P(MutableHTTPAPIsTests, test_write_can_be_read_large_data) {
  const std::string index = new_index();
  const std::string data = pattern_text(std::size_t{50} << 20);
  store_mutable(index, 1, data);
  EXPECT_TRUE(client_.read(Kind::mutable_slot, index, 1).body == data);
  const Answer read = client_.read_test_write(index, {}, {{10, 1'000'000}, {data.size() - 5, 10}});
  EXPECT_CBOR(read,
              outcome(true, {{1, {data.substr(10, 1'000'000), data.substr(data.size() - 5)}}}));
  if (inside() != nullptr) {
    EXPECT_EQ(inside()->spool_files(), 0U);
  }
}

TEST_P(MutableHTTPAPIsTests, test_read_before_write) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.read_test_write(index, {{1, writing("hello")}}, {{0, 10}}),
              outcome(true, {}));
  EXPECT_CBOR(client_.read_test_write(index, {{1, writing("HE")}}, {{0, 10}, {1, 3}}),
              outcome(true, {{1, {"hello", "ell"}}}));
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "HEllo");
}

TEST_P(MutableHTTPAPIsTests, test_conditional_write) {
  const std::string index = new_index();
  store_mutable(index, 1, "XYZ");
  const TestWrite bad = {.tests = {{0, 2, "AB"}}, .writes = {{0, "new"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{1, bad}}), outcome(false, {{1, {}}}));
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "XYZ");
  const TestWrite good = {.tests = {{0, 2, "XY"}, {2, 1, "Z"}}, .writes = {{0, "new"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{1, good}}), outcome(true, {{1, {}}}));
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "new");
}

TEST_P(MutableHTTPAPIsTests, one_failed_test_stops_every_write) {
  const std::string index = new_index();
  store_mutable(index, 0, "zero");
  const TestWrite bad = {.tests = {{0, 4, "nope"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{0, bad}, {1, writing("one")}}, {{0, 9}}),
              outcome(false, {{0, {"zero"}}}));
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({0}));
  EXPECT_CBOR(client_.read_test_write(index, {{0, {.tests = {{0, 4, "nope"}}, .new_length = 0}}}),
              outcome(false, {{0, {}}}));
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({0}));
}

TEST_P(MutableHTTPAPIsTests, tests_of_a_missing_share_see_nothing) {
  const std::string index = new_index();
  const TestWrite if_absent = {.tests = {{0, 1, ""}}, .writes = {{0, "first"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{1, if_absent}}), outcome(true, {}));
  EXPECT_CBOR(client_.read_test_write(index, {{1, if_absent}}), outcome(false, {{1, {}}}));
  EXPECT_CBOR(client_.read_test_write(index, {{2, {.tests = {{0, 1, "x"}}}}}),
              outcome(false, {{1, {}}}));
}

TEST_P(MutableHTTPAPIsTests, test_list_shares) {
  const std::string index = new_index();
  EXPECT_STATUS(client_.read_test_write(index, {{0, writing("a")}, {1, writing("b")}}), 200);
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({0, 1}));
}

TEST_P(MutableHTTPAPIsTests, test_non_existent_list_shares) {
  EXPECT_STATUS(client_.list(Kind::mutable_slot, std::string(52, 'a')), 404);
  EXPECT_CBOR(client_.list(Kind::mutable_slot, new_index()), set({}));
}

TEST_P(MutableHTTPAPIsTests, test_wrong_write_enabler) {
  const std::string index = new_index();
  store_mutable(index, 1, "data");
  const Secrets stranger = enabled_by(std::string(32, 'x'));
  const Answer answer = client_.read_test_write(index, {{1, writing("DATA")}}, {}, stranger);
  EXPECT_STATUS(answer, 401);
  EXPECT_EQ(answer.body, "");
  // A read alone is refused too, and so is another share of the slot.
  EXPECT_STATUS(client_.read_test_write(index, {}, {{0, 1}}, stranger), 401);
  EXPECT_STATUS(client_.read_test_write(index, {{2, writing("x")}}, {}, stranger), 401);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "data");
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({1}));
}

TEST_P(MutableHTTPAPIsTests, enablers_are_32_bytes_in_the_store) {
  for (const std::string& enabler : {std::string("short"), std::string(40, 'e')}) {
    const std::string index = new_index();
    store_mutable(index, 1, "data", enabled_by(enabler));
    // Given again as it was, it does not match; as it is stored, it does.
    std::string stored = enabler;
    stored.resize(32, '\0');
    EXPECT_STATUS(client_.read_test_write(index, {{1, writing("x")}}, {}, enabled_by(enabler)),
                  401);
    EXPECT_STATUS(client_.read_test_write(index, {{1, writing("x")}}, {}, enabled_by(stored)), 200);
  }
}

TEST_P(MutableHTTPAPIsTests, a_new_slot_takes_any_enabler) {
  const std::string index = new_index();
  store_mutable(index, 1, "data", enabled_by("one"));
  const std::string stored = "one" + std::string(29, '\0');
  EXPECT_STATUS(client_.read_test_write(index, {{1, {.new_length = 0}}}, {}, enabled_by(stored)),
                200);
  // Empty again, it is new again.
  store_mutable(index, 1, "data", enabled_by(std::string(32, '2')));
}

TEST_P(MutableHTTPAPIsTests, reads_see_every_share_of_the_slot) {
  const std::string index = new_index();
  client_.read_test_write(index, {{0, writing("zero")}, {300, writing("three hundred")}});
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 4}, {4, 100}, {50, 1}}),
              outcome(true, {{0, {"zero", "", ""}}, {300, {"thre", "e hundred", ""}}}));
  EXPECT_CBOR(client_.read_test_write(index, {}), outcome(true, {{0, {}}, {300, {}}}));
  EXPECT_CBOR(client_.read_test_write(index, {}, {{UINT64_MAX, UINT64_MAX}, {0, UINT64_MAX}}),
              outcome(true, {{0, {"", "zero"}}, {300, {"", "three hundred"}}}));
  EXPECT_CBOR(client_.read_test_write(new_index(), {}, {{0, 1}}), outcome(true, {}));
}

TEST_P(MutableHTTPAPIsTests, writes_come_in_order) {
  const std::string index = new_index();
  const TestWrite overlapping = {.writes = {{0, "aaaa"}, {2, "bbbb"}, {1, "c"}}};
  EXPECT_STATUS(client_.read_test_write(index, {{1, overlapping}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "acbbbb");
}

TEST_P(MutableHTTPAPIsTests, gaps_are_filled_with_zeros) {
  const std::string index = new_index();
  store_mutable(index, 1, "ab");
  EXPECT_STATUS(client_.read_test_write(index, {{1, writing("z", 5)}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, std::string("ab\0\0\0z", 6));
  // Also by a write of nothing.
  EXPECT_STATUS(client_.read_test_write(index, {{1, writing("", 8)}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, std::string("ab\0\0\0z\0\0", 8));
  // What was cut off does not come back.
  EXPECT_STATUS(client_.read_test_write(index, {{1, {.new_length = 1}}}), 200);
  EXPECT_STATUS(client_.read_test_write(index, {{1, writing("y", 4)}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, std::string("a\0\0\0y", 5));
}

TEST_P(MutableHTTPAPIsTests, new_length) {
  const std::string index = new_index();
  store_mutable(index, 1, "abcdefgh");
  const auto after = [&](std::uint64_t length) {
    EXPECT_STATUS(client_.read_test_write(index, {{1, {.new_length = length}}}), 200);
    return client_.read(Kind::mutable_slot, index, 1).body;
  };
  EXPECT_EQ(after(100), "abcdefgh");  // cannot enlarge
  EXPECT_EQ(after(UINT64_MAX), "abcdefgh");
  EXPECT_EQ(after(8), "abcdefgh");
  EXPECT_EQ(after(5), "abcde");
  // After the writes.
  const TestWrite both = {.writes = {{0, "ABCDEFGHIJ"}}, .new_length = 6};
  EXPECT_STATUS(client_.read_test_write(index, {{1, both}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "ABCDEF");
}

TEST_P(MutableHTTPAPIsTests, new_length_zero_deletes) {
  const std::string index = new_index();
  store_mutable(index, 1, "one");
  store_mutable(index, 2, "two");
  const TestWrite gone = {.writes = {{0, "ignored"}}, .new_length = 0};
  EXPECT_CBOR(client_.read_test_write(index, {{1, gone}}, {{0, 9}}),
              outcome(true, {{1, {"one"}}, {2, {"two"}}}));
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({2}));
  EXPECT_STATUS(client_.read(Kind::mutable_slot, index, 1), 404);
  EXPECT_STATUS(client_.read_test_write(index, {{1, gone}, {7, gone}}), 200);
  EXPECT_STATUS(client_.read_test_write(index, {{2, gone}}), 200);
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({}));
  EXPECT_STATUS(client_.add_lease(index), 404);
}

TEST_P(MutableHTTPAPIsTests, a_share_is_made_without_writes) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.read_test_write(index, {{1, {}}}), outcome(true, {}));
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({1}));
  EXPECT_CBOR(client_.read_test_write(index, {}, {{0, 5}}), outcome(true, {{1, {""}}}));
}

TEST_P(MutableHTTPAPIsTests, a_write_beyond_the_largest_share) {
  const std::string index = new_index();
  for (const std::uint64_t offset : {std::uint64_t{69'105'000'000'000'000}, UINT64_MAX,
                                     UINT64_MAX - 1, std::uint64_t{1} << 63}) {
    EXPECT_STATUS_OR(client_.read_test_write(index, {{1, writing("xy", offset)}}), 413, 500);
    if (!is_reference()) {
      EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({}));
    }
  }
}

TEST_P(MutableHTTPAPIsTests, leases_of_written_shares) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  const std::int64_t begin = inside()->unix_now();
  client_.read_test_write(index, {{0, writing("0")}, {1, writing("1")}});
  inside()->advance(std::chrono::seconds(100));
  const auto expiries = [&](std::uint64_t number) {
    std::vector<std::int64_t> after;
    for (const Lease& lease : inside()->leases(share_id(index, number))) {
      after.push_back(lease.expires_at - begin - kLeaseSeconds);
    }
    return after;
  };
  // Only shares that are mentioned; reads change nothing, nor do failed tests.
  client_.read_test_write(index, {}, {{0, 1}});
  client_.read_test_write(index, {{0, {.tests = {{0, 1, "?"}}}}});
  EXPECT_THAT(expiries(0), testing::ElementsAre(0));
  client_.read_test_write(index, {{0, {}}});
  EXPECT_THAT(expiries(0), testing::ElementsAre(100));
  EXPECT_THAT(expiries(1), testing::ElementsAre(0));
  client_.read_test_write(index, {{1, writing("x")}}, {}, renewed_by('n'));
  EXPECT_THAT(expiries(1), testing::ElementsAre(0, 100));
  EXPECT_EQ(inside()->leases(share_id(index, 1))[1].owner, 1U);
}

TEST_P(MutableHTTPAPIsTests, vectors_have_limits) {
  const std::string index = new_index();
  const auto tests = [](std::size_t count) {
    return TestWrite{.tests = std::vector<TestWrite::Test>(count, {0, 0, ""})};
  };
  EXPECT_STATUS(client_.read_test_write(index, {{0, tests(30)}}), 200);
  EXPECT_STATUS(client_.read_test_write(index, {{0, tests(31)}}), 400);
  EXPECT_STATUS(client_.read_test_write(index, {}, std::vector<Read>(30, {0, 1})), 200);
  EXPECT_STATUS(client_.read_test_write(index, {}, std::vector<Read>(31, {0, 1})), 400);
  TestWrites many;
  for (std::uint64_t n = 0; n < 257; ++n) many.emplace_back(n, TestWrite{.new_length = 0});
  EXPECT_STATUS(client_.read_test_write(new_index(), many), 400);
  many.pop_back();
  EXPECT_STATUS(client_.read_test_write(new_index(), many), 200);
  TestWrite long_write;
  for (std::uint64_t n = 0; n < 2000; ++n) long_write.writes.push_back({n, "x"});
  EXPECT_STATUS(client_.read_test_write(index, {{5, long_write}}), 200);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 5).body, std::string(2000, 'x'));
}

TEST_P(MutableHTTPAPIsTests, bad_bodies) {
  const std::string index = new_index();
  const Value none = map({});
  const Value no_reads = array({});
  const auto one_share = [&](const Value& share) {
    return map({{text("test-write-vectors"), map({{uint(1), share}})},
                {text("read-vector"), no_reads}})
        .encode();
  };
  const auto share_of = [](Value test, Value write, Value new_length) {
    return map({{text("test"), std::move(test)},
                {text("write"), std::move(write)},
                {text("new-length"), std::move(new_length)}});
  };
  const Value negative{Value::Kind::negative, 0, {}, {}};
  for (const std::string& body : {
           std::string(),
           std::string("garbage"),
           none.encode(),
           map({{text("test-write-vectors"), none}}).encode(),
           map({{text("read-vector"), no_reads}}).encode(),
           map({{text("test-write-vectors"), none}, {text("read-vector"), none}}).encode(),
           map({{text("test-write-vectors"), none},
                {text("read-vector"), no_reads},
                {text("more"), none}})
               .encode(),
           one_share(map({{text("test"), no_reads}, {text("write"), no_reads}})),
           one_share(share_of(no_reads, no_reads, negative)),
           one_share(share_of(no_reads, no_reads, text("1"))),
           one_share(share_of(map({}), no_reads, null())),
           one_share(share_of(
               no_reads, array({map({{text("offset"), negative}, {text("data"), bytes("x")}})}),
               null())),
           one_share(share_of(no_reads,
                              array({map({{text("offset"), uint(0)}, {text("data"), text("x")}})}),
                              null())),
           one_share(share_of(no_reads, array({map({{text("offset"), uint(0)}})}), null())),
       }) {
    EXPECT_STATUS(client_.read_test_write_body(index, body), 400);
  }
  EXPECT_STATUS(client_.read_test_write_body(index, "x", {}, {{"Content-Type", "text/plain"}}),
                415);
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({}));
}

TEST_P(MutableHTTPAPIsTests, a_body_beyond_the_limit) {
  SKIP_UNLESS_INSIDE();
  NodeSettings settings;
  settings.max_mutable_request_bytes = 1'000'000;
  restart(settings);
  const std::string index = new_index();
  EXPECT_STATUS(client_.read_test_write(index, {{1, writing(std::string(900'000, 'x'))}}), 200);
  EXPECT_STATUS(client_.read_test_write(index, {{1, writing(std::string(1'000'000, 'y'))}}), 413);
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1, "bytes=0-0").body, "x");
  EXPECT_EQ(inside()->spool_files(), 0U);
}

}  // namespace sharestore::protocol_test
