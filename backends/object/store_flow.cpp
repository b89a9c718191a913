#include "backends/object/store_flow.h"

#include <algorithm>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "backends/core/async_event.h"
#include "backends/object/timed_wait.h"

namespace sharestore {

namespace {

// Transfers that are remembered: more than end while one is on its way.
constexpr std::size_t kRecentTransfers = 1024;

double seconds_between(Monotonic begun, Monotonic ended) {
  return std::chrono::duration<double>(ended - begun).count();
}

}  // namespace

struct StoreFlow::Entry {
  std::uint64_t bytes = 0;
  bool counted = true;
  Monotonic lapses_at;
  // In State::filling while it counts and not all of its bytes are there.
  std::optional<std::list<Entry*>::iterator> filling;
};

struct StoreFlow::State {
  struct Waiter {
    std::uint64_t bytes = 0;
    std::shared_ptr<Entry> entry;  // once admitted
    std::shared_ptr<AsyncEvent> admitted = std::make_shared<AsyncEvent>();
  };
  struct Taken {
    Monotonic begun;
    Monotonic ended;
    double bytes = 0;
  };
  using Events = std::vector<std::shared_ptr<AsyncEvent>>;

  State(boost::asio::any_io_executor its_alarms, Clock& its_clock, std::uint64_t its_part_bytes)
      : alarms(std::move(its_alarms)), clock(its_clock), part_bytes(its_part_bytes) {}

  bool fits_locked(std::uint64_t bytes) const;
  std::shared_ptr<Entry> add_locked(std::uint64_t bytes);
  void forget_filling_locked(Entry& entry);
  void lapse_locked();
  // Whom to wake, without the lock.
  Events admit_waiting_locked();
  double taken_bytes_since_locked(Monotonic begun) const;

  void filled(Entry& entry);
  void release(Entry& entry);
  void end_transfer(const Transfer& transfer);

  const boost::asio::any_io_executor alarms;
  Clock& clock;
  const std::uint64_t part_bytes;

  mutable std::mutex mutex;
  std::uint64_t counted_bytes = 0;
  std::list<Entry*> filling;  // in order of lapses_at
  std::list<std::shared_ptr<Waiter>> waiters;

  std::deque<Taken> recent;  // in order of their ends
  double bytes_per_second = 0;
};

// --- how fast the store is ----------------------------------------------------------------------

StoreFlow::Transfer StoreFlow::begin_transfer(std::uint64_t bytes) {
  return {state_, bytes, state_->clock.now()};
}

// What the store took while this transfer was on its way: each one that has ended counts with the
// part of its life that lies in this one's, as if its bytes had gone evenly. Counting whole
// transfers where they end would take each crowd that shares a line, and so ends together, for a
// faster store, and let a larger one in. What is still on its way counts nothing: rather too
// little.
double StoreFlow::State::taken_bytes_since_locked(Monotonic begun) const {
  double taken = 0;
  for (const Taken& other : std::views::reverse(recent)) {
    if (other.ended <= begun && other.begun < begun) break;
    const double life = seconds_between(other.begun, other.ended);
    const double inside = seconds_between(std::max(begun, other.begun), other.ended);
    taken += life > 0 ? other.bytes * std::max(inside, 0.0) / life : other.bytes;
  }
  return taken;
}

void StoreFlow::State::end_transfer(const Transfer& transfer) {
  if (transfer.bytes_ < kLeastMeasuredBytes) return;
  const auto bytes = static_cast<double>(transfer.bytes_);
  Events events;
  {
    const std::lock_guard hold(mutex);
    const Monotonic now = clock.now();
    if (transfer.taken_) recent.push_back({transfer.begun_, now, bytes});
    if (recent.size() > kRecentTransfers) recent.pop_front();
    const double beside = taken_bytes_since_locked(transfer.begun_);
    const double measured =
        transfer.taken_ ? beside / std::max(seconds_between(transfer.begun_, now), 0.001) : 0;
    // A crowd counts as much as one that goes alone.
    const double weight = bytes_per_second == 0 ? 1 : bytes / (beside + bytes);
    bytes_per_second += weight * (measured - bytes_per_second);
    events = admit_waiting_locked();
  }
  for (const auto& event : events) event->set();
}

StoreFlow::Transfer::~Transfer() {
  if (state_) state_->end_transfer(*this);
}

// --- room ---------------------------------------------------------------------------------------

bool StoreFlow::State::fits_locked(std::uint64_t bytes) const {
  if (counted_bytes == 0) return true;
  const double room = bytes_per_second == 0
                          ? static_cast<double>(kPartsUnmeasured * part_bytes)
                          : bytes_per_second * std::chrono::duration<double>(kHorizon).count();
  return static_cast<double>(counted_bytes + bytes) <= room;
}

std::shared_ptr<StoreFlow::Entry> StoreFlow::State::add_locked(std::uint64_t bytes) {
  auto entry = std::make_shared<Entry>();
  entry->bytes = bytes;
  entry->lapses_at = clock.now() + kFillTime;
  entry->filling = filling.insert(filling.end(), entry.get());
  counted_bytes += bytes;
  return entry;
}

void StoreFlow::State::forget_filling_locked(Entry& entry) {
  if (!entry.filling) return;
  filling.erase(*entry.filling);
  entry.filling.reset();
}

void StoreFlow::State::lapse_locked() {
  const Monotonic now = clock.now();
  while (!filling.empty() && filling.front()->lapses_at <= now) {
    Entry& entry = *filling.front();
    forget_filling_locked(entry);
    entry.counted = false;
    counted_bytes -= entry.bytes;
  }
}

StoreFlow::State::Events StoreFlow::State::admit_waiting_locked() {
  Events events;
  lapse_locked();
  while (!waiters.empty() && fits_locked(waiters.front()->bytes)) {
    const auto waiter = std::move(waiters.front());
    waiters.pop_front();
    waiter->entry = add_locked(waiter->bytes);
    events.push_back(waiter->admitted);
  }
  return events;
}

void StoreFlow::State::filled(Entry& entry) {
  const std::lock_guard hold(mutex);
  forget_filling_locked(entry);
  if (!std::exchange(entry.counted, true)) counted_bytes += entry.bytes;
}

void StoreFlow::State::release(Entry& entry) {
  Events events;
  {
    const std::lock_guard hold(mutex);
    forget_filling_locked(entry);
    if (std::exchange(entry.counted, false)) counted_bytes -= entry.bytes;
    events = admit_waiting_locked();
  }
  for (const auto& event : events) event->set();
}

StoreFlow::Admission& StoreFlow::Admission::operator=(Admission&& other) noexcept {
  std::swap(state_, other.state_);
  std::swap(entry_, other.entry_);
  return *this;
}

StoreFlow::Admission::~Admission() {
  if (entry_) state_->release(*entry_);
}

void StoreFlow::Admission::filled() {
  if (entry_) state_->filled(*entry_);
}

StoreFlow::StoreFlow(boost::asio::any_io_executor alarms, Clock& clock, std::uint64_t part_bytes)
    : state_(std::make_shared<State>(std::move(alarms), clock, part_bytes)) {}

StoreFlow::Admission StoreFlow::admit_now(std::uint64_t bytes) {
  const std::lock_guard hold(state_->mutex);
  return {state_, state_->add_locked(bytes)};
}

Task<StoreFlow::Admission> StoreFlow::admit(OpContext context, std::uint64_t bytes) {
  if (bytes < kLeastMeasuredBytes) co_return admit_now(bytes);
  const auto state = state_;
  const auto waiter = std::make_shared<State::Waiter>();
  waiter->bytes = bytes;
  {
    const std::lock_guard hold(state->mutex);
    state->lapse_locked();
    if (state->waiters.empty() && state->fits_locked(bytes)) {
      co_return Admission(state, state->add_locked(bytes));
    }
    if (state->waiters.size() >= kMaxWaiters) {
      co_return fail(Errc::busy, "too many uploads wait for the store");
    }
    state->waiters.push_back(waiter);
  }
  while (true) {
    State::Events events;
    std::shared_ptr<Entry> entry;
    Monotonic wake = context.deadline();
    bool late = false;
    {
      const std::lock_guard hold(state->mutex);
      events = state->admit_waiting_locked();
      entry = waiter->entry;
      late = !entry && context.expired();
      if (late) {
        state->waiters.remove(waiter);
        // Who was behind may fit.
        const auto more = state->admit_waiting_locked();
        events.insert(events.end(), more.begin(), more.end());
        events.push_back(waiter->admitted);
      }
      if (!state->filling.empty()) wake = std::min(wake, state->filling.front()->lapses_at);
    }
    for (const auto& event : events) event->set();
    if (entry) co_return Admission(state, std::move(entry));
    if (late) {
      co_return fail(Errc::timed_out, "the store takes bytes too slowly for so many uploads");
    }
    co_await wait_until(state->alarms, state->clock, waiter->admitted, wake);
  }
}

double StoreFlow::bytes_per_second() const {
  const std::lock_guard hold(state_->mutex);
  return state_->bytes_per_second;
}

std::uint64_t StoreFlow::admitted_bytes() const {
  const std::lock_guard hold(state_->mutex);
  return state_->counted_bytes;
}

}  // namespace sharestore
