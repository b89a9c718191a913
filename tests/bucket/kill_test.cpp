// A process that uploads and writes is killed at each point of kill_points.h; another one starts on
// what it left.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "backends/object/object_backend.h"
#include "storage_server/index/full_index.h"
#include "storage_server/shares/share_store.h"
#include "tests/bucket/kill_points.h"
#include "tests/bucket/killing_index.h"
#include "tests/support/directory_container.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_container.h"
#include "tests/support/needs_fork.h"
#include "tests/support/object_place.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;

// One life of a node over `directory`, which holds its index, its spool and its store.
class Life {
 public:
  Life(const fs::path& directory, KillingIndex::Hook hook) : directory_(directory) {
    faults_->set_plain([hook](const ContainerCall& call) -> Status {
      if (call.changes() && call.key.contains("/shares/")) {
        hook(call.name + (call.after ? ".after" : ".before"));
      }
      return {};
    });
    IndexOptions options;
    options.file = directory / "index.sqlite";
    options.kept_outside = KeptOutside::in_batches;
    options.memory_bytes = 4u << 20;
    full_index_ = must(FullIndex::open_full(options, clock_));
    index_ = std::make_unique<KillingIndex>(*full_index_, hook);
    container_ = make_directory_container(directory / "store", clock_);
    ObjectBackendOptions backend = place_.options();
    backend.spool_directory = directory / "incoming";
    backend.instance_file = directory / "instance";
    backend_ = place_.open(std::make_unique<FaultContainer>(container_, faults_), *index_, clock_,
                           backend);
    must(run_task(backend_->start(clock_.context())));
    ShareStoreOptions store;
    store.advisories_directory = directory / "advisories";
    store.spool_directory = directory / "incoming";
    store_ = ShareStore::create(store, *backend_, *index_, place_.pool(), clock_);
    must(run_task(store_->start(clock_.context())));
  }
  ~Life() {
    store_.reset();
    (void)run_task(backend_->stop(clock_.context()));  // it may have been killed
    backend_.reset();
    full_index_->stop();
  }

  void put(ShareId share, const std::string& text, std::size_t bytes_sent) {
    auto allocated =
        must(run_task(store_->allocate(clock_.context(), share.storage_index, {share.number},
                                       text.size(), letter_secrets('r', 'c'), letter_secret('u'))));
    if (allocated.allocated.empty()) return;  // an earlier life has put it
    auto upload = must(store_->find_upload(share, letter_secret('u')));
    must(run_task(upload->write(clock_.context(), 0, Bytes::copy_of(text.substr(0, bytes_sent)))));
    auto progress = must(run_task(upload->finish_write(clock_.context())));
    if (progress.complete) return;
    must(run_task(store_->abort_upload(clock_.context(), share, letter_secret('u'))));
  }
  // An empty text removes the share.
  void write(StorageIndex index, const std::map<ShareNumber, std::string>& texts) {
    ReadTestWrite request;
    for (const auto& [number, text] : texts) {
      if (!text.empty()) request.shares[number].writes.push_back({0, text_source(text)});
      request.shares[number].new_length = text.size();
    }
    auto outcome =
        must(run_task(store_->read_test_write(clock_.context(), index, letter_secret('W'),
                                              letter_secrets('r', 'c'), std::move(request))));
    if (!outcome.success) throw std::runtime_error("the write was refused");
  }
  std::string content(ShareId share, ShareKind kind) {
    auto reader = run_task(store_->open(clock_.context(), share, kind));
    if (!reader) return reader.error().code() == Errc::not_found ? "" : reader.error().message();
    return std::string(
        must(run_task((*reader)->read(clock_.context(), 0, (*reader)->info().data_bytes))).text());
  }
  std::size_t multiparts() {
    return must(run_task(container_->list_multiparts(clock_.context(), "", 100))).size();
  }
  FullIndex& index() { return *full_index_; }

 private:
  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  const fs::path directory_;
  FakeClock clock_;
  ObjectPlace place_;
  std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::shared_ptr<ObjectContainer> container_;
  std::unique_ptr<FullIndex> full_index_;
  std::unique_ptr<KillingIndex> index_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ShareStore> store_;
};

// What the node does, and what is there afterwards; parts have 64 KiB.
struct Action {
  std::function<void(Life&)> run;
  std::map<ShareId, std::string> leaves;  // an empty text: nothing
};

const StorageIndex kSmall = test_index(1);
const StorageIndex kLarge = test_index(2);
const StorageIndex kSingle = test_index(3);
const StorageIndex kSet = test_index(4);
const StorageIndex kGrown = test_index(5);
const StorageIndex kGivenUp = test_index(6);

bool is_mutable(const StorageIndex& index) {
  return index == kSingle || index == kSet || index == kGrown;
}

std::vector<Action> actions() {
  const std::string large = pattern_text(200'000);
  return {
      {[](Life& life) { life.put({kSmall, 1}, "small", 5); }, {{{kSmall, 1}, "small"}}},
      {[large](Life& life) { life.put({kLarge, 10}, large, large.size()); },
       {{{kLarge, 10}, large}}},
      {[](Life& life) { life.write(kSingle, {{1, "one v1"}}); }, {{{kSingle, 1}, "one v1"}}},
      {[](Life& life) { life.write(kSingle, {{1, "one v2"}}); }, {{{kSingle, 1}, "one v2"}}},
      {[](Life& life) { life.write(kSet, {{1, "a v1"}, {2, "b v1"}, {10, "c v1"}}); },
       {{{kSet, 1}, "a v1"}, {{kSet, 2}, "b v1"}, {{kSet, 10}, "c v1"}}},
      {[](Life& life) { life.write(kSet, {{1, "a v2"}, {2, ""}, {10, "c v2"}}); },
       {{{kSet, 1}, "a v2"}, {{kSet, 2}, ""}, {{kSet, 10}, "c v2"}}},
      {[large](Life& life) { life.write(kGrown, {{0, large}}); }, {{{kGrown, 0}, large}}},
      {[large](Life& life) { life.put({kGivenUp, 3}, large, 150'000); }, {{{kGivenUp, 3}, ""}}},
  };
}

std::map<ShareId, std::string> after(const std::vector<Action>& all, std::size_t count) {
  std::map<ShareId, std::string> there;
  for (const Action& action : all) {
    for (const auto& [share, text] : action.leaves) there[share];
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (const auto& [share, text] : all[i].leaves) there[share] = text;
  }
  return there;
}

// Runs the actions in a process of its own, which notes each that was acknowledged, and each point
// it passes, and dies at the point numbered `die_at`.
struct ChildReport {
  std::size_t acknowledged = 0;
  std::vector<std::string> points;
  bool was_killed = false;
};

ChildReport run_child(const fs::path& directory, std::size_t die_at) {
  const fs::path told = directory / "told";
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("TMPDIR", directory.c_str(), 1);  // nobody tidies up behind a killed process
    std::ofstream out(told);
    std::mutex mutex;
    std::size_t passed = 0;
    const auto hook = [&](const std::string& point) {
      const std::lock_guard hold(mutex);
      out << point << std::endl;
      if (passed++ == die_at) ::kill(::getpid(), SIGKILL);
    };
    int code = 0;
    try {
      Life life(directory, hook);
      for (const Action& action : actions()) {
        action.run(life);
        const std::lock_guard hold(mutex);
        out << "acknowledged" << std::endl;
      }
    } catch (const std::exception& error) {
      out << "failed: " << error.what() << std::endl;
      code = 3;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ChildReport report;
  report.was_killed = WIFSIGNALED(status);
  EXPECT_TRUE(report.was_killed || WEXITSTATUS(status) == 0);
  std::ifstream in(told);
  for (std::string line; std::getline(in, line);) {
    if (line == "acknowledged")
      ++report.acknowledged;
    else
      report.points.push_back(line);
    EXPECT_FALSE(line.starts_with("failed")) << line;
  }
  return report;
}

TEST(BucketKill, EveryStepHasAKillPoint) {
  NEEDS_FORK();
  TempDir directory;
  const ChildReport report = run_child(directory.path(), SIZE_MAX);
  EXPECT_EQ(report.acknowledged, actions().size());
  const std::set<std::string> met(report.points.begin(), report.points.end());
  std::set<std::string> named(kKillPoints.begin(), kKillPoints.end());
  EXPECT_EQ(met, named);
}

// W13, W19: a mutable write is old or new whatever was cut off, and leaves no trace that stays.
TEST(BucketKill, KilledAtEveryPointNothingAcknowledgedIsLostAndNothingIsHalf) {
  NEEDS_FORK();
  const auto all = actions();
  for (std::size_t point = 0;; ++point) {
    ASSERT_LT(point, 500u);
    TempDir directory;
    const ChildReport report = run_child(directory.path(), point);
    if (!report.was_killed) break;
    SCOPED_TRACE("killed at " + report.points.back() + ", point " + std::to_string(point));
    const auto old = after(all, report.acknowledged);
    const auto fresh = after(all, std::min(report.acknowledged + 1, all.size()));
    Life next(directory.path(), [](const std::string&) {});
    EXPECT_EQ(next.multiparts(), 0u);
    EXPECT_TRUE(next.index().unfinished_uploads()->empty());
    EXPECT_TRUE(next.index().intents()->empty());
    for (const auto& [share, text] : old) {
      const ShareKind kind =
          is_mutable(share.storage_index) ? ShareKind::mutable_slot : ShareKind::immutable;
      const std::string now = next.content(share, kind);
      EXPECT_TRUE(now == text || now == fresh.at(share))
          << share.to_text() << " is neither old nor new but " << now.size()
          << " bytes: " << now.substr(0, 60);
    }
    // The node works on: the rest is done by its next life.
    for (std::size_t i = report.acknowledged; i < all.size(); ++i) all[i].run(next);
    for (const auto& [share, text] : after(all, all.size())) {
      const ShareKind kind =
          is_mutable(share.storage_index) ? ShareKind::mutable_slot : ShareKind::immutable;
      EXPECT_EQ(next.content(share, kind), text) << share.to_text();
    }
    EXPECT_EQ(next.multiparts(), 0u);
  }
}

}  // namespace
}  // namespace sharestore
