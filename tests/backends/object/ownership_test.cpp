// One node and one instance of it write to a container (W16: nothing kept two servers apart).
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>

#include "tests/backends/object/object_fixture.h"

namespace sharestore {
namespace {

class Owner : public ObjectTest {
 protected:
  // Another machine: its own directory, the same container.
  Status start_elsewhere(ObjectPlace& place, std::string node, bool take_over = false) {
    ObjectBackendOptions options = place.options();
    options.node_name = std::move(node);
    options.take_over = take_over;
    other_ = place.open(std::make_unique<FaultContainer>(container_, faults_), other_journal_,
                        clock_, std::move(options));
    return run(other_->start(context()));
  }
  void stop_other() {
    if (other_) {
      EXPECT_TRUE(run(other_->stop(context())));
    }
    other_.reset();
  }
  // Until the backend has looked at the owner again.
  void next_look() {
    for (int i = 0; i < 13; ++i) {
      clock_.advance(std::chrono::seconds(5));
      // What is woken runs on the place's loop, in a few steps.
      for (int step = 0; step < 20; ++step) {
        boost::asio::post(place_.executor(), boost::asio::use_future([] {})).get();
      }
    }
  }

  MemoryJournal other_journal_;
  std::unique_ptr<Backend> other_;
};

TEST_F(Owner, W16_ASecondNodeIsRefused) {
  ObjectPlace elsewhere;
  const Status started = start_elsewhere(elsewhere, "node-b");
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::forbidden);
  EXPECT_NE(started.error().message().find("node-a"), std::string::npos);
  stop_other();
  // Nor with a take-over: that is for instances of one node.
  const Status forced = start_elsewhere(elsewhere, "node-b", true);
  ASSERT_FALSE(forced);
  EXPECT_EQ(forced.error().code(), Errc::forbidden);
  stop_other();
  EXPECT_TRUE(upload(kOne, "still ours"));
}

TEST_F(Owner, W16_ACloneIsRefusedWhileTheFirstRuns) {
  ObjectPlace elsewhere;
  const Status started = start_elsewhere(elsewhere, "node-a");
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::forbidden);
  EXPECT_NE(started.error().message().find("take-over"), std::string::npos);
  stop_other();
}

TEST_F(Owner, AnotherMachineTakesOverAfterACleanStop) {
  ASSERT_TRUE(upload(kOne, "moved"));
  close();
  ObjectPlace elsewhere;
  const Status started = start_elsewhere(elsewhere, "node-a");
  EXPECT_TRUE(started) << (started ? "" : started.error().message());
  stop_other();
}

TEST_F(Owner, TheSameNodeStartsAgainAfterACrash) {
  ASSERT_TRUE(upload(kOne, "kept"));
  kill();
  open();
  EXPECT_EQ(content(kOne), "kept");
}

TEST_F(Owner, AfterAFailOverTheOldInstanceWritesNoMore) {
  ASSERT_TRUE(upload(kOne, "first"));
  auto begun = begin(kTen, 5);
  ASSERT_TRUE(begun);
  ObjectPlace elsewhere;
  ASSERT_TRUE(start_elsewhere(elsewhere, "node-a", true));
  // At once: what takes something away looks at the owner first.
  const Status removed = run(backend_->remove(context(), kOne));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::forbidden);
  EXPECT_EQ(run(backend_->quarantine(context(), kOne)).error().code(), Errc::forbidden);
  EXPECT_FALSE(backend_->health().ok);
  EXPECT_EQ(upload({test_index(2), 0}, "x").error().code(), Errc::forbidden);
  EXPECT_EQ(write({test_index(3), 0}, "x").error().code(), Errc::forbidden);
  EXPECT_EQ(run(backend_->put_state(context(), "x", Bytes())).error().code(), Errc::forbidden);
  EXPECT_EQ(content(kOne), "first") << "reading harms nobody";
  (*begun).reset();
  close();
  // Its stop did not take the container back.
  EXPECT_TRUE(run(other_->remove(context(), kOne)));
  stop_other();
}

TEST_F(Owner, TheOwnerIsLookedAtEveryMinute) {
  ObjectPlace elsewhere;
  ASSERT_TRUE(start_elsewhere(elsewhere, "node-a", true));
  next_look();
  EXPECT_FALSE(backend_->health().ok);
  EXPECT_EQ(upload(kOne, "x").error().code(), Errc::forbidden);
  close();
  stop_other();
}

TEST_F(Owner, AnOwnerObjectThatSomebodyRemovedIsWrittenAgain) {
  ASSERT_TRUE(upload(kOne, "x"));
  ASSERT_TRUE(run(container_->remove(context(), keys_.owner())));
  clock_.advance(std::chrono::seconds(2));
  EXPECT_TRUE(run(backend_->remove(context(), kOne)));
  EXPECT_NE(object(keys_.owner()).find("node-a"), std::string::npos);
}

TEST_F(Owner, NothingIsRemovedWhileTheOwnerCannotBeRead) {
  ASSERT_TRUE(upload(kOne, "x"));
  clock_.advance(std::chrono::seconds(2));
  faults_->set_plain([](const ContainerCall& call) -> Status {
    if (call.name == "get") return fail(Errc::unavailable, "down");
    return {};
  });
  const Status removed = run(backend_->remove(context(), kOne));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::unavailable);
  faults_->clear();
  EXPECT_EQ(content(kOne), "x");
}

TEST_F(Owner, ANewerFormatIsRefused) {
  close();
  std::string owner = object(keys_.owner());
  owner.replace(owner.find("\"format\":1"), 10, "\"format\":2");
  put_object(keys_.owner(), owner);
  backend_ = make(place_.options());
  const Status started = run(backend_->start(context()));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::forbidden);
  EXPECT_NE(started.error().message().find("format 2"), std::string::npos);
}

TEST_F(Owner, RubbishAsOwnerIsSaid) {
  close();
  put_object(keys_.owner(), "{");
  backend_ = make(place_.options());
  const Status started = run(backend_->start(context()));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), Errc::corrupt);
}

TEST_F(Owner, AStartIsKilledAtEveryStepAndTheNextOneWorks) {
  for (std::size_t step = 0;; ++step) {
    ASSERT_LT(step, 100u);
    kill();
    std::atomic<std::size_t> seen = 0;
    std::atomic<bool> dead = false;
    faults_->set_plain([&](const ContainerCall&) -> Status {
      if (seen++ == step) dead = true;
      if (dead) return fail(Errc::unavailable, "killed", false);
      return {};
    });
    backend_ = make(place_.options());
    (void)run(backend_->start(context()));
    const bool survived = !dead;
    kill();
    open();
    ASSERT_TRUE(backend_->health().ok) << step << ": " << backend_->health().sentence;
    if (survived) break;
  }
}

}  // namespace
}  // namespace sharestore
