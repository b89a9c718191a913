#include "backends/object/hedged_get.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <span>
#include <utility>

#include "backends/object/timed_wait.h"

namespace sharestore {

namespace {

constexpr std::uint64_t kSmallestClassBytes = 256 * 1024;
constexpr double kMaxAllowance = 10;
// While too few answers are known, and never less: a hedge within this helps nobody.
constexpr std::chrono::milliseconds kFirstPatience{1000};
constexpr std::chrono::milliseconds kLeastPatience{20};
constexpr float kLeastOfUsual = 1.1F;
constexpr float kMostOfUsual = 2;

}  // namespace

std::size_t HedgedGets::class_of(std::uint64_t length) {
  if (length == 0) return kClasses - 1;  // a whole object of any size
  std::size_t index = 0;
  for (std::uint64_t most = kSmallestClassBytes; most < length && index + 1 < kClasses; most *= 2) {
    ++index;
  }
  return index;
}

// What 98 of 100 stay below, so that no more are asked twice than may be; but a little more than
// nine of ten take, as the times of an even store lie close together, and no more than twice that,
// as the slowest of the times known may be those of stalled requests.
Duration HedgedGets::patience(std::uint64_t length) {
  const std::lock_guard hold(mutex_);
  const Times& times = times_[class_of(length)];
  if (times.count < Times::kEnough) return kFirstPatience;
  const auto wait = std::chrono::duration<float>(
      std::clamp(times.slow, kLeastOfUsual * times.usual, kMostOfUsual * times.usual));
  return std::max<Duration>(std::chrono::duration_cast<Duration>(wait), kLeastPatience);
}

void HedgedGets::took(std::uint64_t length, Duration time) {
  const std::lock_guard hold(mutex_);
  Times& times = times_[class_of(length)];
  times.seconds[times.count++ % Times::kKept] = std::chrono::duration<float>(time).count();
  // Sorting a few numbers now and then is cheap beside a request.
  if (times.count % Times::kEnough != 0) return;
  std::array<float, Times::kKept> sorted = times.seconds;
  const std::size_t known = std::min(times.count, Times::kKept);
  std::ranges::sort(std::span(sorted).first(known));
  times.usual = sorted[known * 9 / 10];
  times.slow = sorted[known * 98 / 100];
}

bool HedgedGets::may_hedge() {
  const std::lock_guard hold(mutex_);
  if (allowance_ < 1) return false;
  allowance_ -= 1;
  return true;
}

void HedgedGets::start(OpContext context, Question question, std::shared_ptr<Race> race) {
  {
    const std::lock_guard hold(race->mutex);
    ++race->running;
  }
  running_.begin();
  boost::asio::co_spawn(executor_, attempt(context, std::move(question), std::move(race)),
                        boost::asio::detached);
}

boost::asio::awaitable<void> HedgedGets::attempt(OpContext context, Question question,
                                                 std::shared_ptr<Race> race) {
  const Monotonic begun = clock_.now();
  auto answer = co_await container_.get(context, question.key, question.offset, question.length,
                                        question.freshness);
  if (answer) took(question.length, clock_.now() - begun);
  // Any answer of the store counts; that it could not be had only if no other attempt may bring
  // one.
  const bool is_final = answer || answer.error().code() == Errc::not_found;
  bool decides = false;
  {
    const std::lock_guard hold(race->mutex);
    --race->running;
    if (!race->is_decided && (is_final || race->running == 0)) {
      decides = race->is_decided = true;
      race->answer = std::move(answer);
    }
  }
  if (decides) race->decided.set();
  running_.end();
}

Task<ObjectBytes> HedgedGets::get(OpContext context, std::string key, std::uint64_t offset,
                                  std::uint64_t length, Freshness freshness) {
  ++gets_;
  {
    const std::lock_guard hold(mutex_);
    allowance_ = std::min(allowance_ + kHedgeShare, kMaxAllowance);
  }
  const auto race = std::make_shared<Race>();
  const std::shared_ptr<AsyncEvent> decided(race, &race->decided);
  const Question question{std::move(key), offset, length, freshness};
  const Monotonic hedge_at = clock_.now() + patience(length);
  start(context, question, race);
  const bool in_time =
      co_await wait_until(executor_, clock_, decided, std::min(hedge_at, context.deadline()));
  if (!in_time && !context.expired() && may_hedge()) {
    ++hedges_;
    start(context, question, race);
  }
  if (!co_await wait_until(executor_, clock_, decided, context.deadline())) {
    co_return fail(Errc::timed_out, "reading " + question.key + " took too long");
  }
  const std::lock_guard hold(race->mutex);
  co_return race->answer;
}

}  // namespace sharestore
