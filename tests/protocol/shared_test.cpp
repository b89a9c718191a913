// What immutable and mutable shares have in common: byte reads, corruption reports, leases.
#include <fmt/format.h>

#include <algorithm>

#include "tests/protocol/fixture.h"
#include "tests/support/test_data.h"

namespace sharestore::protocol_test {

PROTOCOL_SUITE(SharedImmutableMutableTests);

namespace {

constexpr Kind kKinds[] = {Kind::immutable, Kind::mutable_slot};
const std::string kAlphabet = "abcdefghijklmnopqrstuvwxyz";

Secrets renewed_by(char letter) {
  Secrets secrets;
  secrets.renew = std::string(32, letter);
  return secrets;
}

}  // namespace

TEST_P(SharedImmutableMutableTests, test_read_with_no_range) {
  for (const Kind kind : kKinds) {
    for (const std::size_t size : {1, 100, 65536, 65537, 300'000}) {
      const std::string index = new_index();
      const std::string data = pattern_text(size);
      store(kind, index, 1, data);
      const Answer answer = client_.read(kind, index, 1);
      EXPECT_STATUS(answer, 200);
      EXPECT_TRUE(answer.body == data) << size;
      EXPECT_EQ(answer.header("content-type"), "application/octet-stream");
      EXPECT_EQ(answer.header("content-range"), std::nullopt);
    }
  }
}

TEST_P(SharedImmutableMutableTests, test_validate_content_range_response_to_read) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    const auto read = [&](const std::string& range, const std::string& expected,
                          const std::string& body) {
      const Answer answer = client_.read(kind, index, 1, range);
      EXPECT_EQ(answer.status, 206) << range;
      EXPECT_EQ(answer.header("content-range"), expected) << range;
      EXPECT_EQ(answer.header("content-type"), "application/octet-stream") << range;
      EXPECT_EQ(answer.body, body) << range;
    };
    read("bytes=0-10", "bytes 0-10/*", kAlphabet.substr(0, 11));
    read("bytes=3-17", "bytes 3-17/*", kAlphabet.substr(3, 15));
    read("bytes=20-100", "bytes 20-25/*", kAlphabet.substr(20));
    read("bytes=25-25", "bytes 25-25/*", "z");
    read("Bytes=0-5", "bytes 0-5/*", "abcdef");
    read("bytes= 0-5", "bytes 0-5/*", "abcdef");
    read("bytes=0 - 5", "bytes 0-5/*", "abcdef");
    read("bytes=00-05", "bytes 0-5/*", "abcdef");
    read("bytes=3-18446744073709551615", "bytes 3-25/*", kAlphabet.substr(3));
    read("bytes=3-99999999999999999999999", "bytes 3-25/*", kAlphabet.substr(3));
  }
}

TEST_P(SharedImmutableMutableTests, reads_past_the_end_are_empty) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    for (const char* range : {"bytes=26-27", "bytes=26-26", "bytes=1000-2000",
                              "bytes=18446744073709551615-18446744073709551615",
                              "bytes=99999999999999999999-99999999999999999999"}) {
      const Answer answer = client_.read(kind, index, 1, range);
      EXPECT_EQ(answer.status, 204) << range;
      EXPECT_EQ(answer.body, "");
      EXPECT_EQ(answer.header("content-range"), std::nullopt);
    }
  }
  const std::string empty = new_index();
  client_.read_test_write(empty, {{3, {}}});
  EXPECT_STATUS(client_.read(Kind::mutable_slot, empty, 3, "bytes=0-0"), 204);
  const Answer whole = client_.read(Kind::mutable_slot, empty, 3);
  EXPECT_STATUS(whole, 200);
  EXPECT_EQ(whole.body, "");
}

// test_read_with_negative_offset_fails
TEST_P(SharedImmutableMutableTests, bad_ranges) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    for (const char* range :
         {"molluscs=0-9", "bytes=-2-9", "bytes=0--10", "bytes=-300-", "bytes=", "bytes=0-5, 6-7",
          "bytes=0-5,6-7", "bytes=0-", "bytes=-5", "bytes=5-2", "", "bytes 0-5", "junk"}) {
      const Answer answer = client_.read(kind, index, 1, range);
      EXPECT_EQ(answer.status, 416) << range;
      EXPECT_EQ(answer.body, "") << range;
    }
  }
}

TEST_P(SharedImmutableMutableTests, the_last_of_two_ranges_counts) {
  const std::string index = new_index();
  store(index, 1, kAlphabet);
  const Answer answer = client_.request("GET", Client::slot(Kind::immutable, index) + "/1",
                                        {{"Range", "bytes=0-1"}, {"Range", "bytes=2-4"}});
  EXPECT_EQ(answer.body, "cde");
}

TEST_P(SharedImmutableMutableTests, head) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    const Answer whole = client_.read(kind, index, 1, std::nullopt, "HEAD");
    EXPECT_STATUS(whole, 200);
    EXPECT_EQ(whole.header("content-type"), "application/octet-stream");
    const Answer part = client_.read(kind, index, 1, "bytes=2-9", "HEAD");
    EXPECT_STATUS(part, 206);
    EXPECT_EQ(part.header("content-range"), "bytes 2-9/*");
    EXPECT_STATUS(client_.read(kind, index, 2, std::nullopt, "HEAD"), 404);
    // Nothing was sent that the next answer would be mistaken for.
    EXPECT_EQ(client_.read(kind, index, 1).body, kAlphabet);
  }
}

TEST_P(SharedImmutableMutableTests, accept_does_not_matter_to_reads) {
  const std::string index = new_index();
  store(index, 1, kAlphabet);
  const std::string path = Client::slot(Kind::immutable, index) + "/1";
  EXPECT_STATUS(client_.request("GET", path, {{"Accept", "image/gif"}}), 200);
}

TEST_P(SharedImmutableMutableTests, test_read_of_wrong_storage_index_fails) {
  for (const Kind kind : kKinds) {
    store(kind, new_index(), 1, kAlphabet);
    const Answer answer = client_.read(kind, new_index(), 1, "bytes=0-9");
    EXPECT_STATUS(answer, 404);
    EXPECT_EQ(answer.header("content-type"), "application/octet-stream");
    // The share comes before the range.
    EXPECT_STATUS(client_.read(kind, new_index(), 1, "junk"), 404);
  }
}

TEST_P(SharedImmutableMutableTests, test_read_of_wrong_share_number_fails) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{10}, UINT64_MAX}) {
      const Answer answer = client_.read(kind, index, number, "bytes=0-9");
      EXPECT_STATUS(answer, 404);
      EXPECT_EQ(answer.header("content-type"), "application/octet-stream");
    }
  }
}

TEST_P(SharedImmutableMutableTests, each_kind_is_served_by_its_own_paths) {
  const std::string immutable = new_index();
  const std::string mutable_slot = new_index();
  store(immutable, 1, "immutable");
  store_mutable(mutable_slot, 2, "mutable");
  const Answer wrong = client_.read(Kind::mutable_slot, immutable, 1);
  EXPECT_STATUS_OR(wrong, 404, 500);
  const Answer other = client_.read(Kind::immutable, mutable_slot, 2);
  EXPECT_STATUS_OR(other, 404, 500);
  EXPECT_STATUS_OR(client_.list(Kind::immutable, mutable_slot), 200, 500);
  EXPECT_STATUS_OR(client_.allocate(mutable_slot, {1}, 10), 400, 500);
  EXPECT_STATUS_OR(client_.read_test_write(immutable, {}), 400, 500);
  EXPECT_STATUS_OR(client_.read_test_write(immutable, {{7, {.writes = {{0, "x"}}}}}), 400, 500);
  if (!is_reference()) {
    EXPECT_EQ(wrong.header("content-type"), "application/octet-stream");
    EXPECT_EQ(other.header("content-type"), "application/octet-stream");
    EXPECT_CBOR(client_.list(Kind::immutable, mutable_slot), set({}));
    EXPECT_CBOR(client_.list(Kind::mutable_slot, immutable), set({}));
  }
  EXPECT_EQ(client_.read(Kind::immutable, immutable, 1).body, "immutable");
  EXPECT_EQ(client_.read(Kind::mutable_slot, mutable_slot, 2).body, "mutable");
}

TEST_P(SharedImmutableMutableTests, test_advise_corrupt_share) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 13, kAlphabet);
    const std::string reason = "OHNO \xe1\x88\xb5";
    const Answer answer = client_.corrupt(kind, index, 13, map({{text("reason"), text(reason)}}));
    EXPECT_STATUS(answer, 200);
    EXPECT_EQ(answer.body, "");
    if (inside() == nullptr) continue;
    const auto reports = inside()->advisories();
    const auto report = std::ranges::find_if(
        reports, [&](const auto& entry) { return entry.first.ends_with("--" + index + "-13"); });
    ASSERT_NE(report, reports.end());
    EXPECT_EQ(report->second,
              fmt::format("report: Share Corruption\ntype: {}\nstorage_index: {}\n"
                          "share_number: 13\n\n{}\n\n",
                          kind == Kind::immutable ? "immutable" : "mutable", index, reason));
  }
}

TEST_P(SharedImmutableMutableTests, test_advise_corrupt_share_unknown) {
  const Value report = map({{text("reason"), text("why")}});
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    EXPECT_STATUS(client_.corrupt(kind, index, 2, report), 404);
    EXPECT_STATUS(client_.corrupt(kind, new_index(), 1, report), 404);
    // The share comes before the body.
    EXPECT_STATUS(client_.corrupt(kind, index, 2, null()), 404);
  }
}

TEST_P(SharedImmutableMutableTests, bad_corruption_reports) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    const auto report = [&](const Value& value) {
      return client_.corrupt(kind, index, 1, value).status;
    };
    EXPECT_EQ(report(map({{text("reason"), text("")}})), 400);
    EXPECT_EQ(report(map({{text("reason"), bytes("x")}})), 400);
    EXPECT_EQ(report(map({})), 400);
    EXPECT_EQ(report(map({{text("reason"), text("x")}, {text("more"), text("x")}})), 400);
    EXPECT_EQ(report(map({{text("reason"), text(std::string(32757, 'x'))}})), 200);
    EXPECT_EQ(report(map({{text("reason"), text(std::string(32758, 'x'))}})), 413);
    const std::string path = Client::slot(kind, index) + "/1/corrupt";
    EXPECT_STATUS(client_.request("POST", path, {{"Content-Type", "text/plain"}}, "x"), 415);
    EXPECT_STATUS(client_.request("POST", path), 400);
  }
}

TEST_P(SharedImmutableMutableTests, reports_go_to_either_kind_of_path) {
  const std::string index = new_index();
  store(index, 1, kAlphabet);
  EXPECT_STATUS(client_.corrupt(Kind::mutable_slot, index, 1, map({{text("reason"), text("x")}})),
                200);
}

TEST_P(SharedImmutableMutableTests, test_lease_on_unknown_storage_index) {
  EXPECT_STATUS(client_.add_lease(new_index()), 404);
}

TEST_P(SharedImmutableMutableTests, an_upload_in_progress_takes_no_lease) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.add_lease(index), 404);
}

TEST_P(SharedImmutableMutableTests, add_lease_answers_nothing) {
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    store(kind, index, 1, kAlphabet);
    const Answer answer = client_.add_lease(index, renewed_by('n'));
    EXPECT_STATUS(answer, 204);
    EXPECT_EQ(answer.body, "");
    EXPECT_STATUS(client_.add_lease(index, renewed_by('n')), 204);
    EXPECT_EQ(client_.read(kind, index, 1).body, kAlphabet);
  }
}

TEST_P(SharedImmutableMutableTests, test_lease_renew_and_add) {
  SKIP_UNLESS_INSIDE();
  for (const Kind kind : kKinds) {
    const std::string index = new_index();
    const std::int64_t begin = inside()->unix_now();
    store(kind, index, 1, kAlphabet);
    ASSERT_EQ(inside()->leases(share_id(index, 1)).size(), 1U);
    EXPECT_EQ(inside()->leases(share_id(index, 1))[0].expires_at, begin + kLeaseSeconds);
    inside()->advance(std::chrono::seconds(167));
    EXPECT_STATUS(client_.add_lease(index), 204);
    ASSERT_EQ(inside()->leases(share_id(index, 1)).size(), 1U);
    EXPECT_EQ(inside()->leases(share_id(index, 1))[0].expires_at, begin + 167 + kLeaseSeconds);
    inside()->advance(std::chrono::seconds(10));
    EXPECT_STATUS(client_.add_lease(index, renewed_by('n')), 204);
    const Leases leases = inside()->leases(share_id(index, 1));
    ASSERT_EQ(leases.size(), 2U);
    EXPECT_EQ(leases[0].expires_at, begin + 167 + kLeaseSeconds);
    EXPECT_EQ(leases[1].expires_at, begin + 177 + kLeaseSeconds);
    EXPECT_EQ(leases[1].renew_digest, blake2b_256(std::string(32, 'n')));
    EXPECT_EQ(leases[1].cancel_digest, blake2b_256(std::string(32, 'c')));
  }
}

TEST_P(SharedImmutableMutableTests, a_lease_covers_every_share_of_the_storage_index) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  store(index, 1, "a");
  store(index, 2, "b");
  EXPECT_STATUS(client_.add_lease(index, renewed_by('n')), 204);
  EXPECT_EQ(inside()->leases(share_id(index, 1)).size(), 2U);
  EXPECT_EQ(inside()->leases(share_id(index, 2)).size(), 2U);
}

TEST_P(SharedImmutableMutableTests, a_readonly_node) {
  SKIP_UNLESS_INSIDE();
  const std::string immutable = new_index();
  const std::string mutable_slot = new_index();
  store(immutable, 1, kAlphabet);
  store_mutable(mutable_slot, 1, kAlphabet);
  restart({.readonly = true});
  // Nothing is promised, nothing allocated; leases of what is held are renewed.
  const auto version = Value::decode(client_.version().body);
  EXPECT_EQ(version->items[1].items[1], uint(0));
  EXPECT_EQ(version->items[1].items[5], uint(0));
  EXPECT_CBOR(client_.allocate(immutable, {1, 2}, 10), allocated({1}, {}));
  EXPECT_CBOR(client_.allocate(new_index(), {1}, 10), allocated({}, {}));
  EXPECT_STATUS(client_.add_lease(immutable), 204);
  EXPECT_STATUS(client_.add_lease(immutable, renewed_by('n')), 507);
  EXPECT_EQ(client_.read(Kind::immutable, immutable, 1).body, kAlphabet);
  // The enabler first, then the tests; only what would write is refused.
  Secrets stranger;
  stranger.enabler = std::string(32, 'x');
  const TestWrite write = {.writes = {{0, "x"}}};
  EXPECT_STATUS(client_.read_test_write(mutable_slot, {{1, write}}, {}, stranger), 401);
  const TestWrite failing = {.tests = {{0, 1, "?"}}, .writes = {{0, "x"}}};
  EXPECT_CBOR(client_.read_test_write(mutable_slot, {{1, failing}}, {{0, 2}}),
              outcome(false, {{1, {"ab"}}}));
  EXPECT_CBOR(client_.read_test_write(mutable_slot, {}, {{0, 2}}), outcome(true, {{1, {"ab"}}}));
  EXPECT_STATUS(client_.read_test_write(mutable_slot, {{1, write}}), 403);
  EXPECT_STATUS(client_.read_test_write(mutable_slot, {{1, {.new_length = 0}}}), 403);
  EXPECT_STATUS(client_.read_test_write(new_index(), {{1, write}}), 403);
  EXPECT_EQ(client_.read(Kind::mutable_slot, mutable_slot, 1).body, kAlphabet);
  // Reports are taken and dropped.
  EXPECT_STATUS(client_.corrupt(Kind::immutable, immutable, 1, map({{text("reason"), text("x")}})),
                200);
  EXPECT_TRUE(inside()->advisories().empty());
}

TEST_P(SharedImmutableMutableTests, a_full_node) {
  SKIP_UNLESS_INSIDE();
  const std::string mutable_slot = new_index();
  store_mutable(mutable_slot, 1, kAlphabet);
  store_mutable(mutable_slot, 2, kAlphabet);
  restart({.reserved_space_bytes = UINT64_MAX / 2});
  EXPECT_CBOR(client_.allocate(new_index(), {1}, 10), allocated({}, {}));
  EXPECT_STATUS(
      client_.read_test_write(mutable_slot, {{1, {.writes = {{0, std::string(100'000, 'x')}}}}}),
      507);
  EXPECT_EQ(client_.read(Kind::mutable_slot, mutable_slot, 1).body, kAlphabet);
  // Overwriting, shrinking and deleting need no room.
  EXPECT_CBOR(client_.read_test_write(mutable_slot, {{1, {.writes = {{0, "A"}}, .new_length = 5}},
                                                     {2, {.new_length = 0}}}),
              outcome(true, {{1, {}}, {2, {}}}));
  EXPECT_EQ(client_.read(Kind::mutable_slot, mutable_slot, 1).body, "Abcde");
  EXPECT_CBOR(client_.list(Kind::mutable_slot, mutable_slot), set({1}));
}

}  // namespace sharestore::protocol_test
