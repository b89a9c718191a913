// Objects in parts: what is left behind, and what a lost answer means.
#include <gtest/gtest.h>

#include <vector>

#include "backends/s3/encoding.h"
#include "tests/backends/s3/s3_test_base.h"

namespace sharestore::s3 {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeS3;
using End = FakeReply::End;

constexpr const char* kKey = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1";

class MultipartTest : public S3Test {
 protected:
  Multipart begin() {
    auto begun = run(container().begin_multipart(context(), kKey));
    EXPECT_TRUE(begun) << words(begun);
    return begun ? *begun : Multipart{};
  }
  std::vector<MultipartPart> send_parts(const Multipart& upload, int count = 3) {
    std::vector<MultipartPart> parts;
    for (int i = 1; i <= count; ++i) {
      const std::string text(i < count ? fake.min_part_bytes : 7, static_cast<char>('a' + i));
      auto part = run(container().upload_part(context(), upload, static_cast<std::uint32_t>(i),
                                              memory_source(Bytes::copy_of(text))));
      EXPECT_TRUE(part) << words(part);
      if (part) parts.push_back(*part);
    }
    return parts;
  }
  Result<ObjectInfo> complete(const Multipart& upload, std::vector<MultipartPart> parts,
                              PutCondition condition = {}) {
    return run(container().complete_multipart(context(), upload, std::move(parts), condition));
  }
};

TEST_F(MultipartTest, JoinsPartsSentInAnyOrder) {
  const Multipart upload = begin();
  const auto third =
      run(container().upload_part(context(), upload, 3, memory_source(Bytes::copy_of("tail"))));
  ASSERT_TRUE(third);
  auto parts = send_parts(upload, 3);
  EXPECT_EQ(get(kKey), "<not_found>") << "W1: nothing is visible before it is whole";
  const auto made = complete(upload, parts);
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->size_bytes, 2 * fake.min_part_bytes + 7);
  EXPECT_TRUE(made->etag.ends_with("-3"));
  EXPECT_EQ(get(kKey).size(), made->size_bytes);
  EXPECT_EQ(store().uploads(), 0u);
}

TEST_F(MultipartTest, SaysWhatIsWrongWithParts) {
  const Multipart upload = begin();
  auto parts = send_parts(upload);
  std::swap(parts[0], parts[1]);
  EXPECT_EQ(complete(upload, parts).error().code(), Errc::invalid_argument) << "unsorted";
  std::swap(parts[0], parts[1]);
  parts[2].etag = parts[1].etag;
  EXPECT_EQ(complete(upload, parts).error().code(), Errc::conflict) << "another part";
  ASSERT_TRUE(run(container().upload_part(context(), upload, 4,
                                          memory_source(Bytes::copy_of("after a short one")))));
  parts[2].etag = hex(md5(std::string(7, 'd')));
  parts.push_back({4, hex(md5("after a short one")), 17});
  EXPECT_EQ(complete(upload, parts).error().code(), Errc::invalid_argument) << "a small part";
  EXPECT_EQ(store().uploads(), 1u);
}

// The reply is lost after the store has joined the parts: its repetition hears NoSuchUpload.
TEST_F(MultipartTest, SettlesALostCompletionByLooking) {
  const Multipart upload = begin();
  const auto parts = send_parts(upload);
  lose_answer("POST");
  const auto made = complete(upload, parts);
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->size_bytes, 2 * fake.min_part_bytes + 7);
  EXPECT_EQ(store().count("POST"), 3u) << "begun, completed, and completed again";
}

TEST_F(MultipartTest, DoesNotTakeAnotherObjectForItsOwn) {
  const Multipart upload = begin();
  const auto parts = send_parts(upload);
  ASSERT_TRUE(run(container().abort_multipart(context(), upload)));
  store().put_object(kKey, std::string(2 * fake.min_part_bytes + 7, 'x'));
  const auto made = complete(upload, parts);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::not_found);
  EXPECT_TRUE(made.error().outcome_known()) << "the store knows no such upload and another object";
}

TEST_F(MultipartTest, LeavesTheOutcomeOpenWhenNobodyAnswers) {
  const Multipart upload = begin();
  const auto parts = send_parts(upload);
  store().afterwards = [](const FakeRequest&, FakeReply& reply) { reply.end = End::reset; };
  const auto made = complete(upload, parts);
  ASSERT_FALSE(made);
  EXPECT_FALSE(made.error().outcome_known());
}

// 200, and an error in the body: as Amazon says when it fails after it has begun to answer.
TEST_F(MultipartTest, Notices200WithAnError) {
  options.retry.max_attempts = 2;
  const Multipart upload = begin();
  const auto parts = send_parts(upload);
  FakeReply failed = FakeS3::error(200, "InternalError");
  answer_instead(1, failed);
  const auto made = complete(upload, parts);
  EXPECT_TRUE(made) << "asked again: " << words(made);
  const Multipart second = begin();
  const auto second_parts = send_parts(second);
  answer_instead(2, failed);
  const auto refused = complete(second, second_parts);
  EXPECT_TRUE(refused) << "an equal object is there: " << words(refused);
  store().remove_object(kKey);
  answer_instead(2, failed);
  const auto unknown = complete(second, second_parts);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Errc::unavailable);
  EXPECT_FALSE(unknown.error().outcome_known());
}

TEST_F(MultipartTest, CompletesUnderConditions) {
  store().put_object(kKey, "there before");
  const Multipart upload = begin();
  const auto parts = send_parts(upload);
  const auto refused = complete(upload, parts, {.if_absent = true, .if_match = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::conflict);
  EXPECT_TRUE(refused.error().outcome_known());
  EXPECT_TRUE(complete(upload, parts, {.if_absent = false, .if_match = hex(md5("there before"))}));
}

// W11: parts that were on their way when the upload was aborted do not stay.
TEST_F(MultipartTest, AbortsUntilNothingIsLeft) {
  const Multipart upload = begin();
  send_parts(upload);
  int refused = 2;
  store().instead = [&](const FakeRequest& request) -> std::optional<FakeReply> {
    if (request.method != "DELETE" || refused-- <= 0) return std::nullopt;
    FakeReply done;
    done.status = 204;
    return done;
  };
  EXPECT_TRUE(run(container().abort_multipart(context(), upload)));
  EXPECT_EQ(store().uploads(), 0u);
  EXPECT_EQ(store().count("DELETE"), 3u);
  EXPECT_TRUE(run(container().abort_multipart(context(), upload))) << "an unknown one is gone";
}

TEST_F(MultipartTest, GivesUpOnAStoreThatKeepsTheUpload) {
  const Multipart upload = begin();
  store().instead = [](const FakeRequest& request) -> std::optional<FakeReply> {
    if (request.method != "DELETE") return std::nullopt;
    FakeReply done;
    done.status = 204;
    return done;
  };
  EXPECT_EQ(run(container().abort_multipart(context(), upload)).error().code(), Errc::io_error);
  EXPECT_EQ(store().count("DELETE"), static_cast<std::size_t>(kMaxAborts));
}

// A lost answer makes a second upload; the sweep finds both.
TEST_F(MultipartTest, ListsWhatWasLeft) {
  fake.page_size = 2;
  lose_answer("POST");
  const Multipart upload = begin();
  EXPECT_EQ(store().uploads(), 2u);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(
        run(container().begin_multipart(context(), "node-a/shares/bb/x/" + std::to_string(i))));
  }
  ASSERT_TRUE(run(container().begin_multipart(context(), "node-b/shares/bb/x/0")));
  auto found = run(container().list_multiparts(context(), "node-a/shares/", 1000));
  ASSERT_TRUE(found) << words(found);
  EXPECT_EQ(found->size(), 6u);
  const auto some = run(container().list_multiparts(context(), "node-a/shares/", 3));
  ASSERT_TRUE(some);
  EXPECT_EQ(some->size(), 3u);
  for (const Multipart& left : *found) {
    EXPECT_TRUE(run(container().abort_multipart(context(), left)));
  }
  EXPECT_EQ(store().uploads(), 1u) << "another node's stays";
}

}  // namespace
}  // namespace sharestore::s3
