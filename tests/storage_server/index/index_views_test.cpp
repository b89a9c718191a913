// The views for maintenance: expiry, backlog, rebuild, inspection.
#include "tests/storage_server/index/index_fixture.h"

namespace sharestore {
namespace {

constexpr std::int64_t kDay = 86400;

class IndexViewsTest : public IndexTest {
 protected:
  std::vector<ShareId> due(std::int64_t before, std::size_t limit = 1000,
                           std::optional<ShareKind> kind = std::nullopt) {
    std::vector<ShareId> shares;
    DueQuery query;
    query.before = before;
    query.limit = limit;
    query.kind = kind;
    do {
      const DuePage page = must(index_->due_leases(query));
      for (const DueShare& share : page.shares) shares.push_back(share.share);
      query.after = page.next;
    } while (query.after);
    return shares;
  }
  void add_mutable(std::uint64_t n, std::int64_t expires_at) {
    SlotUpdate update;
    update.storage_index = test_index(n);
    update.changed = {mutable_info(0)};
    update.leased = {0};
    update.lease = client_lease(1, expires_at);
    update.now = now();
    must(index_->begin_slot_writes({test_index(n)}));
    must(index_->finish_slot_write(update));
  }
  static ScannedShare scanned(std::uint64_t n, ShareNumber number, Leases leases) {
    ScannedShare share;
    share.share = share_id(n, number);
    share.info = immutable_info(number);
    share.stored_bytes = share.info->stored_bytes;
    share.leases = std::move(leases);
    return share;
  }
};

TEST_F(IndexViewsTest, Due_shares_come_in_order_page_by_page_and_by_kind) {
  for (std::uint64_t n = 0; n < 10; ++n) add_share(n, 0, 100 + static_cast<std::int64_t>(n));
  add_mutable(20, 105);
  EXPECT_EQ(due(100).size(), 0u);
  EXPECT_EQ(due(101), std::vector<ShareId>{share_id(0)});
  const auto all = due(1000);
  ASSERT_EQ(all.size(), 11u);
  EXPECT_EQ(all[0], share_id(0));
  EXPECT_EQ(all[10], share_id(9));
  EXPECT_EQ(due(1000, 3), all) << "small pages, the same list";
  EXPECT_EQ(due(1000, 3, ShareKind::mutable_slot), std::vector<ShareId>{share_id(20)});
  EXPECT_EQ(due(1000, 3, ShareKind::immutable).size(), 10u);
}

TEST_F(IndexViewsTest, A_renewed_share_is_not_due_merged_or_not) {
  add_share(1, 0, 100);
  add_share(2, 0, 100);
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  EXPECT_EQ(due(1000), std::vector<ShareId>{share_id(2)});
  must(index_->fold_renewals());
  EXPECT_EQ(due(1000), std::vector<ShareId>{share_id(2)});
  crash_and_open();
  EXPECT_EQ(due(1000), std::vector<ShareId>{share_id(2)});
  EXPECT_EQ(due(5001).size(), 2u) << "it comes up again in its time";
}

TEST_F(IndexViewsTest, Any_lease_holds_a_share_and_a_leaseless_one_stays) {
  add_share(1, 0, 100);
  must(index_->add_or_renew(test_index(1), {}, client_lease(2, 3000)));
  SlotUpdate bare;
  bare.storage_index = test_index(5);
  bare.changed = {mutable_info(0)};
  must(index_->finish_slot_write(bare));
  EXPECT_TRUE(due(2000).empty());
  EXPECT_EQ(due(std::int64_t{1} << 60), std::vector<ShareId>{share_id(1)});
}

TEST_F(IndexViewsTest, A_claim_looks_again) {
  add_share(1, 0, 100);
  add_share(2, 0, 100);
  add_share(3, 0, 100);
  add_share(4, 0, 100);
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  EXPECT_FALSE(must(index_->claim_expired(share_id(1), 1000))) << "renewed since";
  must(index_->begin_slot_writes({test_index(2)}));
  EXPECT_FALSE(must(index_->claim_expired(share_id(2), 1000))) << "being written";
  must(index_->begin_uploads(test_index(3), {0}, 5, 5));
  EXPECT_FALSE(must(index_->claim_expired(share_id(3), 1000))) << "being uploaded";
  EXPECT_FALSE(must(index_->claim_expired(share_id(9), 1000))) << "not there";
  EXPECT_TRUE(must(index_->claim_expired(share_id(4), 1000)));
  EXPECT_FALSE(must(index_->claim_expired(share_id(4), 1000))) << "claimed already";
  EXPECT_EQ(wait(index_->add_or_renew(test_index(4), {}, client_lease(1, 5000))).error().code(),
            Errc::not_found);
  EXPECT_EQ(must(index_->find(test_index(4))).shares[0].state, ShareState::going);
  ASSERT_EQ(must(index_->going_shares(10)).size(), 1u);
  EXPECT_EQ(must(index_->going_shares(10))[0].share, share_id(4));
  crash_and_open();
  EXPECT_EQ(must(index_->going_shares(10)).size(), 1u) << "the removal is completed at start";
}

TEST_F(IndexViewsTest, A_renewal_and_a_claim_at_once_have_one_winner) {
  for (std::uint64_t n = 0; n < 50; ++n) {
    add_share(n, 0, 100);
    Result<bool> claimed = false;
    Result<LeaseOutcome> leased = LeaseOutcome{};
    const auto claim = [&]() -> boost::asio::awaitable<void> {
      claimed = co_await index_->claim_expired(share_id(n), 1000);
    };
    const auto lease = [&]() -> boost::asio::awaitable<void> {
      leased = co_await index_->add_or_renew(test_index(n), {}, client_lease(1, 5000));
    };
    const auto ignore = [](const std::exception_ptr&) {};
    if (n % 2 == 0) {
      boost::asio::co_spawn(context_, lease(), ignore);
      boost::asio::co_spawn(context_, claim(), ignore);
    } else {
      boost::asio::co_spawn(context_, claim(), ignore);
      boost::asio::co_spawn(context_, lease(), ignore);
    }
    context_.restart();
    context_.run();
    EXPECT_NE(*claimed, leased.has_value()) << n;
    EXPECT_EQ(*claimed, n % 2 == 1) << "in the order in which they came";
  }
}

TEST_F(IndexViewsTest, The_forecast_follows_every_change) {
  const std::int64_t today = now() / kDay * kDay;
  add_share(1, 0, today + 2 * kDay + 5);
  add_share(2, 0, today + 10 * kDay);
  add_mutable(3, today + 3 * kDay);
  ForecastLine week = must(index_->forecast(today + 7 * kDay));
  EXPECT_EQ(week.immutable_shares, 1u);
  EXPECT_EQ(week.immutable_bytes, immutable_info(0).stored_bytes);
  EXPECT_EQ(week.mutable_shares, 1u);
  EXPECT_EQ(must(index_->forecast(today + 30 * kDay)).immutable_shares, 2u);
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, today + 40 * kDay)));
  must(index_->fold_renewals());
  EXPECT_EQ(must(index_->forecast(today + 30 * kDay)).immutable_shares, 1u);
  must(index_->set_state(share_id(2), ShareState::lost));
  EXPECT_EQ(must(index_->forecast(today + 30 * kDay)).immutable_shares, 0u);
  must(index_->forget(share_id(3)));
  EXPECT_EQ(must(index_->forecast(today + 30 * kDay)).mutable_shares, 0u);
  EXPECT_EQ(must(index_->forecast(today + 60 * kDay)).immutable_shares, 1u);
}

TEST_F(IndexViewsTest, Rows_come_in_order_with_pending_renewals) {
  for (std::uint64_t n = 0; n < 20; ++n) add_share(n, n % 3, 100);
  must(index_->add_or_renew(test_index(7), {}, client_lease(1, 5000)));
  std::vector<IndexRow> rows;
  std::optional<ShareId> after;
  do {
    RowPage page = must(index_->rows(after, 6));
    EXPECT_LE(page.rows.size(), 6u);
    rows.insert(rows.end(), page.rows.begin(), page.rows.end());
    after = page.next;
  } while (after);
  ASSERT_EQ(rows.size(), 20u);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    EXPECT_LT(rows[i - 1].storage_index, rows[i].storage_index);
  }
  for (const IndexRow& row : rows) {
    EXPECT_EQ(row.leases[0].expires_at, row.storage_index == test_index(7) ? 5000 : 100);
  }
}

TEST_F(IndexViewsTest, Activity_survives_a_clean_stop) {
  add_share(1, 0, 100);
  clock_.jump_utc(std::chrono::seconds(100));
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  index_->note_download(now() + 7);
  const std::int64_t renewed = now();
  stop_and_open();
  EXPECT_EQ(index_->activity().upload, renewed - 100);
  EXPECT_EQ(index_->activity().renewal, renewed);
  EXPECT_EQ(index_->activity().download, renewed + 7);
  EXPECT_GT(index_->size().file_bytes, 0u);
}

// --- the backlog ------------------------------------------------------------------------------

class ShareFileBacklogTest : public IndexViewsTest {
 protected:
  ShareFileBacklogTest() { kept_outside_ = KeptOutside::in_share_files; }
};

TEST_F(ShareFileBacklogTest, Only_lease_changes_beside_the_backend_enter_it) {
  add_share(1, 0, 100);
  add_mutable(2, 100);
  EXPECT_EQ(must(index_->backlog()).shares, 0u) << "the backend wrote those";
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  EXPECT_EQ(must(index_->backlog()).pending, 1u);
  must(index_->add_or_renew(test_index(2), {}, client_lease(2, 5000)));
  EXPECT_EQ(must(index_->backlog()).shares, 1u) << "an added lease at once";
  must(index_->fold_renewals());
  crash_and_open();
  const BacklogState state = must(index_->backlog());
  EXPECT_EQ(state.shares, 2u);
  EXPECT_EQ(state.pending, 0u);
  EXPECT_EQ(state.oldest, now());
  const auto unsaved = must(index_->unsaved(10));
  ASSERT_EQ(unsaved.size(), 2u);
  expect_exact_totals();
}

TEST_F(ShareFileBacklogTest, What_was_saved_leaves_it_unless_it_changed_again) {
  add_share(1, 0, 100);
  add_share(2, 0, 100);
  for (const std::uint64_t n : {1, 2}) {
    must(index_->add_or_renew(test_index(n), {}, client_lease(1, 5000)));
  }
  must(index_->fold_renewals());
  std::vector<SavedLeases> saved;
  for (const UnsavedShare& share : must(index_->unsaved(10))) {
    saved.push_back({share.share, share.leases});
  }
  ASSERT_EQ(saved.size(), 2u);
  must(index_->add_or_renew(test_index(2), {}, client_lease(9, 100)));
  must(index_->acknowledge_saved(saved));
  const auto left = must(index_->unsaved(10));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].share, share_id(2));
  EXPECT_EQ(left[0].leases.size(), 2u);
  must(index_->forget(share_id(2)));
  EXPECT_EQ(must(index_->backlog()).shares, 0u);
  must(index_->acknowledge_saved({{share_id(2), {}}}));
}

TEST_F(ShareFileBacklogTest, Version_1_files_are_not_its_business) {
  ShareInfo old = immutable_info(0);
  old.container_version = 1;
  must(index_->finish_upload(share_id(1), old, client_lease(1, 100), 1));
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  must(index_->add_or_renew(test_index(1), {}, client_lease(2, 5000)));
  must(index_->fold_renewals());
  EXPECT_EQ(must(index_->backlog()).shares, 0u);
}

class BatchBacklogTest : public IndexViewsTest {
 protected:
  BatchBacklogTest() { kept_outside_ = KeptOutside::in_batches; }
};

TEST_F(BatchBacklogTest, Every_change_enters_it_and_removals_are_told) {
  add_share(1, 0, 100);
  add_mutable(2, 100);
  EXPECT_EQ(must(index_->backlog()).shares, 2u);
  must(index_->forget(share_id(1)));
  EXPECT_EQ(must(index_->backlog()).shares, 1u);
  auto removed = must(index_->removed(10));
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].share, share_id(1));
  must(index_->acknowledge_removed(removed));
  EXPECT_TRUE(must(index_->removed(10)).empty());

  must(index_->forget(share_id(2)));
  add_share(2, 0, 100);
  EXPECT_TRUE(must(index_->removed(10)).empty()) << "it is there again";
}

// --- rebuilding -------------------------------------------------------------------------------

TEST_F(IndexViewsTest, A_rebuild_fills_an_empty_index_and_doubts_what_it_has_not_seen) {
  EXPECT_FALSE(must(index_->rebuild_state()));
  EXPECT_EQ(wait(index_->finish_rebuild()).error().code(), Errc::conflict);
  must(index_->begin_rebuild(9000));
  EXPECT_TRUE(must(index_->find(test_index(1))).doubtful);
  ScannedShare unread = scanned(2, 0, {});
  unread.info.reset();
  RecordedBatch batch = must(index_->record_scanned(
      {scanned(1, 0, {client_lease(1, 700)}), scanned(1, 3, {}), unread}, {"here"}));
  EXPECT_EQ(batch.added, 3u);
  EXPECT_FALSE(must(index_->find(test_index(1))).doubtful);
  EXPECT_TRUE(must(index_->find(test_index(9))).doubtful);

  crash_and_open();
  ASSERT_TRUE(must(index_->rebuild_state()));
  EXPECT_EQ(must(index_->rebuild_state())->cursor.position, "here");
  EXPECT_TRUE(must(index_->find(test_index(9))).doubtful);
  EXPECT_FALSE(must(index_->find(test_index(1))).doubtful);
  EXPECT_EQ(must(index_->finish_rebuild()), 0u);
  EXPECT_FALSE(must(index_->find(test_index(9))).doubtful);
  EXPECT_FALSE(must(index_->rebuild_state()));
  EXPECT_EQ(must(index_->leases(share_id(1, 0))), Leases{client_lease(1, 700)});
  EXPECT_EQ(must(index_->leases(share_id(1, 3)))[0].expires_at, 9000) << "a starter lease";
  EXPECT_EQ(must(index_->find(test_index(2))).shares[0].state, ShareState::unread);
  EXPECT_EQ(due(701), std::vector<ShareId>{share_id(1, 0)});
  expect_exact_totals();
}

TEST_F(IndexViewsTest, A_rebuild_removes_nothing_before_its_end) {
  for (std::uint64_t n = 0; n < 5; ++n) add_share(n, 0, 100);
  must(index_->set_state(share_id(3), ShareState::lost));
  must(index_->set_state(share_id(4), ShareState::going));
  must(index_->add_or_renew(test_index(0), {}, client_lease(1, 8000)));
  must(index_->begin_rebuild(9000));
  ScannedShare damaged = scanned(2, 0, {});
  damaged.damage = "bad magic";
  const RecordedBatch batch = must(index_->record_scanned(
      {scanned(0, 0, {client_lease(1, 500), client_lease(2, 600)}), damaged}, {"x"}));
  EXPECT_EQ(batch.updated, 1u);
  EXPECT_EQ(batch.damaged, 1u);
  EXPECT_EQ(must(index_->find(test_index(1))).shares.size(), 1u);
  EXPECT_EQ(must(index_->finish_rebuild()), 2u) << "1 and the removal begun of 4";
  EXPECT_EQ(must(index_->leases(share_id(0))),
            (Leases{client_lease(1, 8000, 0), client_lease(2, 600)}));
  EXPECT_TRUE(must(index_->find(test_index(1))).shares.empty());
  EXPECT_EQ(must(index_->find(test_index(2))).shares[0].state, ShareState::lost);
  EXPECT_EQ(must(index_->find(test_index(3))).shares[0].state, ShareState::lost);
  EXPECT_TRUE(must(index_->find(test_index(4))).shares.empty());
  expect_exact_totals();
}

TEST_F(IndexViewsTest, What_requests_do_during_a_rebuild_is_newer_than_the_scan) {
  add_share(1, 0, 100);
  add_share(2, 0, 100);
  must(index_->begin_rebuild(9000));
  must(index_->settle_slot(test_index(1), {immutable_info(0)}, {}, 9000, now()));
  must(index_->forget(share_id(1)));
  must(index_->settle_slot(test_index(7), {}, {}, 9000, now()));
  EXPECT_TRUE(must(index_->find(test_index(7))).doubtful) << "nothing there may still come";
  add_share(7, 0, 300);
  EXPECT_FALSE(must(index_->find(test_index(7))).doubtful);
  EXPECT_FALSE(must(index_->find(test_index(1))).doubtful);
  const RecordedBatch batch = must(
      index_->record_scanned({scanned(1, 0, {}), scanned(2, 0, {}), scanned(7, 4, {})}, {"x"}));
  EXPECT_EQ(batch.skipped, 2u);
  EXPECT_TRUE(must(index_->find(test_index(1))).shares.empty()) << "it was removed after the scan";
  EXPECT_EQ(must(index_->finish_rebuild()), 0u);
  EXPECT_EQ(must(index_->find(test_index(7))).shares.size(), 1u);
  EXPECT_EQ(must(index_->find(test_index(2))).shares.size(), 1u);
  expect_exact_totals();
}

TEST_F(IndexViewsTest, A_second_rebuild_begins_again) {
  must(index_->begin_rebuild(9000));
  must(index_->record_scanned({scanned(1, 0, {})}, {"far"}));
  must(index_->begin_rebuild(9000));
  EXPECT_EQ(must(index_->rebuild_state())->cursor.position, "");
  EXPECT_TRUE(must(index_->find(test_index(1))).doubtful);
  EXPECT_EQ(must(index_->finish_rebuild()), 1u);
  EXPECT_EQ(
      wait(index_->record_scanned(std::vector<ScannedShare>(IndexRebuild::kMaxScanBatch + 1), {}))
          .error()
          .code(),
      Errc::invalid_argument);
}

TEST_F(ShareFileBacklogTest, Settling_takes_the_later_of_both_ends) {
  add_share(1, 0, 100);
  add_share(1, 1, 900);
  must(index_->settle_slot(test_index(1), {immutable_info(0), immutable_info(1)},
                           {Leases{client_lease(1, 500)}, Leases{client_lease(1, 200)}}, 1, 1));
  EXPECT_EQ(must(index_->leases(share_id(1, 0)))[0].expires_at, 500);
  EXPECT_EQ(must(index_->leases(share_id(1, 1)))[0].expires_at, 900);
  ASSERT_EQ(must(index_->unsaved(10)).size(), 1u);
  EXPECT_EQ(must(index_->unsaved(10))[0].share, share_id(1, 1)) << "its file lags behind";
}

TEST_F(ShareFileBacklogTest, A_rebuild_finds_files_that_lag_behind) {
  add_share(1, 0, 100);
  add_share(2, 0, 100);
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  must(index_->fold_renewals());
  must(index_->acknowledge_saved({{share_id(1), {client_lease(1, 5000)}}}));
  ASSERT_EQ(must(index_->backlog()).shares, 0u);
  must(index_->begin_rebuild(9000));
  must(index_->record_scanned(
      {scanned(1, 0, {client_lease(1, 100)}), scanned(2, 0, {client_lease(1, 100)})}, {}));
  must(index_->finish_rebuild());
  ASSERT_EQ(must(index_->unsaved(10)).size(), 1u);
  EXPECT_EQ(must(index_->unsaved(10))[0].share, share_id(1));
}

}  // namespace
}  // namespace sharestore
