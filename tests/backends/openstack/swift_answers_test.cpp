// What a store's answers mean.
#include "backends/openstack/swift_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sharestore::openstack {
namespace {

using http_client::Effect;
using http_client::HttpResponse;
using http_client::Verdict;

TEST(Listing, IsReadWithManifestsAndTimes) {
  const auto page = parse_listing(
      R"([{"name": "p/a", "bytes": 3, "hash": "h1", "last_modified": "2026-11-20T23:07:32.631150"},
          {"name": "p/b", "bytes": 9, "hash": "h2", "slo_etag": "\"s2\""}])",
      "p/", "");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 2u);
  EXPECT_EQ((*page)[0].etag, "h1");
  EXPECT_EQ((*page)[0].modified_at, 1'795'216'052);
  EXPECT_EQ((*page)[1].etag, "s2");
  EXPECT_EQ((*page)[1].size_bytes, 9u);
}

TEST(Listing, ThatDoesNotGoOnIsRefused) {
  for (const char* body :
       {R"([{"name": "p/b", "bytes": 1}, {"name": "p/a", "bytes": 1}])",
        R"([{"name": "p/a", "bytes": 1}, {"name": "p/a", "bytes": 1}])",
        R"([{"name": "q/a", "bytes": 1}])", R"([{"name": "p/a"}])", R"([{"bytes": 1}])",
        R"([{"name": "p/a", "bytes": -1}])", R"(["p/a"])", R"({"name": "p/a"})", "<html>", ""}) {
    EXPECT_EQ(parse_listing(body, "p/", "").error().code(), Errc::unavailable) << body;
  }
  // The marker itself again: a listing that would never end.
  EXPECT_FALSE(parse_listing(R"([{"name": "p/a", "bytes": 1}])", "p/", "p/a"));
}

TEST(Manifest, IsReadInSwiftsFormAndInTheOneThatWasSent) {
  const std::vector<ManifestSegment> sent{{"/c/s1", "e1", 5}, {"/c/s2", "e2", 6}};
  for (const std::string& body :
       {write_manifest(sent),
        std::string(R"([{"name": "/c/s1", "hash": "e1", "bytes": 5, "content_type": "x"},
                        {"name": "/c/s2", "hash": "e2", "bytes": 6}])")}) {
    const auto read = parse_manifest(body);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 2u);
    EXPECT_EQ((*read)[1].path, "/c/s2");
    EXPECT_EQ((*read)[1].etag, "e2");
    EXPECT_EQ((*read)[1].size_bytes, 6u);
  }
  for (const char* body : {"{}", "[1]", "[{}]", "plain bytes", ""}) {
    EXPECT_FALSE(parse_manifest(body)) << body;
  }
}

TEST(Limits, AreSwiftsOwnWhereTheStoreTellsNone) {
  const SwiftLimits none = parse_limits("<html>");
  EXPECT_TRUE(none.segments);
  EXPECT_FALSE(none.bulk_delete);
  const SwiftLimits told = parse_limits(
      R"({"swift": {"max_file_size": 1000}, "bulk_delete": {"max_deletes_per_request": 20},
          "slo": {"max_manifest_segments": 50, "min_segment_size": 1048576}})");
  EXPECT_EQ(told.max_object_bytes, 1000u);
  EXPECT_EQ(told.max_bulk_deletes, 20u);
  EXPECT_EQ(told.max_segments, 50u);
  EXPECT_EQ(told.min_segment_bytes, 1'048'576u);
  EXPECT_FALSE(parse_limits("{}").segments);
}

TEST(BulkDelete, FailsWhenOneObjectDid) {
  EXPECT_TRUE(parse_bulk_delete(R"({"Response Status": "200 OK", "Errors": []})"));
  EXPECT_FALSE(parse_bulk_delete(
      R"({"Response Status": "400 Bad Request", "Errors": [["/c/a", "409 Conflict"]]})"));
  EXPECT_FALSE(parse_bulk_delete(""));
}

TEST(ContentRange, IsReadExactly) {
  const auto part = parse_content_range("bytes 5-9/30");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->first, 5u);
  EXPECT_EQ(part->last, 9u);
  EXPECT_EQ(part->whole_bytes, 30u);
  EXPECT_EQ(parse_content_range("bytes */30")->whole_bytes, 30u);
  for (const char* text : {"", "bytes 5-9", "bytes 9-5/30", "bytes 5-30/30", "items 1-2/3",
                           "bytes -5/30", "bytes 5-9/x"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

// One row for each status that Swift is known to answer.
TEST(Statuses, MeanWhatSwiftMeansByThem) {
  struct Row {
    int status;
    Errc code;
    Verdict verdict;
    bool outcome_known;
  };
  constexpr Row kRows[] = {
      {403, Errc::forbidden, Verdict::final, true},
      {404, Errc::not_found, Verdict::final, true},
      {408, Errc::unavailable, Verdict::retry, true},
      {409, Errc::conflict, Verdict::final, true},
      {412, Errc::conflict, Verdict::final, true},
      {413, Errc::too_large, Verdict::final, true},
      {422, Errc::unavailable, Verdict::retry, true},
      {429, Errc::busy, Verdict::throttle, true},
      {497, Errc::busy, Verdict::throttle, true},
      {498, Errc::busy, Verdict::throttle, true},
      {499, Errc::unavailable, Verdict::retry, true},
      {500, Errc::unavailable, Verdict::retry, false},
      {503, Errc::busy, Verdict::throttle, false},
      {507, Errc::no_space, Verdict::final, true},
  };
  for (const Row& row : kRows) {
    HttpResponse response;
    response.status = row.status;
    const auto judged = judge_swift(response, Effect::repeatable, "PUT");
    ASSERT_TRUE(judged.error) << row.status;
    EXPECT_EQ(judged.error->code(), row.code) << row.status;
    EXPECT_EQ(judged.verdict, row.verdict) << row.status;
    EXPECT_EQ(judged.error->outcome_known(), row.outcome_known) << row.status;
  }
  HttpResponse quota;
  quota.status = 413;
  quota.body = Bytes::copy_of("Upload exceeds quota.");
  EXPECT_EQ(judge_swift(quota, Effect::repeatable, "PUT").error->code(), Errc::no_space);
  HttpResponse over_limit;
  over_limit.status = 413;
  over_limit.headers = {{"Retry-After", "2"}};
  const auto waits = judge_swift(over_limit, Effect::repeatable, "PUT");
  EXPECT_EQ(waits.error->code(), Errc::busy);
  EXPECT_EQ(waits.verdict, Verdict::throttle);
}

}  // namespace
}  // namespace sharestore::openstack
