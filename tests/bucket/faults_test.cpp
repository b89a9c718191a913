// What clients are told when the store fails, loses or damages something.
#include "tests/bucket/bucket_fixture.h"

namespace sharestore {
namespace {

class BucketFaults : public BucketTest {
 protected:
  void SetUp() override {
    rebuild();
    must(put(kOne, "immutable"));
    must(write(kSlot.storage_index, {{10, "mutable"}}));
    // Readers at hand would answer in place of the store.
    restart();
  }
  void fail_gets(Errc code) {
    faults_->set_plain([code](const ContainerCall& call) -> Status {
      if (call.name == "get" || call.name == "head") return fail(code, "trouble");
      return {};
    });
  }
};

TEST_F(BucketFaults, W3_AShareThatCannotBeFetchedIsNotAbsent) {
  for (const Errc code : {Errc::unavailable, Errc::busy, Errc::timed_out, Errc::unauthorized,
                          Errc::forbidden, Errc::io_error}) {
    fail_gets(code);
    const std::string expected = "<" + std::string(to_string(code)) + ">";
    EXPECT_EQ(content(kOne, kImmutable), expected);
    EXPECT_EQ(content(kSlot, kMutable), expected);
    // What the node has is known without asking.
    EXPECT_EQ(list(kOne.storage_index, kImmutable), "1 ");
    EXPECT_EQ(list(kSlot.storage_index, kMutable), "10 ");
    const auto again = allocate(kOne, 9);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->already_have, std::vector<ShareNumber>{1});
    // A write that must see the share fails, and re-creates nothing under another enabler.
    const Status written = write(kSlot.storage_index, {{10, "overwritten"}}, 'X');
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().code(), Errc::not_found);
    faults_->clear();
    EXPECT_EQ(content(kOne, kImmutable), "immutable");
    EXPECT_EQ(content(kSlot, kMutable), "mutable");
    restart();
  }
}

TEST_F(BucketFaults, W18_WithoutAnIndexAStoreThatIsDownIsUnavailableNotEmpty) {
  lose_disk();
  faults_->set_plain([](const ContainerCall&) { return fail(Errc::unavailable, "down"); });
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "<unavailable>");
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>");
  EXPECT_EQ(list(test_index(77), kImmutable), "<unavailable>");
  EXPECT_FALSE(allocate(kOne, 9));
  EXPECT_FALSE(write(kSlot.storage_index, {{10, "x"}}));
  faults_->clear();
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  EXPECT_EQ(list(test_index(77), kImmutable), "");
}

TEST_F(BucketFaults, AnObjectThatTheStoreForgotIsLostAfterTwoAnswers) {
  remove_object(kOne);
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>") << "once is not enough";
  clock_.advance(std::chrono::seconds(29));
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>") << "nor twice within 30 s";
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "1 ");
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(content(kOne, kImmutable), "<not_found>");
  EXPECT_EQ(state(kOne), ShareState::lost);
  EXPECT_EQ(list(kOne.storage_index, kImmutable), "");
  EXPECT_EQ(index_->totals().lost_shares, 1u);
  // Repair can place it again.
  must(put(kOne, "immutable"));
  EXPECT_EQ(state(kOne), ShareState::present);
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  EXPECT_EQ(index_->totals().lost_shares, 0u);
}

TEST_F(BucketFaults, AnObjectThatComesBackInTimeIsNotLost) {
  const std::string bytes = object(kOne);
  remove_object(kOne);
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>");
  put_object(kOne, bytes);
  clock_.advance(std::chrono::seconds(40));
  EXPECT_EQ(content(kOne, kImmutable), "immutable");
  restart();
  remove_object(kOne);
  EXPECT_EQ(content(kOne, kImmutable), "<unavailable>") << "the count began anew";
}

TEST_F(BucketFaults, ALostMutableShareIsMadeAgainWithItsWriteEnablerOnly) {
  remove_object(kSlot);
  EXPECT_EQ(content(kSlot, kMutable), "<unavailable>");
  clock_.advance(std::chrono::seconds(31));
  EXPECT_EQ(content(kSlot, kMutable), "<not_found>");
  EXPECT_EQ(state(kSlot), ShareState::lost);
  const Status foreign = write(kSlot.storage_index, {{10, "foreign"}}, 'X');
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code(), Errc::unauthorized);
  must(write(kSlot.storage_index, {{10, "repaired"}}));
  EXPECT_EQ(content(kSlot, kMutable), "repaired");
}

TEST_F(BucketFaults, ALostShareIsStillKnownAsLostAfterTheDiskIsLost) {
  remove_object(kSlot);
  EXPECT_EQ(content(kSlot, kMutable), "<unavailable>");
  clock_.advance(std::chrono::seconds(31));
  EXPECT_EQ(content(kSlot, kMutable), "<not_found>");
  must(run(keeper_->round()));
  lose_disk();
  rebuild();
  EXPECT_EQ(state(kSlot), ShareState::lost);
  EXPECT_EQ(write(kSlot.storage_index, {{10, "foreign"}}, 'X').error().code(), Errc::unauthorized);
}

TEST_F(BucketFaults, DamagedObjectsGoIntoQuarantineAndCanBePlacedAgain) {
  const std::string whole = object(kOne);
  const std::vector<std::string> damages = {"",
                                            "\x01",
                                            std::string(12, '\0'),
                                            whole.substr(0, 11),
                                            whole.substr(0, whole.size() - 1),
                                            "<html>sign in to the hotel network</html>",
                                            std::string(4, '\xff') + whole.substr(4)};
  for (std::size_t i = 0; i < damages.size(); ++i) {
    put_object(kOne, damages[i]);
    EXPECT_EQ(content(kOne, kImmutable), "<not_found>") << i;
    EXPECT_EQ(state(kOne), ShareState::lost) << i;
    EXPECT_EQ(object(kOne), "<not_found>") << i;
    clock_.advance(std::chrono::seconds(2));
    must(put(kOne, "immutable"));
    EXPECT_EQ(content(kOne, kImmutable), "immutable") << i;
    restart();
  }
  const auto kept = run(container_->list(context(), "node-a/quarantine/", {}, 100));
  EXPECT_EQ(kept->objects.size(), damages.size()) << "nothing was destroyed";
}

TEST_F(BucketFaults, AMutableShareCutShortIsDamagedNotShorter) {
  const std::string whole = object(kSlot);
  put_object(kSlot, whole.substr(0, whole.size() - 5));
  EXPECT_EQ(content(kSlot, kMutable), "<not_found>");
  EXPECT_EQ(state(kSlot), ShareState::lost);
}

TEST_F(BucketFaults, AShareReplacedBehindOurBackIsAConflictForItsReader) {
  std::string large = pattern_text(600'000);
  must(write(kSlot.storage_index, {{10, large}}));
  restart();
  auto reader = run(store_->open(context(), kSlot, kMutable));
  ASSERT_TRUE(reader);
  std::string changed = object(kSlot);
  changed[changed.size() - 100] ^= 1;
  put_object(kSlot, changed);
  const auto bytes = run((*reader)->read(context(), 500'000, 1000));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), Errc::conflict);
}

TEST_F(BucketFaults, AReplyLostAfterSuccessIsFoundToBeASuccess) {
  const ShareId share{test_index(5), 0};
  faults_->set_plain([](const ContainerCall& call) -> Status {
    if (call.name == "put" && call.after) return fail(Errc::unavailable, "reply lost", false);
    return {};
  });
  const Status first = put(share, "arrived");
  // Nothing is said about it before a late request can no longer arrive.
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code(), Errc::unavailable);
  faults_->clear();
  EXPECT_EQ(list(share.storage_index, kImmutable), "<unavailable>");
  clock_.advance(std::chrono::seconds(31));
  EXPECT_EQ(list(share.storage_index, kImmutable), "0 ");
  EXPECT_EQ(content(share, kImmutable), "arrived");
}

TEST_F(BucketFaults, ALatePutNeverOverwritesANewerVersion) {
  // A store without conditional requests, that carries out a put whose connection broke 20 s later.
  stop();
  MemoryContainerOptions plain;
  plain.traits.put_if_absent = plain.traits.put_if_match = false;
  container_ = make_memory_container(plain, clock_);
  place_ = std::make_unique<ObjectPlace>();
  start();
  rebuild();
  must(write(kSlot.storage_index, {{10, "first"}}));
  const std::string key = keys_.share(kSlot);
  bool lost = false;
  faults_->set_plain([&](const ContainerCall& call) -> Status {
    if (call.name == "put" && call.key == key && !call.after && !std::exchange(lost, true)) {
      return fail(Errc::unavailable, "connection reset", false);
    }
    return {};
  });
  ASSERT_FALSE(write(kSlot.storage_index, {{10, "second"}}));
  const Status third = write(kSlot.storage_index, {{10, "third"}});
  ASSERT_FALSE(third) << "within the grace a newer version could be overwritten";
  EXPECT_EQ(third.error().code(), Errc::unavailable);
  clock_.advance(std::chrono::seconds(31));
  must(write(kSlot.storage_index, {{10, "third"}}));
  EXPECT_EQ(content(kSlot, kMutable), "third");
}

TEST_F(BucketFaults, W1_AnUnfinishedUploadIsNoShare) {
  const ShareId share{test_index(6), 3};
  ASSERT_TRUE(allocate(share, 300'000));
  auto upload = store_->find_upload(share, letter_secret('u'));
  ASSERT_TRUE(upload);
  must(run((*upload)->write(context(), 0, pattern_bytes(200'000))));
  EXPECT_EQ(list(share.storage_index, kImmutable), "");
  EXPECT_EQ(content(share, kImmutable), "<not_found>");
  upload->reset();
  kill();
  EXPECT_GE(run(container_->list_multiparts(context(), "", 10))->size(), 1u);
  start();
  EXPECT_TRUE(run(container_->list_multiparts(context(), "", 10))->empty()) << "W11: swept";
  EXPECT_EQ(list(share.storage_index, kImmutable), "");
  const auto again = allocate(share, 300'000);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->allocated, std::vector<ShareNumber>{3});
}

TEST_F(BucketFaults, TheSweepTouchesNothingBesideOurShares) {
  const std::vector<std::string> others = {"node-b/shares/aa/x/0", "node-a/other/x", "shares/x",
                                           "node-a/sharesX/1"};
  for (const std::string& key : others) {
    ASSERT_TRUE(run(container_->begin_multipart(context(), key)));
  }
  ASSERT_TRUE(run(container_->begin_multipart(context(), keys_.share(kOne))));
  restart();
  const auto left = run(container_->list_multiparts(context(), "", 100));
  EXPECT_EQ(left->size(), others.size());
  for (const Multipart& upload : *left)
    EXPECT_TRUE(std::ranges::find(others, upload.key) != others.end());
}

TEST_F(BucketFaults, ASweepLargerThanAPageIsWhole) {
  for (ShareNumber number = 0; number < 2100; ++number) {
    ASSERT_TRUE(run(container_->begin_multipart(context(), keys_.share({test_index(9), number}))));
  }
  restart();
  EXPECT_TRUE(run(container_->list_multiparts(context(), "", 10))->empty());
}

}  // namespace
}  // namespace sharestore
