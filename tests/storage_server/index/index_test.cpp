// The request path's contract over a real database.
#include "tests/storage_server/index/index_fixture.h"

namespace sharestore {
namespace {

TEST_F(IndexTest, A_new_index_is_empty_and_was_not_stopped_cleanly) {
  EXPECT_FALSE(index_->was_stopped_cleanly());
  EXPECT_TRUE(index_->is_new());
  const Slot slot = must(index_->find(test_index(1)));
  EXPECT_TRUE(slot.shares.empty());
  EXPECT_FALSE(slot.doubtful);
  EXPECT_TRUE(index_->health().ok);
  EXPECT_EQ(index_->totals().immutable_shares, 0u);
  EXPECT_EQ(index_->leases(share_id(1)).error().code(), Errc::not_found);
}

TEST_F(IndexTest, A_clean_stop_is_remembered_until_the_first_change) {
  must(index_->set_value("a", "1"));
  stop_and_open();
  EXPECT_TRUE(index_->was_stopped_cleanly());
  EXPECT_FALSE(index_->is_new());
  crash_and_open();
  EXPECT_TRUE(index_->was_stopped_cleanly()) << "nothing was changed";
  must(index_->set_value("a", "2"));
  crash_and_open();
  EXPECT_FALSE(index_->was_stopped_cleanly());
  EXPECT_EQ(must(index_->get_value("a")), "2");
}

TEST_F(IndexTest, After_stop_everything_is_cancelled) {
  index_->stop();
  index_->stop();
  EXPECT_EQ(index_->find(test_index(1)).error().code(), Errc::cancelled);
  EXPECT_EQ(wait(index_->forget(share_id(1))).error().code(), Errc::cancelled);
  EXPECT_EQ(wait(index_->fold_renewals()).error().code(), Errc::cancelled);
  EXPECT_EQ(wait(index_->check()).error().code(), Errc::cancelled);
}

TEST_F(IndexTest, An_upload_becomes_a_share_with_its_lease) {
  must(index_->begin_uploads(test_index(1), {3, 1}, 777, 50));
  EXPECT_TRUE(must(index_->find(test_index(1))).shares.empty());
  auto uploads = must(index_->unfinished_uploads());
  ASSERT_EQ(uploads.size(), 2u);
  EXPECT_EQ(uploads[0].share, share_id(1, 1));
  EXPECT_EQ(uploads[0].size_bytes, 777u);
  EXPECT_EQ(uploads[0].started_at, 50);
  EXPECT_EQ(uploads[0].store_note, "");

  must(index_->finish_upload(share_id(1, 3), immutable_info(3), client_lease(1, 9000, 0), 60));
  const Slot slot = must(index_->find(test_index(1)));
  ASSERT_EQ(slot.shares.size(), 1u);
  EXPECT_EQ(slot.shares[0].info, immutable_info(3));
  EXPECT_EQ(slot.shares[0].state, ShareState::present);
  EXPECT_EQ(slot.shares[0].first_write, 60);
  EXPECT_FALSE(slot.doubtful) << "the other upload is this run's own";
  EXPECT_EQ(must(index_->leases(share_id(1, 3))), Leases{client_lease(1, 9000, 0)});
  EXPECT_EQ(index_->totals().immutable_bytes, immutable_info(3).stored_bytes);
  EXPECT_EQ(must(index_->unfinished_uploads()).size(), 1u);
  must(index_->drop_uploads(test_index(1), {1, 7}));
  EXPECT_TRUE(must(index_->unfinished_uploads()).empty());
  EXPECT_EQ(index_->activity().upload, 60);
}

TEST_F(IndexTest, Numbers_beyond_63_bits_are_kept_and_ordered) {
  const ShareNumber huge = ~ShareNumber{0};
  must(index_->finish_upload(share_id(1, huge), immutable_info(huge), client_lease(1, 100), 1));
  must(index_->finish_upload(share_id(1, 2), immutable_info(2), client_lease(1, 100), 1));
  const Slot slot = must(index_->find(test_index(1)));
  ASSERT_EQ(slot.shares.size(), 2u);
  EXPECT_EQ(slot.shares[0].info.number, 2u);
  EXPECT_EQ(slot.shares[1].info.number, huge);
  EXPECT_EQ(must(index_->leases(share_id(1, huge))).size(), 1u);
}

TEST_F(IndexTest, A_lost_share_that_is_uploaded_again_keeps_its_other_leases) {
  add_share(1, 0, 1000);
  must(index_->add_or_renew(test_index(1), {}, client_lease(2, 2000)));
  must(index_->set_state(share_id(1), ShareState::lost));
  EXPECT_EQ(index_->totals().lost_shares, 1u);
  EXPECT_EQ(index_->totals().immutable_shares, 0u);
  EXPECT_EQ(index_->totals().leases, 0u);
  EXPECT_EQ(wait(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000))).error().code(),
            Errc::not_found);
  add_share(1, 0, 3000);
  EXPECT_EQ(must(index_->leases(share_id(1))),
            (Leases{client_lease(1, 3000, 0), client_lease(2, 2000)}));
  EXPECT_EQ(index_->totals().lost_shares, 0u);
  expect_exact_totals();
}

TEST_F(IndexTest, A_renewal_is_durable_seen_at_once_and_never_shortens) {
  add_share(1, 0, 1000);
  LeaseOutcome outcome = must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  EXPECT_EQ(outcome.renewed, 1u);
  EXPECT_EQ(outcome.added, 0u);
  EXPECT_EQ(must(index_->leases(share_id(1))), Leases{client_lease(1, 5000, 0)});
  EXPECT_EQ(must(index_->backlog()).pending, 1u) << "it went to the log";
  outcome = must(index_->add_or_renew(test_index(1), {}, client_lease(1, 4000)));
  EXPECT_EQ(outcome.renewed, 1u);
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, 5000);

  crash_and_open();
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, 5000);
  must(index_->fold_renewals());
  EXPECT_EQ(must(index_->backlog()).pending, 0u);
  EXPECT_EQ(must(index_->leases(share_id(1))), Leases{client_lease(1, 5000, 0)});
  crash_and_open();
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, 5000);
  expect_exact_totals();
}

TEST_F(IndexTest, A_lease_request_adds_where_the_secret_is_new) {
  add_share(1, 0, 1000);
  must(index_->finish_upload(share_id(1, 5), immutable_info(5), client_lease(2, 1000, 0), 1));
  const LeaseOutcome outcome = must(index_->add_or_renew(test_index(1), {}, client_lease(2, 7000)));
  EXPECT_EQ(outcome.added, 1u);
  EXPECT_EQ(outcome.renewed, 1u);
  EXPECT_EQ(must(index_->leases(share_id(1, 0))),
            (Leases{client_lease(1, 1000, 0), client_lease(2, 7000)}));
  EXPECT_EQ(must(index_->leases(share_id(1, 5))), Leases{client_lease(2, 7000, 0)});
  EXPECT_EQ(index_->totals().leases, 3u);
}

TEST_F(IndexTest, Only_the_named_shares_are_renewed) {
  add_share(1, 0, 1000);
  add_share(1, 1, 1000);
  must(index_->add_or_renew(test_index(1), {1, 9}, client_lease(1, 7000)));
  EXPECT_EQ(must(index_->leases(share_id(1, 0)))[0].expires_at, 1000);
  EXPECT_EQ(must(index_->leases(share_id(1, 1)))[0].expires_at, 7000);
  EXPECT_EQ(wait(index_->add_or_renew(test_index(1), {9}, client_lease(1, 8000))).error().code(),
            Errc::not_found);
}

TEST_F(IndexTest, Leases_end_beyond_32_bits_too) {
  add_share(1, 0, 1000);
  const std::int64_t far = std::int64_t{1} << 40;
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, far)));
  crash_and_open();
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, far);
}

TEST_F(IndexTest, A_renewal_of_what_every_share_has_is_done_at_once) {
  add_share(1, 0, 1000);
  add_share(1, 1, 2000);
  EXPECT_TRUE(must(index_->renew(test_index(1), client_lease(1, 5000))));
  EXPECT_EQ(must(index_->backlog()).pending, 1u);
  EXPECT_TRUE(must(index_->renew(test_index(1), client_lease(1, 4000)))) << "nothing to do";
  EXPECT_EQ(must(index_->backlog()).pending, 1u);
  crash_and_open();
  for (const ShareNumber number : {0, 1}) {
    EXPECT_EQ(must(index_->leases(share_id(1, number))), Leases{client_lease(1, 5000, 0)});
  }
}

TEST_F(IndexTest, A_renewal_that_needs_a_closer_look_is_left_alone) {
  const auto expect_left = [this](std::uint64_t n, const Lease& lease, std::string_view why) {
    EXPECT_FALSE(must(index_->renew(test_index(n), lease))) << why;
    EXPECT_EQ(must(index_->backlog()).pending, 0u) << why;
  };
  const Lease lease = client_lease(1, 5000);
  expect_left(9, lease, "no share");
  add_share(1, 0, 1000);
  must(index_->finish_upload(share_id(1, 1), immutable_info(1), client_lease(2, 1000, 0), 1));
  expect_left(1, lease, "a share without the lease");
  add_share(2, 0, 1000);
  expect_left(2, client_lease(1, std::int64_t{1} << 40), "the log has no room for its end");
  must(index_->begin_slot_writes({test_index(2)}));
  expect_left(2, lease, "a write under way");
  for (const ShareState state : {ShareState::unread, ShareState::going, ShareState::lost}) {
    add_share(3, 0, 1000);
    must(index_->set_state(share_id(3), state));
    expect_left(3, lease, "state " + std::to_string(static_cast<int>(state)));
  }
  ShareInfo version_1 = immutable_info(0);
  version_1.container_version = 1;
  must(index_->finish_upload(share_id(4), version_1, client_lease(1, 1000, 0), 1));
  expect_left(4, lease, "secrets in clear in the file");
  add_share(5, 0, 1000);
  must(index_->begin_uploads(test_index(5), {1}, 10, 1));
  crash_and_open();
  expect_left(5, lease, "an upload of an earlier run");
  add_share(6, 0, 1000);
  must(index_->begin_rebuild(9000));
  expect_left(6, lease, "the rebuild has not come to it");
}

TEST_F(IndexTest, A_renewal_is_held_up_by_the_doubt_of_its_own_slot_only) {
  add_share(1, 0, 1000);
  add_share(2, 0, 1000);
  must(index_->begin_slot_writes({test_index(2)}));
  EXPECT_TRUE(must(index_->renew(test_index(1), client_lease(1, 5000))));
  EXPECT_FALSE(must(index_->renew(test_index(2), client_lease(1, 5000))));
  SlotUpdate nothing;
  nothing.storage_index = test_index(2);
  must(index_->finish_slot_write(nothing));
  EXPECT_TRUE(must(index_->renew(test_index(2), client_lease(1, 5000))));
}

TEST_F(IndexTest, A_renewal_that_needs_a_closer_look_renews_no_share_of_its_slot) {
  add_share(1, 0, 1000);
  add_share(1, 1, 1000);
  must(index_->set_state(share_id(1, 1), ShareState::unread));
  add_share(2, 0, 1000);
  ShareInfo version_1 = immutable_info(1);
  version_1.container_version = 1;
  must(index_->finish_upload(share_id(2, 1), version_1, client_lease(1, 1000, 0), 1));
  for (const std::uint64_t n : {1, 2}) {
    EXPECT_FALSE(must(index_->renew(test_index(n), client_lease(1, 5000)))) << n;
    EXPECT_EQ(must(index_->leases(share_id(n, 0)))[0].expires_at, 1000) << n;
  }
}

TEST_F(IndexTest, A_renewal_passes_over_shares_that_are_going_or_lost) {
  for (const ShareNumber number : {0, 1, 2}) add_share(1, number, 1000);
  must(index_->set_state(share_id(1, 1), ShareState::going));
  must(index_->set_state(share_id(1, 2), ShareState::lost));
  EXPECT_TRUE(must(index_->renew(test_index(1), client_lease(1, 5000))));
  EXPECT_EQ(must(index_->leases(share_id(1, 0)))[0].expires_at, 5000);
  EXPECT_EQ(index_->find(test_index(1))->shares[1].state, ShareState::going);
}

TEST_F(IndexTest, A_share_takes_only_so_many_unexpired_leases) {
  Leases leases{client_lease(1, now() + 10)};
  for (std::uint64_t client = 2; client <= 1024; ++client) {
    leases.push_back(client_lease(client, now() + 1000));
  }
  must(index_->settle_slot(test_index(1), {immutable_info(0)}, {leases}, 0, now()));
  auto refused = wait(index_->add_or_renew(test_index(1), {}, client_lease(2000, now() + 1000)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_TRUE(index_->health().ok);
  must(index_->add_or_renew(test_index(1), {}, client_lease(7, now() + 2000)));
  clock_.jump_utc(std::chrono::seconds(11));
  must(index_->add_or_renew(test_index(1), {}, client_lease(2000, now() + 1000)));
  EXPECT_EQ(must(index_->leases(share_id(1))).size(), 1024u);
  expect_exact_totals();
}

TEST_F(IndexTest, A_mutable_write_marks_the_slot_until_it_is_finished) {
  must(index_->begin_slot_writes({test_index(4)}));
  EXPECT_TRUE(must(index_->find(test_index(4))).doubtful);
  EXPECT_EQ(must(index_->doubtful_slots(10)), std::vector<StorageIndex>{test_index(4)});

  SlotUpdate update;
  update.storage_index = test_index(4);
  update.changed = {mutable_info(0), mutable_info(1)};
  update.leased = {0, 1};
  update.lease = client_lease(1, 5000);
  update.now = 100;
  LeaseOutcome outcome = must(index_->finish_slot_write(update));
  EXPECT_EQ(outcome.added, 2u);
  Slot slot = must(index_->find(test_index(4)));
  EXPECT_FALSE(slot.doubtful);
  ASSERT_EQ(slot.shares.size(), 2u);
  EXPECT_EQ(slot.shares[1].info, mutable_info(1));
  EXPECT_EQ(index_->totals().mutable_shares, 2u);

  must(index_->begin_slot_writes({test_index(4)}));
  update.changed = {mutable_info(1, 900)};
  update.changed[0].enabler_digest.reset();
  update.removed = {0};
  update.leased = {0, 1};
  update.lease = client_lease(1, 6000);
  update.now = 200;
  outcome = must(index_->finish_slot_write(update));
  EXPECT_EQ(outcome.renewed, 1u);
  EXPECT_EQ(outcome.added, 0u);
  slot = must(index_->find(test_index(4)));
  ASSERT_EQ(slot.shares.size(), 1u);
  EXPECT_EQ(slot.shares[0].info, mutable_info(1, 900)) << "the enabler digest stays";
  EXPECT_EQ(slot.shares[0].first_write, 100);
  EXPECT_EQ(slot.shares[0].last_write, 200);
  EXPECT_EQ(must(index_->leases(share_id(4, 1)))[0].expires_at, 6000);
  EXPECT_EQ(index_->leases(share_id(4, 0)).error().code(), Errc::not_found);
  expect_exact_totals();
}

TEST_F(IndexTest, Doubt_outlives_a_crash_until_the_slot_is_settled) {
  must(index_->begin_slot_writes({test_index(4)}));
  SlotUpdate update;
  update.storage_index = test_index(4);
  update.changed = {mutable_info(0), mutable_info(1)};
  update.leased = {0, 1};
  update.lease = client_lease(1, 5000);
  must(index_->finish_slot_write(update));
  must(index_->begin_slot_writes({test_index(4)}));
  crash_and_open();
  ASSERT_TRUE(must(index_->find(test_index(4))).doubtful);

  must(index_->settle_slot(test_index(4), {mutable_info(1, 700), mutable_info(2)},
                           {Leases{client_lease(9, 1)}, Leases{}}, 88'000, 300));
  const Slot slot = must(index_->find(test_index(4)));
  EXPECT_FALSE(slot.doubtful);
  ASSERT_EQ(slot.shares.size(), 2u);
  EXPECT_EQ(slot.shares[0].info, mutable_info(1, 700));
  EXPECT_EQ(must(index_->leases(share_id(4, 1))),
            (Leases{client_lease(1, 5000), client_lease(9, 1)}))
      << "what the share file knows is added";
  const Leases starter = must(index_->leases(share_id(4, 2)));
  ASSERT_EQ(starter.size(), 1u);
  EXPECT_EQ(starter[0].expires_at, 88'000);
  EXPECT_TRUE(must(index_->doubtful_slots(10)).empty());
  crash_and_open();
  EXPECT_FALSE(must(index_->find(test_index(4))).doubtful);
  expect_exact_totals();
}

TEST_F(IndexTest, Settling_keeps_lost_rows_and_begun_removals) {
  add_share(1, 0, 1000);
  add_share(1, 1, 1000);
  add_share(1, 2, 1000);
  must(index_->set_state(share_id(1, 0), ShareState::lost));
  must(index_->set_state(share_id(1, 1), ShareState::going));
  must(index_->settle_slot(test_index(1), {immutable_info(1)}, {}, 5000, 10));
  const Slot slot = must(index_->find(test_index(1)));
  ASSERT_EQ(slot.shares.size(), 2u);
  EXPECT_EQ(slot.shares[0].state, ShareState::lost);
  EXPECT_EQ(slot.shares[1].state, ShareState::going);
  expect_exact_totals();
}

TEST_F(IndexTest, Uploads_of_an_earlier_run_make_their_slots_doubtful) {
  must(index_->begin_uploads(test_index(1), {0, 1}, 10, 1));
  must(index_->note_upload(share_id(1, 1), "part 5"));
  EXPECT_EQ(wait(index_->note_upload(share_id(1, 2), "x")).error().code(), Errc::not_found);
  crash_and_open();
  EXPECT_TRUE(must(index_->find(test_index(1))).doubtful);
  EXPECT_EQ(must(index_->doubtful_slots(10)), std::vector<StorageIndex>{test_index(1)});
  EXPECT_TRUE(must(index_->doubtful_slots(0)).empty());
  EXPECT_EQ(must(index_->unfinished_uploads())[1].store_note, "part 5");

  must(index_->settle_slot(test_index(1), {immutable_info(1)}, {}, 5000, 10));
  EXPECT_FALSE(must(index_->find(test_index(1))).doubtful);
  const auto left = must(index_->unfinished_uploads());
  ASSERT_EQ(left.size(), 1u) << "the share that is there needs no upload row";
  EXPECT_EQ(left[0].share, share_id(1, 0));
  crash_and_open();
  must(index_->drop_uploads(test_index(1), {0}));
  EXPECT_FALSE(must(index_->find(test_index(1))).doubtful);
}

TEST_F(IndexTest, Intents_are_kept_until_dropped_and_ids_never_return) {
  const std::uint64_t first = must(index_->put_intent(test_index(1), "one"));
  const std::uint64_t second = must(index_->put_intent(test_index(2), std::string("\0b", 2)));
  EXPECT_NE(first, second);
  must(index_->drop_intent(second));
  must(index_->drop_intent(second));
  crash_and_open();
  auto intents = must(index_->intents());
  ASSERT_EQ(intents.size(), 1u);
  EXPECT_EQ(intents[0].id, first);
  EXPECT_EQ(intents[0].storage_index, test_index(1));
  EXPECT_EQ(intents[0].body, "one");
  EXPECT_GT(must(index_->put_intent(test_index(1), "three")), second);
}

TEST_F(IndexTest, States_move_between_the_totals) {
  add_share(1, 0, 1000);
  must(index_->set_state(share_id(1), ShareState::going));
  EXPECT_EQ(index_->totals().immutable_shares, 1u) << "its bytes are still there";
  EXPECT_EQ(wait(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000))).error().code(),
            Errc::not_found);
  EXPECT_EQ(wait(index_->set_state(share_id(2), ShareState::lost)).error().code(), Errc::not_found);
  must(index_->forget(share_id(1)));
  must(index_->forget(share_id(1)));
  EXPECT_EQ(index_->totals().immutable_shares, 0u);
  EXPECT_EQ(index_->totals().leases, 0u);
  EXPECT_TRUE(must(index_->find(test_index(1))).shares.empty());
}

TEST_F(IndexTest, Advisories_are_counted_and_capped) {
  for (int i = 0; i < 20; ++i) {
    must(index_->add_advisory(share_id(1), "reason " + std::to_string(i), i));
  }
  must(index_->add_advisory(share_id(2), std::string(5000, 'x'), 99));
  EXPECT_EQ(index_->totals().advisories, 21u);
  const auto rows = must(index_->advisories(100));
  ASSERT_EQ(rows.size(), 17u);
  EXPECT_EQ(rows[0].share, share_id(2));
  EXPECT_EQ(rows[0].reason.size(), 1024u);
  EXPECT_EQ(rows[1].reason, "reason 19");
  EXPECT_EQ(rows[16].reason, "reason 4");
  crash_and_open();
  EXPECT_EQ(index_->totals().advisories, 21u);
}

TEST_F(IndexTest, Named_values) {
  EXPECT_EQ(must(index_->get_value("nothing")), std::nullopt);
  must(index_->set_value("empty", ""));
  EXPECT_EQ(must(index_->get_value("empty")), "");
  EXPECT_EQ(wait(index_->set_value("index.clean", "1")).error().code(), Errc::invalid_argument);
  EXPECT_EQ(wait(index_->set_value("big", std::string((16u << 20) + 1, 'x'))).error().code(),
            Errc::invalid_argument);
}

}  // namespace
}  // namespace sharestore
