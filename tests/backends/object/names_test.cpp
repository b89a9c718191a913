// Names, listings and what else lies in the bucket.
#include "tests/backends/object/object_fixture.h"

#include <atomic>
#include <set>

#include "backends/share_file/layout.h"

namespace sharestore {
namespace {

class Names : public ObjectTest {};

TEST_F(Names, W2_ShareOneNeverMatchesShareTen) {
  for (const ShareNumber number : {1, 10, 11, 100, 19}) {
    ASSERT_TRUE(upload({test_index(1), number}, pattern_text(100, static_cast<unsigned>(number))));
  }
  EXPECT_EQ(numbers(test_index(1)), (std::vector<ShareNumber>{1, 10, 11, 19, 100}));
  ASSERT_TRUE(run(backend_->remove(context(), kOne)));
  EXPECT_EQ(numbers(test_index(1)), (std::vector<ShareNumber>{10, 11, 19, 100}));
  EXPECT_EQ(content(kTen), pattern_text(100, 10));
  // An abandoned upload of share 1 takes nothing else along either.
  auto writer = begin(kOne, 200'000);
  ASSERT_TRUE(writer);
  must(run((*writer)->write(context(), 0, pattern_bytes(150'000))));
  must(run((*writer)->abort(context())));
  EXPECT_EQ(numbers(test_index(1)), (std::vector<ShareNumber>{10, 11, 19, 100}));
  EXPECT_EQ(multiparts(), 0u);
  ASSERT_TRUE(run(backend_->quarantine(context(), kTen)));
  EXPECT_EQ(numbers(test_index(1)), (std::vector<ShareNumber>{11, 19, 100}));
}

TEST_F(Names, W26_RemovingWhatIsGoneIsSuccess) {
  EXPECT_TRUE(run(backend_->remove(context(), kOne)));
  ASSERT_TRUE(upload(kOne, "x"));
  EXPECT_TRUE(run(backend_->remove(context(), kOne)));
  EXPECT_TRUE(run(backend_->remove(context(), kOne)));
}

// W5: and nothing that lies there ends a scan.
TEST_F(Names, W27_ForeignObjectsAreLeftAlone) {
  const std::string folder = keys_.shares_of(kOne.storage_index);
  const std::vector<std::string> foreign = {
      keys_.all_shares() + "README",
      keys_.all_shares() + "zz/not-base32/0",
      folder + "01",
      folder + "1.5x",
      folder + "1/2",
      folder + "x",
      keys_.all_shares() + "aa/" + kOne.storage_index.to_text() + "/3",
      folder + "18446744073709551616",
      "node-b/shares/aa/x/0",
  };
  for (const std::string& key : foreign) put_object(key, "not ours");
  ASSERT_TRUE(upload(kOne, "ours"));
  for (const std::size_t limit : {1u, 3u, 1000u}) {
    const auto found = scan_all(limit);
    ASSERT_EQ(found.size(), 1u) << limit;
    EXPECT_EQ(found[0].share, kOne);
  }
  EXPECT_EQ(numbers(kOne.storage_index), std::vector<ShareNumber>{1});
  ASSERT_TRUE(run(backend_->remove(context(), kOne)));
  for (const std::string& key : foreign) EXPECT_EQ(object(key), "not ours") << key;
}

TEST_F(Names, W12_EveryPageOfEveryPrefixIsListed) {
  std::set<ShareId> expected;
  for (std::uint64_t i = 0; i < 700; ++i) {
    const ShareId share{test_index(i % 350), i};
    put_object(keys_.share(share), encode_immutable_header(2, 0, 0));
    expected.insert(share);
  }
  // One storage index with more shares than a page.
  for (ShareNumber number = 0; number < 40; ++number) {
    put_object(keys_.share({test_index(5), 1000 + number}), encode_immutable_header(2, 0, 0));
    expected.insert({test_index(5), 1000 + number});
  }
  for (const std::size_t limit : {2u, 7u, 100u, 739u, 740u, 1000u}) {
    faults_->forget_calls();
    const auto found = scan_all(limit);
    std::set<ShareId> seen;
    for (const ScannedShare& share : found) EXPECT_TRUE(seen.insert(share.share).second);
    EXPECT_EQ(seen, expected) << limit;
    // A small bucket is one request; a large one as many as it has prefixes, and one more for each
    // in which something lies.
    if (limit == 1000) {
      EXPECT_EQ(faults_->count("list"), 1u);
    } else if (limit >= 100) {
      EXPECT_LE(faults_->count("list"), 1024u + 350 + 8) << limit;
    }
  }
  EXPECT_EQ(numbers(test_index(5)).size(), 42u);
}

TEST_F(Names, AScanGoesOnAtAnyKey) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    put_object(keys_.share({test_index(i), 0}), encode_immutable_header(2, 0, 0));
  }
  const auto whole = scan_all(1000);
  ASSERT_EQ(whole.size(), 50u);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto page = run(backend_->scan(context(), {keys_.share(whole[at].share)}, 1000));
    ASSERT_TRUE(page);
    std::size_t left = page->shares.size();
    while (!page->finished) {
      page = run(backend_->scan(context(), page->next, 1000));
      ASSERT_TRUE(page);
      left += page->shares.size();
    }
    EXPECT_EQ(left, whole.size() - at - 1);
  }
}

TEST_F(Names, AFailedPageIsAskedForAgain) {
  for (std::uint64_t i = 0; i < 60; ++i) {
    put_object(keys_.share({test_index(i), 0}), encode_immutable_header(2, 0, 0));
  }
  // Listings run on the backend's loop as well as on the caller's.
  std::atomic<std::size_t> seen = 0;
  faults_->set_plain([&seen](const ContainerCall& call) -> Status {
    if (call.name == "list" && !call.after && ++seen % 3 == 0) return fail(Errc::busy, "slow down");
    return {};
  });
  std::set<ShareId> found;
  ScanCursor cursor;
  for (int tries = 0; tries < 10'000; ++tries) {
    auto page = run(backend_->scan(context(), cursor, 4));
    if (!page) continue;
    for (const ScannedShare& share : page->shares) EXPECT_TRUE(found.insert(share.share).second);
    cursor = page->next;
    if (page->finished) break;
  }
  EXPECT_EQ(found.size(), 60u);
}

TEST_F(Names, AListingThatLagsIsMadeUpForByName) {
  ASSERT_TRUE(upload(kOne, "x"));
  // W45: existence is not decided by the listing where there is reason to expect a share.
  class Lagging : public SharedContainer {
   public:
    using SharedContainer::SharedContainer;
    Task<ObjectPage> list(OpContext, std::string, std::string, std::size_t) override {
      co_return ObjectPage{};
    }
  };
  close();
  auto lagging = place_.open(std::make_unique<Lagging>(container_), journal_, clock_);
  must(run(lagging->start(context())));
  EXPECT_TRUE(run(lagging->list(context(), kOne.storage_index, {}))->empty());
  const auto known = run(lagging->list(context(), kOne.storage_index, {1, 2}));
  ASSERT_TRUE(known);
  ASSERT_EQ(known->size(), 1u);
  EXPECT_EQ((*known)[0].number, 1u);
  EXPECT_TRUE(lagging->traits().listings_may_lag);
  must(run(lagging->stop(context())));
}

}  // namespace
}  // namespace sharestore
