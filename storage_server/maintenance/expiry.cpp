#include "storage_server/maintenance/expiry.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdlib>
#include <exception>
#include <utility>

#include "backends/core/async_event.h"
#include "backends/core/limits.h"
#include "backends/core/log.h"
#include "storage_server/maintenance/expiry_policy.h"

namespace sharestore {

namespace {

constexpr const char* kGraceUntil = "expiry.grace_until";
constexpr const char* kGraceRebuild = "expiry.grace_rebuild";

constexpr std::int64_t kDay = 86400;
constexpr std::size_t kBatchesPerSecond = 50;

std::int64_t number_or_zero(const std::optional<std::string>& text) {
  return text ? std::strtoll(text->c_str(), nullptr, 10) : 0;
}

std::uint64_t shares_of(const ForecastLine& line) {
  return line.immutable_shares + line.mutable_shares;
}
std::uint64_t bytes_of(const ForecastLine& line) {
  return line.immutable_bytes + line.mutable_bytes;
}

}  // namespace

Expiry::Expiry(const ExpireConfig& config, FullIndex& index, ExpiredShares& shares, Clock& clock)
    : config_(config),
      index_(index),
      shares_(shares),
      clock_(clock),
      guard_(index, clock),
      next_removal_(clock.now()),
      next_pass_(clock.now()),
      next_forecast_(clock.now()) {
  report_.enabled = config.enabled;
}

Task<void> Expiry::start() {
  auto noted = co_await note_rebuild();
  if (!noted) co_return noted;
  co_return co_await guard_.start();
}

Task<void> Expiry::note_rebuild() {
  auto state = index_.rebuild_state();
  if (!state) co_return fail(state.error());
  if (!state->has_value()) co_return Status{};
  auto noted = index_.get_value(kGraceRebuild);
  if (!noted) co_return fail(noted.error());
  const std::string generation = std::to_string((*state)->generation);
  if (*noted == generation) co_return Status{};
  const std::int64_t until = unix_seconds(clock_.utc_now()) + kLeaseSeconds;
  auto kept = co_await index_.set_value(kGraceUntil, std::to_string(until));
  if (!kept) co_return kept;
  co_return co_await index_.set_value(kGraceRebuild, generation);
}

Task<void> Expiry::accept_taken_over() {
  next_pass_ = clock_.now();
  co_return co_await index_.set_value(kGraceUntil, "0");
}

Task<void> Expiry::accept_clock() {
  next_pass_ = clock_.now();
  co_return co_await guard_.accept();
}

Task<std::string> Expiry::why_held() {
  if (auto ticked = co_await guard_.tick(); !ticked) co_return fail(ticked.error());
  auto rebuild = index_.rebuild_state();
  if (!rebuild) co_return fail(rebuild.error());
  if (rebuild->has_value()) co_return std::string("the index is being rebuilt");
  auto grace = index_.get_value(kGraceUntil);
  if (!grace) co_return fail(grace.error());
  const std::int64_t left = number_or_zero(*grace) - unix_seconds(clock_.utc_now());
  if (left > 0) {
    co_return "shares that were taken over keep their leases for " +
        std::to_string((left + kDay - 1) / kDay) + " more days (admin accept-expiry ends that)";
  }
  if (!guard_.doubt().empty()) {
    co_return guard_.doubt() +
        "; removals wait for 24 hours of uptime (admin accept-clock ends that)";
  }
  co_return std::string();
}

boost::asio::awaitable<void> Expiry::run(const std::atomic<bool>& stopping) {
  while (!stopping) {
    if (auto ticked = co_await guard_.tick(); !ticked) count_failure(ticked.error());
    if (clock_.now() >= next_pass_) {
      next_pass_ = clock_.now() + kPassEvery;
      auto passed = co_await pass(stopping);
      if (!passed && !stopping) count_failure(passed.error());
      // What holds removals may end at any time.
      if (!report().held.empty()) next_pass_ = std::min(next_pass_, clock_.now() + kTickEvery);
    }
    if (stopping) break;
    co_await clock_.sleep_until(clock_.now() + kTickEvery);
  }
}

Task<void> Expiry::pass(const std::atomic<bool>& stopping) {
  auto held = co_await why_held();
  if (!held) co_return fail(held.error());
  bool is_news = false;
  {
    std::lock_guard lock(mutex_);
    is_news = report_.held != *held;
    report_.held = *held;
  }
  if (config_.enabled && is_news && !held->empty()) log::warning("no share is removed: {}", *held);
  if (auto done = co_await finish_begun(stopping); !done) co_return done;
  if (!config_.enabled) co_return Status{};
  log_forecast();
  if (held->empty()) {
    for (const ShareKind kind : {ShareKind::immutable, ShareKind::mutable_slot}) {
      if (auto done = co_await remove_due(kind, stopping); !done) co_return done;
    }
  }
  co_return Status{};
}

Task<void> Expiry::finish_begun(const std::atomic<bool>& stopping) {
  // One page: what fails now would only fail again; the rest comes with the next pass.
  auto going = index_.going_shares(kPage);
  if (!going) co_return fail(going.error());
  for (const DueShare& share : *going) {
    if (stopping) co_return Status{};
    co_await throttle(1);
    auto done = co_await shares_.finish_removal(removal_context(), share.share);
    if (!done) count_failure(done.error());
  }
  co_return Status{};
}

Task<void> Expiry::remove_due(ShareKind kind, const std::atomic<bool>& stopping) {
  const auto before = expires_before(config_, kind, unix_seconds(clock_.utc_now()));
  if (!before) co_return Status{};
  DueQuery query;
  query.before = *before;
  query.kind = kind;
  query.limit = kPage;
  do {
    auto page = co_await index_.due_leases(query);
    if (!page) co_return fail(page.error());
    for (auto next = page->shares.begin(); next != page->shares.end();) {
      if (stopping) co_return Status{};
      const auto end = next + std::min<std::ptrdiff_t>(batch_size(), page->shares.end() - next);
      co_await throttle(static_cast<std::size_t>(end - next));
      co_await remove_batch({next, end}, *before);
      next = end;
    }
    query.after = page->next;
    // The clock may have run away, or a rebuild begun, while this went on.
    auto held = co_await why_held();
    if (!held) co_return fail(held.error());
    if (!held->empty()) co_return Status{};
  } while (query.after);
  co_return Status{};
}

// A stop cancels the caller, which then throws at its next wait: here it waits once, for all of
// them, so that none outlives it.
boost::asio::awaitable<void> Expiry::remove_batch(std::vector<DueShare> shares,
                                                  std::int64_t before) {
  const auto executor = co_await boost::asio::this_coro::executor;
  AsyncEvent all_ended;
  std::size_t running = shares.size();
  for (const DueShare& share : shares) {
    boost::asio::co_spawn(executor, remove_one(share, before),
                          [&all_ended, &running](const std::exception_ptr& failure) {
                            if (--running == 0) all_ended.set();
                            if (failure) std::rethrow_exception(failure);
                          });
  }
  co_await all_ended.wait();
}

boost::asio::awaitable<void> Expiry::remove_one(DueShare share, std::int64_t before) {
  auto removed = co_await shares_.remove_if_expired(removal_context(), index_, share.share, before);
  if (!removed) {
    count_failure(removed.error());
  } else if (*removed) {
    std::lock_guard lock(mutex_);
    ++report_.removed_shares;
    report_.removed_bytes += share.info.stored_bytes;
  }
}

std::size_t Expiry::batch_size() const {
  // What a slow rate allows comes evenly, not in bursts.
  return std::clamp<std::size_t>(config_.rate_per_second / kBatchesPerSecond, 1, kMaxAtOnce);
}

boost::asio::awaitable<void> Expiry::throttle(std::size_t shares) {
  // Unused time is not saved up: a quiet hour must not be followed by a burst.
  const Monotonic now = clock_.now();
  next_removal_ = std::max(next_removal_, now);
  if (next_removal_ > now) co_await clock_.sleep_until(next_removal_);
  next_removal_ += std::chrono::nanoseconds(std::chrono::seconds(1)) *
                   static_cast<std::int64_t>(shares) /
                   std::max<std::uint32_t>(config_.rate_per_second, 1);
}

OpContext Expiry::removal_context() const {
  return {clock_, clock_.now() + limits::kRequestBudget};
}

void Expiry::count_failure(const Error& error) {
  std::lock_guard lock(mutex_);
  ++report_.failures;
  report_.last_error = error.message();
}

ExpiryReport Expiry::report() const {
  std::lock_guard lock(mutex_);
  return report_;
}

Result<ForecastLine> Expiry::forecast_until(std::int64_t when) {
  ForecastLine line;
  if (const auto before = expires_before(config_, ShareKind::immutable, when)) {
    auto all = index_.forecast(*before);
    if (!all) return fail(all.error());
    line.immutable_shares = all->immutable_shares;
    line.immutable_bytes = all->immutable_bytes;
  }
  if (const auto before = expires_before(config_, ShareKind::mutable_slot, when)) {
    auto all = index_.forecast(*before);
    if (!all) return fail(all.error());
    line.mutable_shares = all->mutable_shares;
    line.mutable_bytes = all->mutable_bytes;
  }
  return line;
}

Result<std::optional<ExpiryForecast>> Expiry::forecast() {
  if (!config_.enabled) return std::optional<ExpiryForecast>();
  const std::int64_t now = unix_seconds(clock_.utc_now());
  auto day = forecast_until(now + kDay);
  if (!day) return fail(day.error());
  auto week = forecast_until(now + 7 * kDay);
  if (!week) return fail(week.error());
  auto month = forecast_until(now + 30 * kDay);
  if (!month) return fail(month.error());
  return std::optional<ExpiryForecast>({*day, *week, *month});
}

// Said ahead: at the start, then once a day.
void Expiry::log_forecast() {
  if (clock_.now() < next_forecast_) return;
  auto ahead = forecast();
  if (!ahead || !ahead->has_value()) return;
  next_forecast_ = clock_.now() + kForecastEvery;
  log::info(
      "expiry, unless leases are renewed: {} shares ({} bytes) go within a day, {} ({} bytes) "
      "within a week, {} ({} bytes) within 30 days",
      shares_of((*ahead)->day), bytes_of((*ahead)->day), shares_of((*ahead)->week),
      bytes_of((*ahead)->week), shares_of((*ahead)->month), bytes_of((*ahead)->month));
}

}  // namespace sharestore
