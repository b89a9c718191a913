// Damaged files, full and failing disks, missing rights, and the end of the process at any moment.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <csignal>
#include <fstream>

#include "storage_server/index/schema.h"
#include "tests/storage_server/index/index_fixture.h"
#include "tests/support/fault_vfs.h"

namespace sharestore {
namespace {

class IndexFaultTest : public IndexTest {
 protected:
  void SetUp() override {
    fault_vfs::install();
    fault_vfs::reset();
    open();
  }
  void TearDown() override { fault_vfs::reset(); }

  void fill(std::uint64_t shares) {
    std::vector<ScannedShare> batch;
    must(index_->begin_rebuild(1));
    for (std::uint64_t n = 0; n < shares; ++n) {
      ScannedShare share;
      share.share = share_id(n);
      share.info = immutable_info(0);
      share.leases = {client_lease(1, 1000), client_lease(2, 2000)};
      batch.push_back(share);
    }
    must(index_->record_scanned(std::move(batch), {}));
    must(index_->finish_rebuild());
  }
  Errc open_error() {
    auto opened = FullIndex::open_full(options(), clock_);
    if (opened) return Errc::unsupported;
    sentence_ = opened.error().message();
    return opened.error().code();
  }

  std::string sentence_;
};

TEST_F(IndexFaultTest, A_file_that_is_no_database_is_corrupt) {
  crash();
  write_file(file(), std::string(8192, 'x'));
  EXPECT_EQ(open_error(), Errc::corrupt) << sentence_;
}

TEST_F(IndexFaultTest, The_database_of_another_program_is_corrupt) {
  crash();
  std::filesystem::remove(file());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "create table theirs(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_EQ(open_error(), Errc::corrupt);
  EXPECT_NE(sentence_.find("another program"), std::string::npos) << sentence_;
}

TEST_F(IndexFaultTest, A_newer_schema_is_corrupt_and_says_so) {
  stop();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "update schema set version=99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_EQ(open_error(), Errc::corrupt);
  EXPECT_NE(sentence_.find("version 99, newer"), std::string::npos) << sentence_;
}

TEST_F(IndexFaultTest, A_truncated_database_is_corrupt) {
  fill(2000);
  stop();
  const auto size = std::filesystem::file_size(file());
  ASSERT_GT(size, 100'000u);
  for (const std::uintmax_t cut : {size / 2, std::uintmax_t{5000}, std::uintmax_t{100}}) {
    std::filesystem::resize_file(file(), cut);
    EXPECT_EQ(open_error(), Errc::corrupt) << "cut to " << cut << ": " << sentence_;
  }
}

TEST_F(IndexFaultTest, A_flipped_bit_in_a_lease_is_found_before_it_counts) {
  fill(50);
  stop();
  // The digest of a cancel secret: no structure of SQLite's, only the column's own check sees it.
  std::string bytes = read_file(file());
  const std::string digest(as_text(blake2b_256("cancel2")));
  std::size_t flipped = 0;
  for (std::size_t at = bytes.find(digest); at != std::string::npos;
       at = bytes.find(digest, at + 1)) {
    bytes[at + 7] = static_cast<char>(bytes[at + 7] ^ 4);
    ++flipped;
  }
  ASSERT_GE(flipped, 50u);
  write_file(file(), bytes);
  open();
  EXPECT_EQ(index_->leases(share_id(3)).error().code(), Errc::corrupt);
  DueQuery query;
  query.before = 9999;
  const auto page = wait(index_->due_leases(query));
  ASSERT_FALSE(page) << "nothing is due by damaged rows";
  EXPECT_EQ(page.error().code(), Errc::corrupt);
  const auto findings = must(index_->check());
  EXPECT_FALSE(findings.empty());
  EXPECT_FALSE(index_->health().ok);
  crash();
  EXPECT_EQ(open_error(), Errc::corrupt) << "it remembers";
}

TEST_F(IndexFaultTest, Damage_met_by_a_change_stops_changes_and_is_remembered) {
  fill(50);
  stop();
  std::string bytes = read_file(file());
  const std::string digest(as_text(blake2b_256("cancel2")));
  for (std::size_t at = bytes.find(digest); at != std::string::npos;
       at = bytes.find(digest, at + 1)) {
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
  }
  write_file(file(), bytes);
  open();
  EXPECT_FALSE(wait(index_->add_or_renew(test_index(3), {}, client_lease(1, 5000))));
  EXPECT_FALSE(index_->health().ok);
  auto later = wait(index_->set_value("a", "b"));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code(), Errc::io_error);
  crash();
  EXPECT_EQ(open_error(), Errc::corrupt);
}

TEST_F(IndexFaultTest, Random_flips_never_crash_and_the_full_check_finds_structural_ones) {
  fill(500);
  stop();
  const std::string good = read_file(file());
  std::uint64_t seed = 12345;
  std::size_t found = 0;
  for (int round = 0; round < 30; ++round) {
    std::string bad = good;
    for (int flip = 0; flip < 40; ++flip) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      bad[(seed >> 20) % bad.size()] ^= static_cast<char>(1 << ((seed >> 13) & 7));
    }
    for (const char* tail : {"-wal", "-shm"}) std::filesystem::remove(file().string() + tail);
    write_file(file(), bad);
    auto opened = FullIndex::open_full(options(), clock_);
    if (!opened) {
      ++found;
      continue;
    }
    index_ = std::move(*opened);
    for (std::uint64_t n = 0; n < 500; n += 7) {
      (void)index_->find(test_index(n));
      (void)index_->leases(share_id(n));
    }
    (void)wait(index_->add_or_renew(test_index(3), {}, client_lease(1, 5000)));
    auto findings = wait(index_->check());
    if (!findings || !findings->empty()) ++found;
    index_.reset();
  }
  EXPECT_GE(found, 29u) << "40 flipped bits in " << good.size() << " bytes go unnoticed";
}

TEST_F(IndexFaultTest, A_sound_index_passes_the_full_check) {
  fill(500);
  EXPECT_TRUE(must(index_->check()).empty());
  EXPECT_TRUE(must(index_->check()).empty());
  EXPECT_TRUE(index_->health().ok);
}

TEST_F(IndexFaultTest, A_full_disk_refuses_changes_and_passes) {
  add_share(1, 0, 1000);
  fault_vfs::fill_disk_after(0);
  auto refused = wait(index_->set_value("big", std::string(100'000, 'x')));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_TRUE(refused.error().outcome_known());
  EXPECT_FALSE(index_->health().ok);
  EXPECT_EQ(must(index_->find(test_index(1))).shares.size(), 1u) << "reads go on";
  EXPECT_FALSE(wait(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000))));
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, 1000);

  fault_vfs::reset();
  must(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  EXPECT_TRUE(index_->health().ok) << index_->health().sentence;
  EXPECT_EQ(must(index_->get_value("big")), std::nullopt);
  crash_and_open();
  EXPECT_EQ(must(index_->leases(share_id(1)))[0].expires_at, 5000);
  expect_exact_totals();
}

TEST_F(IndexFaultTest, A_failed_sync_poisons_the_index) {
  add_share(1, 0, 1000);
  fault_vfs::fail_syncs_after(0);
  auto failed = wait(index_->add_or_renew(test_index(1), {}, client_lease(1, 5000)));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::io_error);
  EXPECT_FALSE(failed.error().outcome_known());
  EXPECT_FALSE(index_->health().ok);
  fault_vfs::reset();
  auto later = wait(index_->set_value("a", "b"));
  ASSERT_FALSE(later) << "a sync that failed is not tried again";
  EXPECT_EQ(later.error().code(), Errc::io_error);
  EXPECT_TRUE(later.error().outcome_known());
  EXPECT_EQ(must(index_->find(test_index(1))).shares.size(), 1u);
  stop_and_open();
  EXPECT_FALSE(index_->was_stopped_cleanly()) << "a poisoned index was not stopped cleanly";
  EXPECT_TRUE(index_->health().ok);
  add_share(2, 0, 1000);
}

// SQLite's own method: the n-th call fails and all after it, for every n until none is met.
TEST_F(IndexFaultTest, Whatever_call_fails_acknowledged_changes_survive) {
  add_share(1, 0, 1000);
  std::int64_t end = 1000;
  bool met_none = false;
  for (std::int64_t n = 0; n < 200 && !met_none; ++n) {
    fault_vfs::reset();
    fault_vfs::fail_everything_after(n);
    std::int64_t acknowledged = end;
    std::int64_t attempted = end;
    for (int i = 0; i < 3; ++i) {
      attempted = acknowledged + 10;
      if (!wait(index_->add_or_renew(test_index(1), {}, client_lease(1, attempted)))) break;
      acknowledged = attempted;
    }
    if (acknowledged == attempted && wait(index_->fold_renewals())) {
      (void)wait(index_->settle_slot(test_index(2), {mutable_info(0)}, {}, 5, 6));
    }
    met_none = fault_vfs::injected() == 0;
    fault_vfs::reset();
    crash_and_open();
    end = must(index_->leases(share_id(1)))[0].expires_at;
    EXPECT_TRUE(end == acknowledged || end == attempted) << n << ": " << end;
    expect_exact_totals();
    must(index_->settle_slot(test_index(2), {}, {}, 5, 6));
  }
  EXPECT_TRUE(met_none);
}

// W25: there is no commit for each statement.
TEST_F(IndexFaultTest, Many_waiting_changes_share_a_sync) {
  for (std::uint64_t n = 0; n < 10; ++n) add_share(n, 0, 1000);
  const std::uint64_t before = fault_vfs::syncs();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    boost::asio::co_spawn(
        context_,
        index_->add_or_renew(test_index(i % 10), {}, client_lease(1, 5000 + static_cast<int>(i))),
        boost::asio::detached);
  }
  context_.restart();
  context_.run();
  EXPECT_LE(fault_vfs::syncs() - before, 50u);
  EXPECT_GE(fault_vfs::syncs() - before, 1u);
  EXPECT_EQ(must(index_->leases(share_id(9)))[0].expires_at, 5999);
}

TEST_F(IndexFaultTest, Without_the_right_to_write_open_answers_forbidden) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  add_share(1, 0, 1000);
  stop();
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0555));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setuid(65534) != 0) ::_exit(100);
    auto opened = FullIndex::open_full(options(), clock_);
    ::_exit(opened ? 101 : static_cast<int>(opened.error().code()));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(Errc::forbidden));
}

// A child renews, uploads and says what was acknowledged; it is killed in the middle.
TEST_F(IndexFaultTest, Killed_at_any_moment_what_was_acknowledged_survives) {
  for (std::uint64_t n = 0; n < 16; ++n) add_share(n, 0, 1000);
  stop();
  std::int64_t base = 2000;
  for (int round = 0; round < 5; ++round, base += 100'000) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      auto opened = FullIndex::open_full(options(), clock_);
      if (!opened) ::_exit(1);
      boost::asio::io_context loop(1);
      const auto work = [&](std::uint64_t n) -> boost::asio::awaitable<void> {
        for (std::int64_t i = 0;; ++i) {
          auto done =
              co_await (*opened)->add_or_renew(test_index(n), {}, client_lease(1, base + i));
          if (!done) ::_exit(2);
          if (i % 20 == 7 && !co_await (*opened)->fold_renewals()) ::_exit(4);
          const std::int64_t words[2] = {static_cast<std::int64_t>(n), base + i};
          if (::write(ends[1], words, sizeof words) != sizeof words) ::_exit(3);
        }
      };
      for (std::uint64_t n = 0; n < 16; ++n) {
        boost::asio::co_spawn(loop, work(n), boost::asio::detached);
      }
      loop.run();
      ::_exit(0);
    }
    ::close(ends[1]);
    std::map<std::int64_t, std::int64_t> acknowledged;
    std::int64_t words[2];
    const std::size_t enough = 300 + 400 * static_cast<std::size_t>(round);
    std::size_t heard = 0;
    while (::read(ends[0], words, sizeof words) == sizeof words) {
      acknowledged[words[0]] = words[1];
      if (++heard == enough) ::kill(child, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);

    open();
    EXPECT_FALSE(index_->was_stopped_cleanly());
    for (const auto& [n, end] : acknowledged) {
      const Leases leases = must(index_->leases(share_id(static_cast<std::uint64_t>(n))));
      EXPECT_GE(leases[0].expires_at, end) << "share " << n;
      EXPECT_LE(leases[0].expires_at, end + 2) << "share " << n;
    }
    expect_exact_totals();
    EXPECT_TRUE(must(index_->check()).empty());
    stop();
  }
}

TEST(IndexSchemaTest, Migrations_run_once_in_order_and_whole) {
  TempDir directory;
  const auto open = [&] {
    auto connection = index_db::Connection::open(directory / "x.sqlite",
                                                 index_db::Connection::Mode::read_write, 1 << 20);
    EXPECT_TRUE(connection);
    return std::move(*connection);
  };
  const char* first = "create table a(x); insert into a values(1)";
  const char* second = "alter table a add column y; update a set y=x+1";
  const char* broken = "update a set x=100; select * from nowhere";
  {
    auto connection = open();
    const auto created = index_db::prepare_schema(*connection, std::array{first});
    ASSERT_TRUE(created) << created.error().message();
    EXPECT_TRUE(*created);
  }
  {
    auto connection = open();
    EXPECT_FALSE(index_db::prepare_schema(*connection, std::array{first, second, broken}));
  }
  {
    auto connection = open();
    const auto created = index_db::prepare_schema(*connection, std::array{first, second});
    ASSERT_TRUE(created) << created.error().message();
    EXPECT_FALSE(*created);
    EXPECT_EQ(connection->integer("select x * 10 + y from a"), 12)
        << "the broken step left nothing";
    EXPECT_EQ(connection->integer("select version from schema"), 2);
  }
  {
    auto connection = open();
    ASSERT_TRUE(index_db::prepare_schema(*connection, std::array{first, second}));
    EXPECT_EQ(connection->integer("select x * 10 + y from a"), 12);
    const auto older = index_db::prepare_schema(*connection, std::array{first});
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().code(), Errc::corrupt);
  }
}

}  // namespace
}  // namespace sharestore
