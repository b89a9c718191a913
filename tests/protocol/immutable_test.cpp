// Uploading immutable shares: allocate, PATCH, abort, time-outs.
#include <fmt/format.h>

#include "tests/protocol/fixture.h"
#include "tests/support/test_data.h"

namespace sharestore::protocol_test {

PROTOCOL_SUITE(ImmutableHTTPAPITests);

namespace {

Secrets with_upload_secret(const std::string& secret) {
  Secrets secrets;
  secrets.upload = secret;
  return secrets;
}

}  // namespace

TEST_P(ImmutableHTTPAPITests, test_upload_can_be_downloaded) {
  const std::string index = new_index();
  const std::string data = pattern_text(100);
  EXPECT_CBOR(client_.allocate(index, {1}, 100), allocated({}, {1}));
  struct Step {
    std::uint64_t begin;
    std::uint64_t end;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> missing;
  };
  const std::vector<Step> steps = {
      {10, 20, {{0, 10}, {20, 100}}},
      {30, 40, {{0, 10}, {20, 30}, {40, 100}}},
      {50, 60, {{0, 10}, {20, 30}, {40, 50}, {60, 100}}},
      {15, 35, {{0, 10}, {40, 50}, {60, 100}}},
      {0, 10, {{40, 50}, {60, 100}}},
      {40, 50, {{60, 100}}},
      {60, 100, {}},
  };
  for (const Step& step : steps) {
    const Answer answer =
        client_.write(index, 1, step.begin, data.substr(step.begin, step.end - step.begin));
    EXPECT_STATUS(answer, step.missing.empty() ? 201 : 200);
    EXPECT_CBOR(answer, required(step.missing));
  }
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, data);
  for (std::uint64_t begin = 0; begin < 100; begin += 7) {
    const std::uint64_t last = begin + 199 < 300 ? begin + 29 : 299;
    const Answer part =
        client_.read(Kind::immutable, index, 1, fmt::format("bytes={}-{}", begin, last));
    EXPECT_STATUS(part, 206);
    EXPECT_EQ(part.body, data.substr(begin, 30));
  }
  const Answer clipped = client_.read(Kind::immutable, index, 1, "bytes=49-249");
  EXPECT_EQ(clipped.body, data.substr(49));
  EXPECT_EQ(clipped.header("content-range"), "bytes 49-99/*");
}

TEST_P(ImmutableHTTPAPITests, bytes_of_the_facts) {
  const std::string index = new_index();
  const std::string request =
      "\xa2\x6dshare-numbers\xd9\x01\x02\x82\x01\x07\x6e"
      "allocated-size\x18\x30";
  const Answer granted = client_.allocate_body(index, request);
  EXPECT_CBOR(granted, allocated({}, {1, 7}));
  const Answer some = client_.write(index, 7, 0, std::string(24, 'x'));
  EXPECT_CBOR(some, required({{24, 48}}));
  const Answer all = client_.write(index, 7, 24, std::string(24, 'x'));
  EXPECT_STATUS(all, 201);
  if (is_reference()) return;
  EXPECT_EQ(granted.body,
            "\xa2\x6c"
            "already-have\xd9\x01\x02\x80\x69"
            "allocated\xd9\x01\x02\x82\x01\x07");
  EXPECT_EQ(some.body,
            "\xa1\x68required\x81\xa2\x65"
            "begin\x18\x18\x63"
            "end\x18\x30");
  EXPECT_EQ(all.body, "\xa1\x68required\x80");
  EXPECT_EQ(client_.list(Kind::immutable, index).body, "\xd9\x01\x02\x81\x07");
  EXPECT_EQ(client_.list(Kind::immutable, new_index()).body, "\xd9\x01\x02\x80");
}

TEST_P(ImmutableHTTPAPITests, test_write_with_wrong_upload_key) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.write(index, 1, 0, "0123456789", "not the secret"), 401);
  EXPECT_STATUS(client_.write(index, 1, 0, "0123456789"), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "0123456789");
}

TEST_P(ImmutableHTTPAPITests, test_allocate_buckets_second_time_different_shares) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.allocate(index, {1, 2, 3}, 100, with_upload_secret("first")),
              allocated({}, {1, 2, 3}));
  EXPECT_CBOR(client_.allocate(index, {1, 4, 6}, 100, with_upload_secret("second")),
              allocated({}, {4, 6}));
  const std::string data = pattern_text(100);
  EXPECT_STATUS(client_.write(index, 1, 0, data, "second"), 401);
  EXPECT_STATUS(client_.write(index, 1, 0, data, "first"), 201);
  EXPECT_STATUS(client_.write(index, 4, 0, data, "second"), 201);
  EXPECT_CBOR(client_.allocate(index, {1, 2, 9}, 100), allocated({1, 4}, {9}));
}

TEST_P(ImmutableHTTPAPITests, a_repeated_allocate_does_not_repeat_its_answer) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.allocate(index, {0, 1}, 10), allocated({}, {0, 1}));
  EXPECT_CBOR(client_.allocate(index, {0, 1}, 10), allocated({}, {}));
  EXPECT_CBOR(client_.allocate(index, {0, 1}, 99), allocated({}, {}));
  EXPECT_CBOR(client_.allocate(index, {}, 10), allocated({}, {}));
}

TEST_P(ImmutableHTTPAPITests, already_have_lists_all_finished_shares) {
  const std::string index = new_index();
  store(index, 5, "abc");
  EXPECT_CBOR(client_.allocate(index, {1}, 3), allocated({5}, {1}));
  // Whatever size is asked for now.
  EXPECT_CBOR(client_.allocate(index, {5}, 99), allocated({5}, {}));
  EXPECT_CBOR(client_.allocate(index, {}, 99), allocated({5}, {}));
}

TEST_P(ImmutableHTTPAPITests, more_than_there_is_room_for_is_not_allocated) {
  EXPECT_CBOR(client_.allocate(new_index(), {1}, UINT64_MAX), allocated({}, {}));
  EXPECT_CBOR(client_.allocate(new_index(), {1}, std::uint64_t{1} << 62), allocated({}, {}));
}

TEST_P(ImmutableHTTPAPITests, an_upload_of_nothing_never_ends) {
  const std::string index = new_index();
  EXPECT_CBOR(client_.allocate(index, {1}, 0), allocated({}, {1}));
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({}));
  const Answer beyond = client_.write(index, 1, 0, "x");
  EXPECT_STATUS_OR(beyond, 416, 500);
  EXPECT_STATUS(client_.abort(index, 1), 200);
}

TEST_P(ImmutableHTTPAPITests, allocate_refuses_bad_bodies) {
  const Value size = uint(1);
  const auto keyed = [](const Value& numbers, const Value& size_value) {
    return map({{text("share-numbers"), numbers}, {text("allocated-size"), size_value}}).encode();
  };
  const Value negative{Value::Kind::negative, 0, {}, {}};
  for (const std::string& body : {
           std::string(),
           std::string("garbage"),
           map({}).encode(),
           keyed(array({uint(1)}), size),
           keyed(set({1}), negative),
           keyed(set({1}), text("1")),
           keyed(tagged(258, array({negative})), size),
           keyed(tagged(258, array({text("1")})), size),
           keyed(set({1}), tagged(2, text("x"))),
           map({{text("share-numbers"), set({1})}}).encode(),
           map({{bytes("share-numbers"), set({1})}, {bytes("allocated-size"), size}}).encode(),
       }) {
    EXPECT_STATUS(client_.allocate_body(new_index(), body), 400);
  }
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t n = 0; n < 256; ++n) numbers.push_back(n);
  EXPECT_STATUS(client_.allocate_body(new_index(), keyed(set(numbers), size)), 200);
  numbers.push_back(256);
  EXPECT_STATUS(client_.allocate_body(new_index(), keyed(set(numbers), size)), 400);
  EXPECT_STATUS(client_.allocate_body(new_index(), std::string(8193, '\0')), 413);
}

TEST_P(ImmutableHTTPAPITests, test_list_shares) {
  const std::string index = new_index();
  client_.allocate(index, {1, 2, 3}, 4);
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({}));
  client_.write(index, 1, 0, "abcd");
  client_.write(index, 2, 0, "ab");
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({1}));
  client_.write(index, 3, 0, "abcd");
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({1, 3}));
  const Answer head = client_.request("HEAD", Client::slot(Kind::immutable, index) + "/shares");
  EXPECT_STATUS(head, 200);
}

TEST_P(ImmutableHTTPAPITests, test_list_shares_unknown_storage_index) {
  EXPECT_CBOR(client_.list(Kind::immutable, new_index()), set({}));
}

TEST_P(ImmutableHTTPAPITests, test_upload_bad_content_range) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  for (const char* bad : {"not a valid content-range header", "bytes -1-9/10", "bytes 0--9/10",
                          "teapots 0-9/10", "bytes 0-9", "Bytes 0-9/10", "bytes 9-0/10",
                          "bytes 0-9/x", "", "bytes=0-9/10", "bytes 0-9/-1"}) {
    const Answer answer = client_.write_range(index, 1, bad, "0123456789");
    EXPECT_EQ(answer.status, 416) << bad;
    EXPECT_EQ(answer.body, "") << bad;
  }
  const Answer none = client_.request("PATCH", Client::slot(Kind::immutable, index) + "/1",
                                      {secret_header("upload-secret", Secrets().upload)}, "x");
  EXPECT_STATUS(none, 416);
  EXPECT_STATUS_OR(client_.write_range(index, 1, "bytes */10", "0123456789"), 416, 500);
  // The range is looked at before the secret and the share.
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 0-9", "0123456789", "wrong"), 416);
  EXPECT_STATUS(client_.write_range(new_index(), 1, "bytes 0-9", "0123456789"), 416);
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 0-9/10", "0123456789"), 201);
}

TEST_P(ImmutableHTTPAPITests, the_total_of_a_content_range_does_not_matter) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 0-1/2", "01"), 200);
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 2-3/99999999999999999999999", "23"), 200);
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 4-5/*", "45"), 200);
  EXPECT_STATUS(client_.write_range(index, 1, "bytes 6-9/10", "6789"), 201);
}

TEST_P(ImmutableHTTPAPITests, test_upload_non_existent_storage_index) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.write(new_index(), 1, 0, "x"), 404);
  EXPECT_STATUS(client_.write(index, 7, 0, "x"), 404);
  EXPECT_STATUS(
      client_.request("PATCH", Client::slot(Kind::immutable, index) + "/" + std::string(30, '9'),
                      {secret_header("upload-secret", "x"), {"Content-Range", "bytes 0-0/*"}}, "x"),
      404);
}

TEST_P(ImmutableHTTPAPITests, a_finished_share_takes_no_writes) {
  const std::string index = new_index();
  store(index, 1, "0123456789");
  EXPECT_STATUS(client_.write(index, 1, 0, "0123456789"), 404);
  EXPECT_STATUS(client_.write(index, 1, 0, "x", "another"), 404);
}

TEST_P(ImmutableHTTPAPITests, test_multiple_shares_uploaded_to_different_place) {
  const std::string first = new_index();
  const std::string second = new_index();
  store(first, 1, "first one");
  store(first, 10, "first ten");
  store(second, 1, "second one");
  EXPECT_EQ(client_.read(Kind::immutable, first, 1).body, "first one");
  EXPECT_EQ(client_.read(Kind::immutable, first, 10).body, "first ten");
  EXPECT_EQ(client_.read(Kind::immutable, second, 1).body, "second one");
  EXPECT_STATUS(client_.read(Kind::immutable, second, 10), 404);
}

TEST_P(ImmutableHTTPAPITests, test_mismatching_upload_fails) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 100);
  EXPECT_STATUS(client_.write(index, 1, 0, std::string(10, '1')), 200);
  const Answer conflict = client_.write(index, 1, 5, std::string(20, '2'));
  EXPECT_STATUS(conflict, 409);
  EXPECT_EQ(conflict.body, "");
  EXPECT_STATUS(client_.write(index, 1, 0, std::string(10, '1')), 200);
}

TEST_P(ImmutableHTTPAPITests, a_body_shorter_than_its_range) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS_OR(client_.write_range(index, 1, "bytes 0-9/10", "012345"), 400, 500);
  // What came stays, and is compared with what comes later.
  EXPECT_CBOR(client_.write(index, 1, 6, "6"), required({{7, 10}}));
  EXPECT_STATUS(client_.write(index, 1, 0, "x"), 409);
}

TEST_P(ImmutableHTTPAPITests, a_body_longer_than_its_range) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_CBOR(client_.write_range(index, 1, "bytes 0-4/10", "0123456789"), required({{5, 10}}));
  EXPECT_STATUS(client_.write(index, 1, 5, "abcde"), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "01234abcde");
}

TEST_P(ImmutableHTTPAPITests, a_range_beyond_the_share) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS_OR(client_.write(index, 1, 5, "0123456789"), 416, 500);
  EXPECT_STATUS_OR(client_.write(index, 1, 10, "x"), 416, 500);
  if (!is_reference()) {
    EXPECT_CBOR(client_.write(index, 1, 0, "01234"), required({{5, 10}}));
  }
}

TEST_P(ImmutableHTTPAPITests, test_abort_upload_allows_reupload) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  client_.write(index, 1, 0, "abc");
  EXPECT_STATUS(client_.abort(index, 1), 200);
  EXPECT_STATUS(client_.write(index, 1, 3, "def"), 404);
  EXPECT_STATUS(client_.abort(index, 1), 404);
  EXPECT_CBOR(client_.allocate(index, {1}, 5, with_upload_secret("again")), allocated({}, {1}));
  EXPECT_STATUS(client_.write(index, 1, 0, "other", "again"), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "other");
}

TEST_P(ImmutableHTTPAPITests, test_unknown_aborts) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.abort(new_index(), 1), 404);
  EXPECT_STATUS(client_.abort(index, 2), 404);
}

TEST_P(ImmutableHTTPAPITests, test_unauthorized_abort) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  EXPECT_STATUS(client_.write(index, 1, 0, "01234"), 200);
  EXPECT_STATUS(client_.abort(index, 1, "another"), 401);
  EXPECT_STATUS(client_.write(index, 1, 5, "56789"), 201);
}

TEST_P(ImmutableHTTPAPITests, test_too_late_abort) {
  const std::string index = new_index();
  store(index, 1, "0123456789");
  EXPECT_STATUS(client_.abort(index, 1), 405);
  EXPECT_STATUS(client_.abort(index, 1, "another"), 405);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "0123456789");
  EXPECT_CBOR(client_.list(Kind::immutable, index), set({1}));
}

TEST_P(ImmutableHTTPAPITests, test_timed_out_upload_allows_reupload) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  client_.write(index, 1, 0, "abc");
  inside()->advance(std::chrono::minutes(30) + std::chrono::seconds(1));
  EXPECT_STATUS(client_.write(index, 1, 3, "def"), 404);
  EXPECT_CBOR(client_.allocate(index, {1}, 5), allocated({}, {1}));
  EXPECT_STATUS(client_.write(index, 1, 0, "other"), 201);
}

TEST_P(ImmutableHTTPAPITests, every_write_restarts_the_timer) {
  SKIP_UNLESS_INSIDE();
  const std::string index = new_index();
  client_.allocate(index, {1}, 10);
  for (int i = 0; i < 4; ++i) {
    inside()->advance(std::chrono::minutes(29));
    EXPECT_STATUS(client_.write(index, 1, static_cast<std::uint64_t>(i), "x"), 200);
  }
  inside()->advance(std::chrono::minutes(29));
  EXPECT_STATUS(client_.write(index, 1, 0, "y"), 409);  // no accepted write
  inside()->advance(std::chrono::minutes(2));
  EXPECT_STATUS(client_.write(index, 1, 4, "x"), 404);
}

TEST_P(ImmutableHTTPAPITests, space_of_uploads_is_promised_and_given_back) {
  SKIP_UNLESS_INSIDE();
  const SpaceReport space = inside()->space();
  const std::uint64_t most = space.available_bytes * 2 / 3;
  const std::string first = new_index();
  const std::string second = new_index();
  if (most > space.max_immutable_bytes) GTEST_SKIP() << "one share cannot fill the backend";
  EXPECT_CBOR(client_.allocate(first, {1}, most), allocated({}, {1}));
  EXPECT_CBOR(client_.allocate(second, {1}, most), allocated({}, {}));
  EXPECT_STATUS(client_.abort(first, 1), 200);
  EXPECT_CBOR(client_.allocate(second, {1}, most), allocated({}, {1}));
}

TEST_P(ImmutableHTTPAPITests, a_large_share_in_large_pieces) {
  const std::string index = new_index();
  const std::string data = pattern_text(5'000'000);
  ASSERT_EQ(client_.allocate(index, {0}, data.size()).status, 200);
  EXPECT_STATUS(client_.write(index, 0, 2'500'000, data.substr(2'500'000)), 200);
  EXPECT_STATUS(client_.write(index, 0, 0, data.substr(0, 2'500'000)), 201);
  EXPECT_TRUE(client_.read(Kind::immutable, index, 0).body == data);
  const Answer part = client_.read(Kind::immutable, index, 0, "bytes=1000000-4000000");
  EXPECT_TRUE(part.body == data.substr(1'000'000, 3'000'001));
}

TEST_P(ImmutableHTTPAPITests, pieces_before_a_conflict_stay) {
  const std::string index = new_index();
  const std::size_t size = 2'000'000;
  client_.allocate(index, {0}, size);
  EXPECT_STATUS(client_.write(index, 0, size - 1, "x"), 200);
  EXPECT_STATUS(client_.write(index, 0, 0, std::string(size, 'y')), 409);
  // The first bytes came in a piece before the one that differed.
  EXPECT_STATUS(client_.write(index, 0, 0, "z"), 409);
}

}  // namespace sharestore::protocol_test
