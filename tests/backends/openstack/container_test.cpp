// Every operation of a Swift container, over a store that refuses what is not exactly right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/core/temporary_file.h"
#include "tests/backends/openstack/openstack_test_base.h"
#include "tests/support/temp_dir.h"

namespace sharestore::openstack {
namespace {

using Fault = test::FakeSwift::Fault;
using testing::HasSubstr;

class Container : public SwiftTest {};

constexpr const char* kShare = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1";
constexpr const char* kTenth = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/10";

TEST_F(Container, PutsGetsAndRemoves) {
  ASSERT_TRUE(open()) << words(open());
  const auto made = put(kShare, "0123456789");
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->etag, "781e5e245d69b566979b86e28d23f2c7");
  EXPECT_EQ(get(kShare), "0123456789");
  EXPECT_EQ(get(kShare, 2, 3), "234");
  EXPECT_EQ(get(kShare, 8, 100), "89");
  EXPECT_EQ(get(kShare, 10, 5), "");
  EXPECT_EQ(get(kShare, 1000, 5), "");
  const auto info = head(kShare);
  ASSERT_TRUE(info) << words(info);
  EXPECT_EQ(info->size_bytes, 10u);
  EXPECT_EQ(info->etag, made->etag);
  EXPECT_GT(info->modified_at, 0);
  EXPECT_TRUE(remove(kShare));
  EXPECT_EQ(get(kShare), "<not_found>");
  // W26: what is not there is removed.
  EXPECT_TRUE(remove(kShare));
}

TEST_F(Container, HoldsAnEmptyObject) {
  ASSERT_TRUE(put(kShare, ""));
  EXPECT_EQ(get(kShare), "");
  EXPECT_EQ(get(kShare, 0, 10), "");
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
      run_task(container().put(context(), kShare, file_source(*file, 0, content.size()), {}));
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(get(kShare), content);
}

// W2: share 1 and share 10 are different objects, wherever one is asked for.
TEST_F(Container, KeepsShareOneApartFromShareTen) {
  ASSERT_TRUE(put(kShare, "one"));
  ASSERT_TRUE(put_parts(kTenth, {"te", "n"}));
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(get(kTenth), "ten");
}

TEST_F(Container, KeyThatMustBeEncodedStaysItself) {
  config.container = "shares";
  const std::string key = "node-a/state/a.b-c_d";
  ASSERT_TRUE(put(key, "x"));
  EXPECT_TRUE(store.has(key));
}

// W12: Swift gives 10 000 names at most; here two.
TEST_F(Container, ListsPageByPageToTheEnd) {
  store.set_page_size(2);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put("node-a/shares/" + std::to_string(i), "x"));
  ASSERT_TRUE(put("node-a/other", "x"));
  std::vector<std::string> keys;
  std::string after;
  while (true) {
    const auto page = run_task(container().list(context(), "node-a/shares/", after, 1000));
    ASSERT_TRUE(page) << words(page);
    for (const ObjectInfo& object : page->objects) keys.push_back(after = object.key);
    if (!page->more) break;
  }
  EXPECT_THAT(keys, testing::ElementsAre("node-a/shares/0", "node-a/shares/1", "node-a/shares/2",
                                         "node-a/shares/3", "node-a/shares/4"));
}

TEST_F(Container, ListsAMillionObjects) {
  constexpr std::size_t kObjects = 1'000'000;
  store.generate_listing("node-a/shares/", kObjects);
  std::size_t seen = 0;
  std::string after;
  while (true) {
    const auto page = run_task(container().list(context(), "node-a/shares/", after, 10'000));
    ASSERT_TRUE(page) << words(page);
    if (page->objects.empty()) break;
    seen += page->objects.size();
    after = page->objects.back().key;
  }
  EXPECT_EQ(seen, kObjects);
}

TEST_F(Container, AsksForTheNewestWhereItMustBe) {
  ASSERT_TRUE(put(kShare, "old"));
  ASSERT_TRUE(put(kShare, "new"));
  store.stale_reads(true);
  EXPECT_EQ(get(kShare, 0, 0, Freshness::any), "old");
  EXPECT_EQ(get(kShare, 0, 0, Freshness::newest), "new");
}

// W45: a listing that lags hides nothing from whoever asks for the name.
TEST_F(Container, FindsByNameWhatAListingLacks) {
  ASSERT_TRUE(open());
  store.freeze_listing(true);
  ASSERT_TRUE(put(kShare, "new"));
  const auto page = run_task(container().list(context(), "node-a/shares/", "", 1000));
  ASSERT_TRUE(page);
  EXPECT_TRUE(page->objects.empty());
  EXPECT_EQ(get(kShare), "new");
}

// W33: Swift has its own way of making one.
TEST_F(Container, MissingContainerIsNamedAndMade) {
  store.drop_container();
  const Status opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::not_found);
  EXPECT_THAT(opened.error().message(), HasSubstr("no container shares"));
  // Without a container nothing is known of an object: unavailable, never "not there".
  EXPECT_EQ(get(kShare), "<unavailable>");
  EXPECT_EQ(put(kShare, "x").error().code(), Errc::unavailable);
  ASSERT_TRUE(run_task(container().create(context())));
  EXPECT_EQ(run_task(container().create(context())).error().code(), Errc::already_exists);
  EXPECT_EQ(get(kShare), "<not_found>");
}

// --- faults -------------------------------------------------------------------------------------

TEST_F(Container, RepeatsWhatTheStoreCouldNotDo) {
  ASSERT_TRUE(open());
  for (const int status : {408, 429, 497, 498, 500, 502, 503, 504}) {
    store.fail_next(2, "PUT", Fault::status, status);
    ASSERT_TRUE(put(kShare, "text")) << status;
    store.fail_next(2, "GET", Fault::status, status);
    EXPECT_EQ(get(kShare), "text") << status;
  }
}

TEST_F(Container, LostAnswersAndCutBodiesAreRepeated) {
  ASSERT_TRUE(open());
  store.fail_next(1, "PUT", Fault::reply_lost);
  ASSERT_TRUE(put(kShare, "0123456789"));
  // W37: a body that ends early is no answer.
  store.fail_next(2, "GET", Fault::body_cut);
  EXPECT_EQ(get(kShare), "0123456789");
  store.fail_next(1, "DELETE", Fault::reply_lost);
  EXPECT_TRUE(remove(kShare));
}

// Swift says 503 also when one of three copies took a change.
TEST_F(Container, ChangeAnswered503MayHaveHappened) {
  ASSERT_TRUE(open());
  store.fail_next(1000, "PUT", Fault::done_then_503);
  const auto made = put(kShare, "text");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::busy);
  EXPECT_FALSE(made.error().outcome_known());
}

// W15: what the store names as checksum is looked at.
TEST_F(Container, WrongChecksumsAreSeen) {
  ASSERT_TRUE(open());
  store.fail_next(1, "PUT", Fault::wrong_etag);
  const auto made = put(kShare, "text");
  ASSERT_FALSE(made);
  EXPECT_FALSE(made.error().outcome_known());
  store.fail_next(1, "GET", Fault::wrong_etag);
  EXPECT_EQ(get(kShare), "text");
}

TEST_F(Container, QuotaAndSizeLimitsAreTold) {
  ASSERT_TRUE(open());
  store.fail_next(1, "PUT", Fault::status, 413);
  EXPECT_EQ(put(kShare, "x").error().code(), Errc::too_large);
  store.fail_next(1, "PUT", Fault::status, 507);
  EXPECT_EQ(put(kShare, "x").error().code(), Errc::no_space);
  store.fail_next(1, "PUT", Fault::status, 403);
  EXPECT_EQ(put(kShare, "x").error().code(), Errc::forbidden);
}

// --- tokens -------------------------------------------------------------------------------------

TEST_F(Container, RenewsARefusedTokenOnceAndReplays) {
  ASSERT_TRUE(open());
  ASSERT_EQ(store.authentications(), 1u);
  store.refuse_tokens_next(1);
  ASSERT_TRUE(put(kShare, "text"));
  EXPECT_EQ(store.authentications(), 2u);
  // Refused again although new: the account's fault, not the token's.
  store.refuse_tokens_next(2);
  const auto made = put("node-a/state/x", "text");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Errc::unauthorized);
}

// An account without a store must never look like a store without the share.
TEST_F(Container, AccountThatIsRefusedIsNotAMissingObject) {
  config.api_key = Secret("wrong");
  const Status opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::unauthorized);
  EXPECT_THAT(opened.error().message(), HasSubstr("private/openstack_api_key"));
  EXPECT_EQ(get(kShare), "<unauthorized>");
  EXPECT_FALSE(container().status().health.ok);
}

TEST_F(Container, NoIdentityServiceIsNotAMissingObject) {
  config.url.path = "/nowhere/v1.0";
  EXPECT_EQ(get(kShare), "<unavailable>");
}

}  // namespace
}  // namespace sharestore::openstack
