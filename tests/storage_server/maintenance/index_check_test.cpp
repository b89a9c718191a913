// The full check of the index: when it runs, and what it says.
#include "storage_server/maintenance/index_check.h"

#include <atomic>
#include <boost/asio/co_spawn.hpp>

#include "tests/storage_server/index/index_fixture.h"

namespace sharestore {
namespace {

class IndexCheckTest : public IndexTest {
 protected:
  std::string last_check() { return must(index_->get_value("check.last")).value_or(""); }
  // Lets the check run for so long on the clock, or until it ends by itself.
  bool run_for(Duration budget) {
    std::atomic<bool> stopping{false};
    bool ended = false;
    boost::asio::co_spawn(context_, run_index_check(*index_, clock_, stopping),
                          [&ended](const std::exception_ptr&) { ended = true; });
    context_.restart();
    const Monotonic end = clock_.now() + budget;
    while (!ended) {
      if (clock_.sleepers() == 0) {
        context_.run_one();
      } else if (context_.poll() == 0) {
        if (*clock_.next_wake() > end) stopping = true;
        clock_.advance_to_next();
      }
    }
    return stopping;
  }
};

TEST_F(IndexCheckTest, RunsAnHourAfterTheStartAndThenOnceAWeek) {
  add_share(1, 0, now() + 1000);
  EXPECT_TRUE(run_for(std::chrono::minutes(50)));
  EXPECT_EQ(last_check(), "");
  EXPECT_TRUE(run_for(std::chrono::hours(2)));
  const std::string first = last_check();
  EXPECT_NE(first, "");
  EXPECT_TRUE(run_for(std::chrono::hours(6 * 24)));
  EXPECT_EQ(last_check(), first) << "a restart is no reason to check again";
  EXPECT_TRUE(run_for(std::chrono::hours(2 * 24)));
  EXPECT_NE(last_check(), first);
  EXPECT_TRUE(index_->health().ok);
}

TEST_F(IndexCheckTest, EndsWithAnUnhealthyIndexWhenItFindsDamage) {
  for (std::uint64_t n = 0; n < 50; ++n) add_share(n, 0, now() + 1000);
  stop();
  std::string bytes = read_file(file());
  const std::string digest(as_text(blake2b_256("cancel1")));
  for (std::size_t at = 0; (at = bytes.find(digest, at)) != std::string::npos; ++at) {
    bytes[at + 7] = static_cast<char>(bytes[at + 7] ^ 4);
  }
  write_file(file(), bytes);
  open();
  EXPECT_FALSE(run_for(std::chrono::hours(2)));
  EXPECT_FALSE(index_->health().ok);
  crash();
  EXPECT_FALSE(FullIndex::open_full(options(), clock_)) << "the next start builds a new one";
}

}  // namespace
}  // namespace sharestore
