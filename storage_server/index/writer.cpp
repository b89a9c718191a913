#include "storage_server/index/writer.h"

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace sharestore::index_db {

namespace {

// Renewals are merged at the latest this long after they came, when there is nothing else to do.
constexpr std::chrono::seconds kFoldEvery{60};

bool is_fatal(int failure_code) {
  const int primary = failure_code & 0xff;
  return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

bool is_damage(int failure_code) {
  const int primary = failure_code & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

}  // namespace

template <class T, class Handler>
struct Writer::ChangeOf final : Change {
  ChangeOf(Work<T> w, Handler h)
      : work(std::move(w)),
        handler(std::move(h)),
        guard(boost::asio::make_work_guard(boost::asio::get_associated_executor(handler))) {}
  void run(Store& store) override { result.emplace(work(store)); }
  void finish(const Status& committed) override {
    Result<T> answer = committed ? std::move(*result) : Result<T>(fail(committed.error()));
    auto executor = guard.get_executor();
    boost::asio::post(executor,
                      [handler = std::move(handler), answer = std::move(answer)]() mutable {
                        std::move(handler)(std::move(answer));
                      });
    guard.reset();
  }
  Work<T> work;
  Handler handler;
  // Keeps the caller's loop alive while the change is in the writer's hands.
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> guard;
  std::optional<Result<T>> result;
};

struct Writer::ChangeBehind final : Change {
  ChangeBehind(Unwritten& unwritten_changes, SlotUpdate update, Work<void> w)
      : unwritten(unwritten_changes),
        recorded(std::move(update.recorded)),
        change(std::make_shared<SlotUpdate>(std::move(update))),
        work(std::move(w)) {}
  void run(Store& store) override { (void)work(store); }
  // What was answered stays visible, whatever becomes of the database.
  void finish(const Status& committed) override {
    if (!committed) return;
    *recorded = true;
    unwritten.drop(change);
  }
  bool is_behind() const override { return true; }
  Unwritten& unwritten;
  const RecordedFlag recorded;
  const Unwritten::Change change;
  Work<void> work;
};

template <class T>
boost::asio::awaitable<Result<T>> Writer::enqueue(Work<T> work) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Result<T>)>(
      [this](auto handler, Work<T> w) {
        using Handler = decltype(handler);
        push(std::make_unique<ChangeOf<T, Handler>>(std::move(w), std::move(handler)));
      },
      boost::asio::use_awaitable, std::move(work));
}

template <class T>
Task<T> Writer::submit(Work<T> work) {
  while (true) {
    switch (reserve()) {
      case Admission::admitted: co_return co_await enqueue<T>(std::move(work));
      case Admission::stopped: co_return fail(stopped_error());
      case Admission::full: co_await wait_for_room(); break;
    }
  }
}

Task<void> Writer::submit_behind(SlotUpdate change, Work<void> work) {
  while (shared_.trouble().empty() && !shared_.poisoned()) {
    switch (reserve()) {
      case Admission::admitted: {
        auto behind =
            std::make_unique<ChangeBehind>(shared_.unwritten, std::move(change), std::move(work));
        shared_.unwritten.add(behind->change);
        push(std::move(behind));
        co_return Status{};
      }
      case Admission::stopped: co_return fail(stopped_error());
      case Admission::full: co_await wait_for_room(); break;
    }
  }
  const RecordedFlag recorded = std::move(change.recorded);
  Status written = co_await submit<void>(std::move(work));
  if (written) *recorded = true;
  co_return written;
}

template Task<void> Writer::submit<void>(Work<void>);
template Task<bool> Writer::submit<bool>(Work<bool>);
template Task<std::uint64_t> Writer::submit<std::uint64_t>(Work<std::uint64_t>);
template Task<LeaseOutcome> Writer::submit<LeaseOutcome>(Work<LeaseOutcome>);
template Task<RecordedBatch> Writer::submit<RecordedBatch>(Work<RecordedBatch>);
template Task<SweepStep> Writer::submit<SweepStep>(Work<SweepStep>);

Writer::Writer(std::unique_ptr<Store> store, SharedState& shared, std::size_t max_queued)
    : shared_(shared), max_queued_(std::max<std::size_t>(max_queued, 1)), store_(std::move(store)) {
  checkpointer_.emplace(store_->connection(), shared);
  thread_ = std::thread([this] { run(); });
}

Writer::~Writer() { stop(false); }

Error Writer::stopped_error() { return Error(Errc::cancelled, "the index has stopped"); }

Writer::Admission Writer::reserve() {
  std::lock_guard lock(mutex_);
  if (stopping_) return Admission::stopped;
  if (reserved_ >= max_queued_) return Admission::full;
  ++reserved_;
  return Admission::admitted;
}

boost::asio::awaitable<void> Writer::wait_for_room() {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
      [this](auto handler) {
        auto guard = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        std::move_only_function<void()> resume = [handler = std::move(handler),
                                                  guard = std::move(guard)]() mutable {
          boost::asio::post(guard.get_executor(), std::move(handler));
          guard.reset();
        };
        {
          std::lock_guard lock(mutex_);
          if (!stopping_ && reserved_ >= max_queued_) {
            waiting_for_room_.push_back(std::move(resume));
            return;
          }
        }
        resume();
      },
      boost::asio::use_awaitable);
}

void Writer::push(std::unique_ptr<Change> change) {
  std::unique_ptr<Change> refused;
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      if (!change->is_behind()) ++awaited_;
      queue_.push_back(std::move(change));
      wake = queue_.size() == 1 || must_go_on();
    } else {
      --reserved_;
      refused = std::move(change);
    }
  }
  if (refused) return refused->finish(fail(stopped_error()));
  if (wake) wake_.notify_one();
}

Task<void> Writer::fold() {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Status)>(
      [this](auto handler) {
        auto guard = boost::asio::make_work_guard(boost::asio::get_associated_executor(handler));
        std::move_only_function<void(Status)> resume =
            [handler = std::move(handler), guard = std::move(guard)](Status status) mutable {
              boost::asio::post(guard.get_executor(), [handler = std::move(handler),
                                                       status = std::move(status)]() mutable {
                std::move(handler)(std::move(status));
              });
              guard.reset();
            };
        {
          std::lock_guard lock(mutex_);
          if (!stopping_) {
            waiting_for_fold_.push_back(std::move(resume));
            wake_.notify_one();
            return;
          }
        }
        resume(fail(stopped_error()));
      },
      boost::asio::use_awaitable);
}

// With mutex_ held: whether the queue must not wait for more.
bool Writer::must_go_on() const {
  return awaited_ != 0 || stopping_ || !waiting_for_fold_.empty() ||
         (queue_.size() >= kEnoughBehind && !is_stuck_);
}

void Writer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto has_work = [this] { return !queue_.empty() || must_go_on(); };
  // A pass under way fills idle moments; without one the wait ends when the next is due.
  if (fold_failed_ || !store_->has_renewals()) {
    wake_.wait(lock, has_work);
  } else if (!store_->fold_is_running() && !store_->fold_is_urgent()) {
    wake_.wait_until(lock, last_fold_ + kFoldEvery, has_work);
  }
  if (queue_.empty()) return;
  const std::chrono::milliseconds behind = is_stuck_ ? kTryAgainAfter : kWriteBehind;
  wake_.wait_for(lock, behind, [this] { return must_go_on(); });
}

Writer::Round Writer::next_round() {
  Round round;
  std::vector<std::move_only_function<void()>> resumed;
  {
    std::unique_lock lock(mutex_);
    wait_for_work(lock);
    const std::size_t count = std::min(queue_.size(), kMaxGroup);
    for (std::size_t i = 0; i < count; ++i) {
      if (!queue_.front()->is_behind()) --awaited_;
      round.group.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    reserved_ -= count;
    const std::size_t room = max_queued_ - std::min(reserved_, max_queued_);
    for (std::size_t i = 0; i < room && !waiting_for_room_.empty(); ++i) {
      resumed.push_back(std::move(waiting_for_room_.front()));
      waiting_for_room_.pop_front();
    }
    round.fold = !waiting_for_fold_.empty();
    round.stop = stopping_ && queue_.empty();
  }
  for (auto& resume : resumed) resume();
  return round;
}

void Writer::run() {
  while (true) {
    Round round = next_round();
    const bool stop = round.stop;
    if (!round.group.empty()) commit_group(round.group);
    round.group.clear();  // what the changes hold must not wait for the fold
    if (stop) return;
    fold_now_and_then(round);
  }
}

Status Writer::writable() const {
  if (auto poison = shared_.poisoned()) return fail(Errc::io_error, *poison);
  return {};
}

void Writer::commit_group(std::vector<std::unique_ptr<Change>>& group) {
  Status status = writable();
  if (status) {
    store_->begin();
    for (const auto& change : group) {
      if (!store_->ok()) break;
      change->run(*store_);
    }
    status = store_->commit();
    note_failure(status);
    if (status) checkpointer_->committed();
  }
  if (!status && writable()) put_back(group);
  for (const auto& change : group) change->finish(status);
  const std::lock_guard lock(mutex_);
  is_stuck_ = !status;
}

// What nobody waits for goes back to the head of the queue, but for a stop.
void Writer::put_back(std::vector<std::unique_ptr<Change>>& group) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  for (auto change = group.rbegin(); change != group.rend(); ++change) {
    if (!(*change)->is_behind()) continue;
    queue_.push_front(std::move(*change));
    ++reserved_;
  }
  std::erase(group, nullptr);
}

void Writer::note_failure(const Status& status) {
  if (status) {
    if (!shared_.trouble().empty()) shared_.set_trouble("");
    fold_failed_ = false;
    return;
  }
  fold_failed_ = true;
  const int code = store_->failure_code();
  if (status.error().code() == Errc::no_space) {
    shared_.set_trouble("the disk of the index is full: " + status.error().message());
  } else if (is_fatal(code)) {
    if (is_damage(code)) store_->mark_damaged();
    shared_.poison(status.error().message());
  } else {
    shared_.set_trouble(status.error().message());
  }
}

void Writer::fold_now_and_then(const Round& round) {
  if (round.fold) {
    fold_all();
    return;
  }
  if (!writable() || fold_failed_ || !store_->has_renewals()) return;
  const bool urgent = store_->fold_is_urgent();
  if (!store_->fold_is_running()) {
    const auto now = std::chrono::steady_clock::now();
    if (!urgent && now < last_fold_ + kFoldEvery) return;
    last_fold_ = now;
    store_->begin_fold();
  }
  if (!urgent) {
    std::lock_guard lock(mutex_);
    if (!queue_.empty()) return;
  }
  const Status status = store_->fold_step();
  note_failure(status);
  if (status) checkpointer_->committed();
}

void Writer::fold_all() {
  std::vector<std::move_only_function<void(Status)>> waiting;
  {
    std::lock_guard lock(mutex_);
    waiting.swap(waiting_for_fold_);
  }
  Status status = writable();
  // A pass under way may have gone past what came later: after it, one more over everything.
  for (int pass = 0; pass < 2 && status; ++pass) {
    store_->begin_fold();
    while (status && store_->fold_is_running()) {
      status = store_->fold_step();
      note_failure(status);
      if (status) checkpointer_->committed();
    }
    if (!store_->has_renewals()) break;
  }
  last_fold_ = std::chrono::steady_clock::now();
  for (auto& resume : waiting) resume(status);
}

void Writer::stop(bool clean) {
  std::lock_guard join_lock(join_mutex_);
  if (!thread_.joinable()) return;
  std::deque<std::unique_ptr<Change>> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    clean_ = clean;
    if (!clean) {
      dropped.swap(queue_);
      reserved_ -= dropped.size();
      awaited_ = 0;
    }
  }
  wake_.notify_all();
  thread_.join();
  for (const auto& change : dropped) change->finish(fail(stopped_error()));
  end(clean);
}

void Writer::end(bool clean) {
  std::deque<std::move_only_function<void()>> rooms;
  std::vector<std::move_only_function<void(Status)>> folds;
  {
    std::lock_guard lock(mutex_);
    rooms.swap(waiting_for_room_);
    folds.swap(waiting_for_fold_);
  }
  for (auto& resume : rooms) resume();
  for (auto& resume : folds) resume(fail(stopped_error()));
  if (clean && writable()) note_failure(store_->write_clean_mark());
  checkpointer_->finish();
  checkpointer_.reset();
  store_.reset();
}

}  // namespace sharestore::index_db
