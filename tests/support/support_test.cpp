// The helpers themselves: sleepers wake when due and only then, tasks run to their end.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "tests/support/fake_clock.h"
#include "tests/support/memory_journal.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

namespace asio = boost::asio;
using std::chrono::seconds;

asio::awaitable<void> sleep_then_mark(FakeClock& clock, seconds delay, bool& woke) {
  co_await clock.sleep_until(clock.now() + delay);
  woke = true;
}

TEST(FakeClock, WakesWhoIsDueAndNobodyElse) {
  FakeClock clock;
  asio::io_context context;
  bool early = false;
  bool late = false;
  asio::co_spawn(context, sleep_then_mark(clock, seconds(5), early), asio::detached);
  asio::co_spawn(context, sleep_then_mark(clock, seconds(50), late), asio::detached);
  context.poll();
  EXPECT_EQ(clock.sleepers(), 2u);
  EXPECT_EQ(clock.only_wake(), std::nullopt);
  clock.advance(seconds(4));
  context.poll();
  EXPECT_FALSE(early);
  clock.advance(seconds(1));
  context.poll();
  EXPECT_TRUE(early);
  EXPECT_FALSE(late);
  EXPECT_EQ(clock.only_wake(), clock.now() + seconds(45));
  EXPECT_TRUE(clock.advance_to_next());
  context.poll();
  EXPECT_TRUE(late);
  EXPECT_FALSE(clock.advance_to_next());
}

TEST(MemoryJournal, KeepsIntentsUntilDroppedAndObeysItsHook) {
  MemoryJournal journal;
  const auto id = run_task(journal.put_intent(test_index(1), "body"));
  ASSERT_TRUE(id);
  ASSERT_EQ(journal.intents()->size(), 1u);
  EXPECT_EQ(journal.intents()->front().body, "body");
  journal.set_hook([](const char*) { return Status(fail(Errc::io_error, "no")); });
  EXPECT_FALSE(run_task(journal.drop_intent(*id)));
  journal.set_hook({});
  EXPECT_TRUE(run_task(journal.drop_intent(*id)));
  EXPECT_TRUE(journal.intents()->empty());
}

TEST(TempDir, GoesAwayWithItsContent) {
  std::filesystem::path path;
  {
    const TempDir dir;
    path = dir.path();
    write_file(dir / "a/b", "content");
    EXPECT_EQ(read_file(dir / "a/b"), "content");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace sharestore
