// Every operation of a bucket, over a store that refuses what is not exactly right.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/core/temporary_file.h"
#include "backends/s3/encoding.h"
#include "tests/backends/s3/s3_test_base.h"

namespace sharestore::s3 {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeS3;
using test::FakeS3Options;

class Container : public S3Test {};

constexpr const char* kShare = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1";

TEST_F(Container, PutsGetsAndRemoves) {
  ASSERT_TRUE(open());
  const auto made = put(kShare, "0123456789");
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->etag, hex(md5("0123456789")));
  EXPECT_EQ(store().object(kShare), "0123456789");
  EXPECT_EQ(get(kShare), "0123456789");
  EXPECT_EQ(get(kShare, 2, 3), "234");
  EXPECT_EQ(get(kShare, 8, 100), "89");
  EXPECT_EQ(get(kShare, 10, 5), "");
  EXPECT_EQ(get(kShare, 1000, 5), "");
  const auto info = head(kShare);
  ASSERT_TRUE(info) << words(info);
  EXPECT_EQ(info->size_bytes, 10u);
  EXPECT_EQ(info->etag, made->etag);
  EXPECT_EQ(info->modified_at, SkippingClock::kStart);
  EXPECT_TRUE(remove(kShare));
  EXPECT_EQ(get(kShare), "<not_found>");
  EXPECT_EQ(head(kShare).error().code(), Errc::not_found);
  // W26: what is not there is removed.
  EXPECT_TRUE(remove(kShare));
}

TEST_F(Container, HoldsAnEmptyObject) {
  ASSERT_TRUE(put(kShare, ""));
  EXPECT_EQ(get(kShare), "");
  EXPECT_EQ(get(kShare, 0, 10), "");
  ASSERT_TRUE(head(kShare));
  EXPECT_EQ(head(kShare)->size_bytes, 0u);
}

TEST_F(Container, PutsFromAFile) {
  const TempDir directory;
  auto file = TemporaryFile::create(directory.path());
  ASSERT_TRUE(file);
  std::string content(1'000'003, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 11 / 3);
  ASSERT_TRUE((*file)->write(0, as_byte_span(content)));
  const auto made =
      run(container().put(context(), kShare, file_source(*file, 0, content.size()), {}));
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(get(kShare), content);
}

TEST_F(Container, WorksBelowTheBucketsHostName) {
  options.config.addressing = S3Config::Addressing::virtual_host;
  host = "localhost";  // which has names below it
  ASSERT_TRUE(put(kShare, "x"));
  EXPECT_EQ(get(kShare), "x");
  EXPECT_EQ(store().log().back(), std::string("GET /") + kShare);
  forget_container();
  options.config.signature = S3Config::Signature::v2;
  EXPECT_EQ(get(kShare), "x");
}

// Version 2 for stores that want it, with the tokens of DevPay signed in it.
TEST_F(Container, SignsWithVersion2) {
  options.config.signature = S3Config::Signature::v2;
  options.config.devpay_user_token = Secret("USER");
  options.config.devpay_product_token = Secret("PRODUCT");
  fake.token = "USER,PRODUCT";
  ASSERT_TRUE(open());
  ASSERT_TRUE(put(kShare, "x"));
  EXPECT_EQ(get(kShare), "x");
  const auto upload = run(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload) << words(upload);
  EXPECT_TRUE(run(container().abort_multipart(context(), *upload)));
  EXPECT_TRUE(remove(kShare));
}

TEST_F(Container, SendsTokensWithVersion4) {
  options.config.devpay_user_token = Secret("USER");
  fake.token = "USER";
  ASSERT_TRUE(put(kShare, "x"));
  forget_container();
  options.config.devpay_user_token = Secret();
  options.config.session_token = Secret("TEMPORARY");
  store().set([](FakeS3Options& now) { now.token = "TEMPORARY"; });
  ASSERT_TRUE(put(kShare, "x"));
}

TEST_F(Container, LeavesThePayloadUnsignedOverTlsOnly) {
  options.config.payload = S3Config::Payload::unsigned_payload;
  ASSERT_TRUE(put(kShare, "signed all the same, the store insists"));
}

TEST_F(Container, TrustsTheFileItIsGiven) {
  fake.tls = true;
  options.config.payload = S3Config::Payload::unsigned_payload;
  std::string payload;
  store().instead = [&](const FakeRequest& request) -> std::optional<FakeReply> {
    payload = request.header("x-amz-content-sha256");
    return std::nullopt;
  };
  ASSERT_TRUE(put(kShare, "x"));
  EXPECT_EQ(payload, "UNSIGNED-PAYLOAD");
}

TEST_F(Container, SendsStorageClassAndEncryption) {
  options.config.storage_class = "STANDARD_IA";
  options.config.server_side_encryption = "aws:kms";
  std::vector<std::string> seen;
  store().instead = [&](const FakeRequest& request) -> std::optional<FakeReply> {
    seen.push_back(request.method + " " + request.header("x-amz-storage-class") + " " +
                   request.header("x-amz-server-side-encryption"));
    return std::nullopt;
  };
  // Keys of the store's own make tags of its own.
  store().afterwards = [](const FakeRequest& request, FakeReply& reply) {
    if (request.method != "PUT") return;
    reply.headers = {{"ETag", "\"00000000000000000000000000000000\""},
                     {"x-amz-server-side-encryption", "aws:kms"}};
  };
  ASSERT_TRUE(put(kShare, "x"));
  const auto upload = run(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload);
  ASSERT_TRUE(
      run(container().upload_part(context(), *upload, 1, memory_source(Bytes::copy_of("part")))));
  EXPECT_EQ(get(kShare), "x");
  EXPECT_EQ(seen, (std::vector<std::string>{"PUT STANDARD_IA aws:kms", "POST STANDARD_IA aws:kms",
                                            "PUT  ", "GET  "}));
}

// --- conditions -------------------------------------------------------------------------------

TEST_F(Container, LearnsWhetherConditionsAreHonoured) {
  ASSERT_TRUE(open());
  EXPECT_TRUE(container().traits().put_if_absent);
  EXPECT_TRUE(container().traits().put_if_match);
  EXPECT_TRUE(store().keys().empty()) << "the trial leaves nothing";
  forget_container();
  store().set([](FakeS3Options& now) { now.conditions = false; });
  ASSERT_TRUE(open());
  EXPECT_FALSE(container().traits().put_if_absent);
  EXPECT_FALSE(container().traits().put_if_match);
  EXPECT_TRUE(store().keys().empty());
}

// radosgw takes the quotes of a tag for a part of it.
TEST_F(Container, LearnsInWhichFormAStoreWantsTags) {
  fake.literal_if_match = true;
  ASSERT_TRUE(open());
  EXPECT_TRUE(container().traits().put_if_match);
  EXPECT_TRUE(store().keys().empty());
  const auto first = put(kShare, "one");
  ASSERT_TRUE(first) << words(first);
  EXPECT_TRUE(put(kShare, "two", {.if_absent = false, .if_match = first->etag}));
  EXPECT_FALSE(put(kShare, "three", {.if_absent = false, .if_match = first->etag}));
  EXPECT_EQ(get(kShare), "two");
}

// W3, W16: two writers cannot both win.
TEST_F(Container, PutsUnderConditions) {
  const auto first = put(kShare, "one", {.if_absent = true, .if_match = {}});
  ASSERT_TRUE(first) << words(first);
  const auto second = put(kShare, "two", {.if_absent = true, .if_match = {}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::conflict);
  EXPECT_TRUE(second.error().outcome_known());
  EXPECT_TRUE(put(kShare, "three", {.if_absent = false, .if_match = first->etag}));
  const auto late = put(kShare, "four", {.if_absent = false, .if_match = first->etag});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Errc::conflict);
  EXPECT_EQ(get(kShare), "three");
}

// The repetition of a put whose answer was lost finds its own condition broken.
TEST_F(Container, RecognisesItsOwnObjectBehindARefusedCondition) {
  lose_answer("PUT");
  const auto made = put(kShare, "mine", {.if_absent = true, .if_match = {}});
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->etag, hex(md5("mine")));
  EXPECT_EQ(store().count("PUT"), 2u);
}

// --- listings ---------------------------------------------------------------------------------

// W2, W12: page by page, and /1 is not /10.
TEST_F(Container, ListsPageByPage) {
  fake.page_size = 2;
  std::vector<std::string> all;
  for (int i = 0; i < 7; ++i) {
    all.push_back("node-a/shares/aa/" + std::to_string(i));
    store().put_object(all.back(), "x");
  }
  store().put_object("node-b/shares/aa/0", "another node's");
  store().put_object("node-a/sharesaa", "not below the folder");
  std::vector<std::string> found;
  std::string after;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = run(container().list(context(), "node-a/shares/", after, 1000));
    ASSERT_TRUE(page) << words(page);
    EXPECT_LE(page->objects.size(), 2u);
    for (const ObjectInfo& object : page->objects) found.push_back(object.key);
    if (!page->more) break;
    after = page->objects.back().key;
  }
  EXPECT_EQ(found, all);
}

// W27: what others have put there has any name.
TEST_F(Container, ListsNamesThatOthersGave) {
  const std::string name = "node-a/shares/a b+c&<\"\xc3\xa9'%41";
  store().put_object(name, "x");
  const auto page = run(container().list(context(), "node-a/", "", 10));
  ASSERT_TRUE(page) << words(page);
  EXPECT_EQ(page->objects.at(0).key, name);
  EXPECT_TRUE(remove(name));
  EXPECT_TRUE(store().keys().empty());
}

TEST_F(Container, FallsBackToListingVersion1) {
  fake.only_list_version_1 = true;
  fake.page_size = 2;
  for (const char* key : {"node-a/1", "node-a/2", "node-a/3"}) store().put_object(key, "x");
  const auto first = run(container().list(context(), "node-a/", "", 10));
  ASSERT_TRUE(first) << words(first);
  EXPECT_TRUE(first->more);
  const auto second = run(container().list(context(), "node-a/", "node-a/2", 10));
  ASSERT_TRUE(second) << words(second);
  ASSERT_EQ(second->objects.size(), 1u);
  EXPECT_EQ(second->objects[0].key, "node-a/3");
  EXPECT_EQ(store().log().size(), 3u) << "found out once";
}

TEST_F(Container, NoticesAListingThatDoesNotAdvance) {
  store().put_object("node-a/1", "x");
  store().put_object("node-a/2", "x");
  store().instead = [](const FakeRequest&) {
    FakeReply again;
    again.body =
        "<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated><Contents>"
        "<Key>node-a/1</Key><Size>1</Size></Contents></ListBucketResult>";
    return std::optional(again);
  };
  EXPECT_TRUE(run(container().list(context(), "node-a/", "", 10)));
  EXPECT_EQ(run(container().list(context(), "node-a/", "node-a/1", 10)).error().code(),
            Errc::io_error);
  store().instead = [](const FakeRequest&) {
    FakeReply empty;
    empty.body =
        "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>true</IsTruncated></"
        "ListBucketResult>";
    return std::optional(empty);
  };
  EXPECT_EQ(run(container().list(context(), "node-a/", "", 10)).error().code(), Errc::io_error);
}

// --- versioned buckets ------------------------------------------------------------------------

// W2 again: the versions of /10 stay when /1 goes.
TEST_F(Container, ReallyRemovesInAVersionedBucket) {
  fake.versioned = true;
  fake.page_size = 2;
  ASSERT_TRUE(open());
  EXPECT_TRUE(container().traits().versioned);
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(put("node-a/1", text));
  ASSERT_TRUE(put("node-a/10", "another"));
  ASSERT_TRUE(remove("node-a/1"));
  EXPECT_EQ(get("node-a/1"), "<not_found>");
  EXPECT_EQ(get("node-a/10"), "another");
  EXPECT_EQ(store().versions(), 1u);
}

TEST_F(Container, FindsOutThatABucketIsVersionedWhenItMayNotAsk) {
  fake.versioned = true;
  store().instead = [](const FakeRequest& request) -> std::optional<FakeReply> {
    if (!request.has_parameter("versioning")) return std::nullopt;
    return FakeS3::error(403, "AccessDenied");
  };
  ASSERT_TRUE(open());
  ASSERT_TRUE(put("node-a/1", "one"));
  ASSERT_TRUE(remove("node-a/1"));
  EXPECT_EQ(store().versions(), 0u);
}

// --- the bucket itself ------------------------------------------------------------------------

// W33: created when asked for, never silently.
TEST_F(Container, IsCreatedOnlyWhenAskedFor) {
  fake.bucket_is_there = false;
  fake.region = "eu-west-1";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::not_found);
  EXPECT_NE(words(opened).find("admin create-container"), std::string::npos) << words(opened);
  EXPECT_EQ(get("node-a/1"), "<unavailable>") << "without the bucket nothing is known of a share";
  EXPECT_EQ(head("node-a/1").error().code(), Errc::unavailable);
  EXPECT_EQ(remove("node-a/1").error().code(), Errc::unavailable);
  ASSERT_TRUE(run(container().create(context())));
  EXPECT_TRUE(open());
  EXPECT_EQ(run(container().create(context())).error().code(), Errc::already_exists);
}

TEST_F(Container, TellsABucketOfSomebodyElse) {
  answer_instead(1, FakeS3::error(409, "BucketAlreadyExists"));
  const auto made = run(container().create(context()));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::forbidden);
  EXPECT_NE(words(made).find("somebody else"), std::string::npos) << words(made);
}

TEST_F(Container, TellsHowItIs) {
  EXPECT_TRUE(container().status().health.ok);
  EXPECT_FALSE(container().status().clock_known);
  ASSERT_TRUE(put(kShare, "x"));
  EXPECT_TRUE(container().status().clock_known);
  EXPECT_LE(std::abs(container().status().clock_offset_seconds), 1);
  options.retry.max_attempts = 1;
  forget_container();
  answer_instead(1, FakeS3::error(403, "SignatureDoesNotMatch"));
  EXPECT_FALSE(put(kShare, "x"));
  EXPECT_FALSE(container().status().health.ok);
  EXPECT_NE(container().status().health.sentence.find("private/s3secret"), std::string::npos);
  EXPECT_TRUE(put(kShare, "x"));
  EXPECT_TRUE(container().status().health.ok);
}

}  // namespace
}  // namespace sharestore::s3
