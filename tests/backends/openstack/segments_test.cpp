// Large objects: segments, manifests, and what is left of them after crashes and late listings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/openstack/segment_names.h"
#include "tests/backends/openstack/openstack_test_base.h"

namespace sharestore::openstack {
namespace {

using Fault = test::FakeSwift::Fault;

class Segments : public SwiftTest {
 protected:
  std::vector<std::string> segments() {
    std::vector<std::string> keys = store.keys();
    std::erase_if(keys,
                  [](const std::string& key) { return !key.starts_with("node-a/segments/"); });
    return keys;
  }
};

constexpr const char* kShare = "node-a/shares/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1";

TEST(SegmentNames, GoBothWays) {
  const SegmentNames names("node-a/");
  const Multipart upload{kShare, "nonce"};
  EXPECT_EQ(names.part(upload, 7), "node-a/segments/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1/nonce/7");
  EXPECT_EQ(names.mark(upload), "node-a/segments/open/aa/aaaaaaaaaaaaaaaaaaaaaaaaaa/1/nonce");
  for (const char* key : {kShare, "node-a/state/x", "node-a/quarantine/aa/x/1.2"}) {
    const auto read = names.parse_mark(names.mark({key, "n"}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->key, key);
    EXPECT_EQ(read->id, "n");
  }
  EXPECT_EQ(names.upload_of(kShare, names.part(upload, 7))->id, "nonce");
  // Share 10's segments are not share 1's.
  EXPECT_FALSE(names.upload_of(kShare, names.part({std::string(kShare) + "0", "n"}, 1)));
  EXPECT_FALSE(names.parse_mark("node-a/segments/open/"));
  EXPECT_FALSE(names.parse_mark(kShare));
}

TEST_F(Segments, JoinedAndRemovedWithTheirManifest) {
  const auto made = put_parts(kShare, {"abc", "defg", "h"});
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(made->size_bytes, 8u);
  EXPECT_EQ(get(kShare), "abcdefgh");
  EXPECT_EQ(get(kShare, 2, 3), "cde");
  EXPECT_EQ(head(kShare)->size_bytes, 8u);
  EXPECT_EQ(head(kShare)->etag, made->etag);
  EXPECT_EQ(segments().size(), 3u);
  EXPECT_TRUE(unfinished().empty());
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Segments, ReplacedByPartsAndByOnePut) {
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  ASSERT_TRUE(put_parts(kShare, {"c", "d", "e"}));
  EXPECT_EQ(get(kShare), "cde");
  EXPECT_EQ(segments().size(), 3u);
  ASSERT_TRUE(put(kShare, "plain"));
  EXPECT_EQ(get(kShare), "plain");
  EXPECT_TRUE(segments().empty());
}

TEST_F(Segments, RemovedOneByOneWhereThereIsNoBulkDeletion) {
  store.offer_bulk_delete(false);
  ASSERT_TRUE(put_parts(kShare, {"a", "b", "c"}));
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Segments, GoAlsoWhereTheStoreTellsNoManifest) {
  store.tell_manifests(false);
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  forget_container();
  ASSERT_TRUE(put_parts(kShare, {"c", "d", "e"}));
  EXPECT_EQ(get(kShare), "cde");
  EXPECT_EQ(segments().size(), 3u);
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Segments, WithoutANoteGoByTheManifest) {
  store.forget_metadata(true);
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  ASSERT_TRUE(put_parts(kShare, {"c"}));
  EXPECT_EQ(segments().size(), 1u);
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

// Nothing tells what joins it: it is removed, and no error either.
TEST_F(Segments, OfANobodysManifestStay) {
  store.forget_metadata(true);
  store.tell_manifests(false);
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(get(kShare), "<not_found>");
  EXPECT_EQ(segments().size(), 2u);
}

TEST_F(Segments, OfAnotherProcessAreRemovedToo) {
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  forget_container();
  ASSERT_TRUE(remove(kShare));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
}

TEST_F(Segments, UnfinishedUploadIsFoundAndAborted) {
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload) << words(upload);
  ASSERT_TRUE(run_task(
      container().upload_part(context(), *upload, 1, memory_source(Bytes::copy_of("abc")))));
  forget_container();
  const auto found = unfinished();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, kShare);
  EXPECT_EQ(found[0].id, upload->id);
  ASSERT_TRUE(run_task(container().abort_multipart(context(), found[0])));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
  EXPECT_TRUE(run_task(container().abort_multipart(context(), found[0])));
}

// A listing lags: what this process sent goes by its name.
TEST_F(Segments, AbortRemovesWhatNoListingShowsYet) {
  ASSERT_TRUE(open());
  store.freeze_listing(true);
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload);
  ASSERT_TRUE(run_task(
      container().upload_part(context(), *upload, 1, memory_source(Bytes::copy_of("abc")))));
  ASSERT_TRUE(run_task(container().abort_multipart(context(), *upload)));
  EXPECT_EQ(store.keys(), std::vector<std::string>());
  for (const std::string& request : store.requests()) EXPECT_FALSE(request.contains("prefix="));
}

// A sweep that still sees the mark of a finished upload takes nothing from its manifest.
TEST_F(Segments, AbortLeavesWhatTheManifestNames) {
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  ASSERT_TRUE(upload);
  const auto part = run_task(
      container().upload_part(context(), *upload, 1, memory_source(Bytes::copy_of("abc"))));
  ASSERT_TRUE(part);
  ASSERT_TRUE(
      run_task(container().complete_multipart(context(), *upload, {*part}, PutCondition{})));
  ASSERT_TRUE(run_task(container().abort_multipart(context(), *upload)));
  EXPECT_EQ(get(kShare), "abc");
}

// Killed between the new manifest and the end of the old segments: the mark tells the next start.
TEST_F(Segments, OldOnesLeftByACrashAreSwept) {
  ASSERT_TRUE(put_parts(kShare, {"a", "b"}));
  store.fail_next(1000, "POST", Fault::status, 403);
  ASSERT_TRUE(put_parts(kShare, {"c"}));
  EXPECT_EQ(get(kShare), "c");
  store.fail_next(0, "POST", Fault::status);
  const auto found = unfinished();
  ASSERT_EQ(found.size(), 1u);
  forget_container();
  store.offer_bulk_delete(false);
  ASSERT_TRUE(run_task(container().abort_multipart(context(), found[0])));
  EXPECT_EQ(get(kShare), "c");
  EXPECT_EQ(segments().size(), 1u);
}

TEST_F(Segments, LostAnswerToTheManifestIsLookedUp) {
  ASSERT_TRUE(open());
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  const auto part = run_task(
      container().upload_part(context(), *upload, 1, memory_source(Bytes::copy_of("abc"))));
  ASSERT_TRUE(part);
  store.fail_next(12, "PUT", Fault::done_then_503);
  const auto made =
      run_task(container().complete_multipart(context(), *upload, {*part}, PutCondition{}));
  ASSERT_TRUE(made) << words(made);
  EXPECT_EQ(get(kShare), "abc");
}

// Unavailable: a segment may be on another copy. Never "not there", never short.
TEST_F(Segments, MissingOneMakesTheObjectUnavailable) {
  ASSERT_TRUE(put_parts(kShare, {"abc", "def"}));
  const std::vector<std::string> keys = segments();
  store.erase(keys[1]);
  EXPECT_EQ(get(kShare), "<unavailable>");
  store.erase(keys[0]);
  EXPECT_EQ(get(kShare), "<unavailable>");
  EXPECT_TRUE(head(kShare));
}

TEST_F(Segments, StoreWithoutThemSaysSo) {
  store.offer_segments(false);
  ASSERT_TRUE(open());
  const auto upload = run_task(container().begin_multipart(context(), kShare));
  ASSERT_FALSE(upload);
  EXPECT_EQ(upload.error().code(), Errc::unsupported);
  EXPECT_EQ(container().traits().max_object_bytes, container().traits().max_put_bytes);
}

}  // namespace
}  // namespace sharestore::openstack
