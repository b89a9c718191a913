// What concerns the store as a whole: removal, quarantine, scans, leases, state blobs, space.
#include <set>

#include "tests/conformance/backend_test_base.h"

namespace sharestore {
namespace {

class Store : public BackendConformance {};
INSTANTIATE_TEST_SUITE_P(Backends, Store, testing::ValuesIn(backend_cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Store, RemoveIsFinalAndRepeatable) {
  ASSERT_TRUE(upload({kIndexA, 0}, "x"));
  ASSERT_TRUE(commit(kIndexB, {writes(0, {{0, "y"}})}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(run_task(backend().remove(context(), {kIndexA, 0})));
    EXPECT_TRUE(run_task(backend().remove(context(), {kIndexB, 0})));
  }
  EXPECT_EQ(content({kIndexA, 0}), "<not_found>");
  EXPECT_TRUE(numbers(kIndexB).empty());
  if (persistent()) reopen();
  EXPECT_TRUE(scan_all(5).empty());
}

TEST_P(Store, QuarantineTakesAShareOutOfService) {
  ASSERT_TRUE(upload({kIndexA, 0}, "first"));
  const auto place = run_task(backend().quarantine(context(), {kIndexA, 0}));
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_FALSE(place->empty());
  EXPECT_EQ(content({kIndexA, 0}), "<not_found>");
  EXPECT_TRUE(numbers(kIndexA).empty());
  EXPECT_TRUE(scan_all(5).empty());
  // The name may be taken again, and also be quarantined again.
  ASSERT_TRUE(upload({kIndexA, 0}, "second"));
  EXPECT_EQ(content({kIndexA, 0}), "second");
  EXPECT_TRUE(run_task(backend().quarantine(context(), {kIndexA, 0})));
  EXPECT_TRUE(run_task(backend().quarantine(context(), {kIndexA, 0})));
}

TEST_P(Store, ScanReportsEveryShareOnce) {
  std::map<ShareId, std::string> expected;
  for (std::uint64_t i = 0; i < 23; ++i) {
    const ShareId share{test_index(i), i % 3 * 5};
    expected[share] = pattern_text(i + 1);
    if (i % 2 == 0) {
      ASSERT_TRUE(upload(share, expected[share]));
    } else {
      ASSERT_TRUE(commit(share.storage_index, {writes(share.number, {{0, expected[share]}})}));
    }
  }
  ASSERT_TRUE(upload({test_index(0), 7}, "same index"));
  expected[{test_index(0), 7}] = "same index";
  for (const std::size_t limit : {1u, 7u, 24u, 1000u}) {
    const auto found = scan_all(limit);
    ASSERT_EQ(found.size(), expected.size()) << limit;
    for (const auto& [share, text] : expected) {
      ASSERT_TRUE(found.contains(share));
      const ScannedShare& scanned = found.at(share);
      EXPECT_TRUE(scanned.damage.empty());
      EXPECT_GE(scanned.stored_bytes, text.size());
      EXPECT_EQ(scanned.info.has_value(), backend().traits().scan_reads_headers);
      if (scanned.info) {
        EXPECT_EQ(scanned.info->data_bytes, text.size());
      }
    }
  }
}

TEST_P(Store, ScanBeginsAtAPrefix) {
  std::map<std::string, std::set<ShareId>> expected;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const ShareId share{test_index(i), i % 2};
    ASSERT_TRUE(upload(share, "x"));
    expected[share.storage_index.prefix()].insert(share);
  }
  expected["aa"];
  for (const auto& [prefix, shares] : expected) {
    std::set<ShareId> found;
    ScanCursor cursor{prefix};
    for (bool done = false; !done;) {
      const auto page = run_task(backend().scan(context(), cursor, 3));
      ASSERT_TRUE(page) << page.error().message();
      done = page->finished;
      for (const ScannedShare& share : page->shares) {
        // Shares of other prefixes come behind all of this one.
        const bool is_ours = share.share.storage_index.prefix() == prefix;
        EXPECT_FALSE(done && is_ours && !page->finished) << share.share.to_text();
        if (is_ours) found.insert(share.share);
        done = done || !is_ours;
      }
      cursor = page->next;
    }
    EXPECT_EQ(found, shares) << prefix;
  }
}

TEST_P(Store, ScanGoesOnWhileSharesComeAndGo) {
  for (std::uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(upload({test_index(i), 0}, "x"));
  ScanCursor cursor;
  std::map<ShareId, int> seen;
  for (std::uint64_t round = 0;; ++round) {
    ASSERT_LT(round, 100u);
    const auto page = run_task(backend().scan(context(), cursor, 2));
    ASSERT_TRUE(page);
    for (const ScannedShare& share : page->shares) ++seen[share.share];
    if (page->finished) break;
    cursor = page->next;
    // Removing what was just reported must not make the scan lose its place.
    for (const ScannedShare& share : page->shares) {
      ASSERT_TRUE(run_task(backend().remove(context(), share.share)));
    }
    ASSERT_TRUE(upload({test_index(100 + round), 0}, "new"));
  }
  for (std::uint64_t i = 0; i < 12; ++i) EXPECT_EQ((seen[{test_index(i), 0}]), 1) << i;
}

TEST_P(Store, ScanRefusesAStrangeCursor) {
  for (const char* position : {"x", "//", "../../etc/passwd", "aa/bb/cc/dd"}) {
    const auto page = run_task(backend().scan(context(), ScanCursor{position}, 5));
    ASSERT_FALSE(page) << position;
    EXPECT_EQ(page.error().code(), Errc::invalid_argument);
  }
}

TEST_P(Store, LeasesAreMergedByRenewSecret) {
  const LeaseUpdate first = letter_lease('R', 'C', 1'800'000'000, 0);
  const LeaseUpdate second = letter_lease('r', 'c', 1'800'000'100);
  ASSERT_TRUE(upload({kIndexA, 0}, "immutable", {first.lease}));
  ShareChange change = writes(0, {{0, "mutable"}});
  change.leases = {first};
  ASSERT_TRUE(commit(kIndexB, {change}));
  for (const StorageIndex& index : {kIndexA, kIndexB}) {
    const ShareId share{index, 0};
    const std::string before = content(share);
    ASSERT_TRUE(run_task(backend().store_leases(context(), share, {second})));
    LeaseUpdate later = first;
    later.lease.expires_at += 50;
    LeaseUpdate earlier = second;
    earlier.lease.expires_at -= 50;
    ASSERT_TRUE(run_task(backend().store_leases(context(), share, {later, earlier})));
    EXPECT_EQ(content(share), before);
    const auto leases = run_task(backend().load_leases(context(), share));
    ASSERT_TRUE(leases);
    if (!keeps_leases()) {
      EXPECT_TRUE(leases->empty());
      continue;
    }
    ASSERT_EQ(leases->size(), 2u);
    EXPECT_EQ((*leases)[0].renew_digest, first.lease.renew_digest);
    EXPECT_EQ((*leases)[0].expires_at, 1'800'000'050);
    EXPECT_EQ((*leases)[1].renew_digest, second.lease.renew_digest);
    EXPECT_EQ((*leases)[1].cancel_digest, second.lease.cancel_digest);
    EXPECT_EQ((*leases)[1].expires_at, 1'800'000'100);
    reopen();
    EXPECT_EQ(*run_task(backend().load_leases(context(), share)), *leases);
    EXPECT_EQ(content(share), before);
    EXPECT_EQ(scan_all(10).at(share).leases, *leases);
  }
}

TEST_P(Store, ManyLeasesOnOneShare) {
  ASSERT_TRUE(upload({kIndexA, 0}, "immutable"));
  ASSERT_TRUE(commit(kIndexB, {writes(0, {{0, "mutable"}})}));
  for (const StorageIndex& index : {kIndexA, kIndexB}) {
    for (char letter = 'a'; letter <= 'j'; ++letter) {
      ASSERT_TRUE(run_task(
          backend().store_leases(context(), {index, 0}, {letter_lease(letter, letter, 1000)})));
    }
    const auto leases = run_task(backend().load_leases(context(), {index, 0}));
    ASSERT_TRUE(leases);
    EXPECT_EQ(leases->size(), keeps_leases() ? 10u : 0u);
  }
  ASSERT_TRUE(commit(kIndexB, {writes(0, {{100, "grown"}})}));
  EXPECT_EQ(run_task(backend().load_leases(context(), {kIndexB, 0}))->size(),
            keeps_leases() ? 10u : 0u);
  EXPECT_EQ(content({kIndexA, 0}), "immutable");
  EXPECT_EQ(content({kIndexB, 0}), "mutable" + std::string(93, '\0') + "grown");
}

TEST_P(Store, LeasesOfAMissingShareAreNotFound) {
  if (!keeps_leases()) GTEST_SKIP() << "this backend keeps no leases and does not look";
  const auto loaded = run_task(backend().load_leases(context(), {kIndexA, 0}));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), Errc::not_found);
  const auto stored =
      run_task(backend().store_leases(context(), {kIndexA, 0}, {letter_lease('R', 'C', 1)}));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code(), Errc::not_found);
}

TEST_P(Store, StateBlobsAreReplacedListedAndRemoved) {
  EXPECT_EQ(run_task(backend().get_state(context(), "owner")).error().code(), Errc::not_found);
  ASSERT_TRUE(run_task(backend().put_state(context(), "owner", Bytes::copy_of("one"))));
  ASSERT_TRUE(run_task(backend().put_state(context(), "owner", Bytes::copy_of("two"))));
  ASSERT_TRUE(run_task(backend().put_state(context(), "batch-7.cbor", Bytes())));
  if (persistent()) reopen();
  EXPECT_EQ(run_task(backend().get_state(context(), "owner"))->text(), "two");
  EXPECT_EQ(run_task(backend().get_state(context(), "batch-7.cbor"))->size(), 0u);
  EXPECT_EQ(*run_task(backend().list_state(context())),
            (std::vector<std::string>{"batch-7.cbor", "owner"}));
  EXPECT_TRUE(run_task(backend().remove_state(context(), "owner")));
  EXPECT_TRUE(run_task(backend().remove_state(context(), "owner")));
  EXPECT_EQ(*run_task(backend().list_state(context())), std::vector<std::string>{"batch-7.cbor"});
}

TEST_P(Store, StateNamesAreChecked) {
  for (const char* name : {"", ".", "..", "a/b", "../x", "Upper", "sp ace", ".hidden"}) {
    const Status put = run_task(backend().put_state(context(), name, Bytes::copy_of("x")));
    ASSERT_FALSE(put) << name;
    EXPECT_EQ(put.error().code(), Errc::invalid_argument) << name;
  }
  const Status big = run_task(
      backend().put_state(context(), "big", Bytes(std::vector<std::byte>((16u << 20) + 1))));
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code(), Errc::too_large);
}

TEST_P(Store, SpaceAndHealthAreTold) {
  const auto space = run_task(backend().space(context()));
  ASSERT_TRUE(space) << space.error().message();
  EXPECT_GT(space->free_bytes, 0u);
  EXPECT_GT(space->max_immutable_bytes, 0u);
  EXPECT_LE(space->max_immutable_bytes, std::uint64_t{1} << 63);
  EXPECT_TRUE(backend().health().ok);
  EXPECT_FALSE(backend().traits().name.empty());
}

}  // namespace
}  // namespace sharestore
