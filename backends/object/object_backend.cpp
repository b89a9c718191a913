#include "backends/object/object_backend.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "backends/core/limits.h"
#include "backends/core/state_name.h"
#include "backends/object/block_cache.h"
#include "backends/object/hedged_get.h"
#include "backends/object/object_fetch.h"
#include "backends/object/object_key.h"
#include "backends/object/object_reader.h"
#include "backends/object/object_slots.h"
#include "backends/object/object_writer.h"
#include "backends/object/ownership.h"
#include "backends/object/parallel_listing.h"
#include "backends/object/timed_wait.h"

namespace sharestore {

namespace {

constexpr std::size_t kListPage = 1000;
constexpr std::chrono::seconds kOwnerCheckInterval{60};
constexpr std::chrono::seconds kRecoverInterval{5};
// Removals within this share one look at the owner.
constexpr std::chrono::seconds kOwnerConfirmedFor{1};

class ObjectBackend final : public Backend {
 public:
  ObjectBackend(std::unique_ptr<ObjectContainer> container, ObjectBackendOptions options,
                Journal& journal, IoPool& pool, Clock& clock, boost::asio::any_io_executor executor)
      : container_(std::move(container)),
        options_(std::move(options)),
        journal_(journal),
        pool_(pool),
        clock_(clock),
        executor_(std::move(executor)),
        keys_(options_.prefix),
        gets_(*container_, executor_, clock),
        cache_(gets_, executor_, clock, options_.cache_bytes),
        listing_(*container_, keys_, executor_),
        flow_(executor_, clock, options_.part_bytes),
        unsettled_(clock),
        slots_({options_.part_bytes, options_.spool_directory, options_.node_id}, keys_,
               *container_, journal, pool, unsettled_),
        ownership_({keys_.owner(), options_.node_name, options_.instance_file, options_.take_over},
                   *container_, pool, clock) {
    traits_.name = container_->traits().name;
    traits_.scan_reads_headers = false;
    traits_.listings_may_lag = true;
    traits_.keeps_snapshots = false;
  }

  const BackendTraits& traits() const override { return traits_; }
  Task<void> start(OpContext context) override;
  Task<void> stop(OpContext context) override;
  Task<std::vector<ShareInfo>> list(OpContext context, StorageIndex storage_index,
                                    std::vector<ShareNumber> known) override;
  Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext context, NewShare share) override;
  Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share) override;
  Task<std::vector<ShareInfo>> commit_slot(OpContext context, SlotCommit commit) override;
  Task<void> remove(OpContext context, ShareId share) override;
  Task<std::string> quarantine(OpContext context, ShareId share) override;
  Task<ScanPage> scan(OpContext context, ScanCursor cursor, std::size_t limit) override;
  Task<Leases> load_leases(OpContext, ShareId) override { co_return Leases{}; }
  Task<void> store_leases(OpContext, ShareId, std::vector<LeaseUpdate>) override {
    co_return Status{};
  }
  Task<void> put_state(OpContext context, std::string name, Bytes content) override;
  Task<Bytes> get_state(OpContext context, std::string name) override;
  Task<std::vector<std::string>> list_state(OpContext context) override;
  Task<void> remove_state(OpContext context, std::string name) override;
  Task<Space> space(OpContext context) override;
  Health health() const override;
  BackendStatus status() const override;

 private:
  Status ready() const;
  Status writable() const;
  Task<void> still_ours(OpContext context);
  void note_foreign(std::size_t objects);
  Task<void> recover(OpContext context);
  Task<void> sweep_multiparts(OpContext context);
  boost::asio::awaitable<void> watch();
  Task<std::vector<ShareNumber>> listed(OpContext context, StorageIndex storage_index);
  void set_trouble(std::string sentence);

  const std::unique_ptr<ObjectContainer> container_;
  const ObjectBackendOptions options_;
  Journal& journal_;
  IoPool& pool_;
  Clock& clock_;
  const boost::asio::any_io_executor executor_;
  const ObjectKeys keys_;
  BackendTraits traits_;
  HedgedGets gets_;
  BlockCache cache_;
  ParallelListing listing_;
  StoreFlow flow_;
  UnsettledKeys unsettled_;
  RunningWork behind_;
  ObjectSlots slots_;
  Ownership ownership_;
  std::atomic<std::uint64_t> foreign_objects_ = 0;  // seen by scans
  std::atomic<bool> recovered_ = false;
  std::atomic<bool> stopping_ = false;
  std::shared_ptr<AsyncEvent> watch_ended_;  // null before start
  // Shared with the job that emits it, which may still be in emit() when stop() has returned.
  std::shared_ptr<boost::asio::cancellation_signal> watch_stop_ =
      std::make_shared<boost::asio::cancellation_signal>();
  mutable std::mutex trouble_mutex_;
  std::string trouble_;
};

// --- life -------------------------------------------------------------------------------------

void ObjectBackend::set_trouble(std::string sentence) {
  const std::lock_guard hold(trouble_mutex_);
  if (!sentence.empty() && sentence != trouble_) spdlog::error("{}: {}", traits_.name, sentence);
  trouble_ = std::move(sentence);
}

Health ObjectBackend::health() const {
  if (ownership_.state() == Ownership::State::taken) {
    return {false, "another instance has taken the container over; this one writes no more"};
  }
  {
    const std::lock_guard hold(trouble_mutex_);
    if (!trouble_.empty()) return {false, trouble_};
  }
  return container_->status().health;
}

BackendStatus ObjectBackend::status() const {
  const ContainerStatus container = container_->status();
  BackendStatus status;
  if (container.clock_known) status.clock_offset_seconds = container.clock_offset_seconds;
  status.traffic = container.traffic;
  status.cache = CacheUse{cache_.hits(), cache_.misses()};
  return status;
}

Status ObjectBackend::ready() const {
  if (recovered_) return {};
  const std::lock_guard hold(trouble_mutex_);
  return fail(Errc::unavailable, "the store is not ready: " + trouble_);
}

Status ObjectBackend::writable() const {
  if (ownership_.state() == Ownership::State::taken) {
    return fail(Errc::forbidden, "another instance has taken the container over");
  }
  return ready();
}

// Before something is taken away, the owner is looked at again: an old instance after a fail-over
// must not remove what the new one has.
Task<void> ObjectBackend::still_ours(OpContext context) {
  if (auto able = writable(); !able) co_return able;
  co_return co_await ownership_.confirm(context, kOwnerConfirmedFor);
}

void ObjectBackend::note_foreign(std::size_t objects) {
  if (foreign_objects_ == 0) {
    spdlog::warn("{}: objects under {} that are no shares are left alone", traits_.name,
                 keys_.all_shares());
  }
  foreign_objects_ += objects;
}

// What must be clean before anything is served: ownership, accepted changes, other runs' parts.
Task<void> ObjectBackend::recover(OpContext context) {
  auto opened = co_await container_->open(context);
  if (!opened) co_return opened;
  auto owned = co_await ownership_.acquire(context);
  if (!owned) co_return owned;
  auto completed = co_await slots_.complete_intents(context);
  if (!completed) co_return completed;
  auto swept = co_await sweep_multiparts(context);
  if (!swept) co_return swept;
  recovered_ = true;
  set_trouble({});
  co_return Status{};
}

Task<void> ObjectBackend::sweep_multiparts(OpContext context) {
  while (true) {
    auto found = co_await container_->list_multiparts(context, keys_.all_shares(), kListPage);
    if (!found) co_return fail(std::move(found.error()));
    for (const Multipart& upload : *found) {
      spdlog::info("{}: aborting an unfinished upload", upload.key);
      auto aborted = co_await container_->abort_multipart(context, upload);
      if (!aborted) co_return aborted;
    }
    if (found->size() < kListPage) co_return Status{};
  }
}

Task<void> ObjectBackend::start(OpContext context) {
  auto make = [directory = options_.spool_directory]() -> Status {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return fail(errno_error(error.value(), directory.string()));
    return {};
  };
  auto made = co_await pool_.run(std::move(make));
  if (!made) co_return made;
  auto recovered = co_await recover(context);
  if (!recovered) {
    const Errc code = recovered.error().code();
    if (code == Errc::forbidden || code == Errc::corrupt || code == Errc::invalid_argument) {
      co_return recovered;
    }
    set_trouble(recovered.error().message());
  }
  watch_ended_ = std::make_shared<AsyncEvent>();
  // The watcher's last steps, after it has said that it ended, still look at the signal.
  auto keep = [signal = watch_stop_](const std::exception_ptr&) {};
  boost::asio::co_spawn(executor_, watch(),
                        boost::asio::bind_cancellation_slot(watch_stop_->slot(), std::move(keep)));
  co_return Status{};
}

boost::asio::awaitable<void> ObjectBackend::watch() {
  co_await boost::asio::this_coro::throw_if_cancelled(false);
  Monotonic next_check = clock_.now() + kOwnerCheckInterval;
  while (!stopping_) {
    const OpContext context(clock_, clock_.now() + limits::kRequestBudget);
    if (!recovered_) {
      auto recovered = co_await recover(context);
      if (!recovered) set_trouble(recovered.error().message());
    } else if (clock_.now() >= next_check) {
      next_check = clock_.now() + kOwnerCheckInterval;
      auto mine = co_await ownership_.verify(context);
      if (!mine && mine.error().code() == Errc::forbidden) {
        spdlog::critical("{}: {}", traits_.name, mine.error().message());
      }
    }
    if (!stopping_) co_await clock_.sleep_until(clock_.now() + kRecoverInterval);
  }
  const auto ended = watch_ended_;
  ended->set();
}

Task<void> ObjectBackend::stop(OpContext context) {
  stopping_ = true;
  if (watch_ended_) {
    auto wake = [signal = watch_stop_]() { signal->emit(boost::asio::cancellation_type::all); };
    boost::asio::post(executor_, std::move(wake));
    co_await watch_ended_->wait();
  }
  co_await wait_until(executor_, clock_, behind_.idle(), context.deadline());
  Status released;
  if (recovered_) released = co_await ownership_.release(context);
  if (!released) spdlog::warn("{}: {}", traits_.name, released.error().message());
  // Requests still on their way end with this.
  auto closed = co_await container_->close();
  co_await behind_.idle()->wait();
  co_await cache_.close();
  co_await gets_.close();
  co_await listing_.close();
  co_return closed;
}

// --- shares -----------------------------------------------------------------------------------

Task<std::vector<ShareNumber>> ObjectBackend::listed(OpContext context,
                                                     StorageIndex storage_index) {
  const std::string prefix = keys_.shares_of(storage_index);
  std::vector<ShareNumber> numbers;
  std::string after;
  while (true) {
    auto page = co_await container_->list(context, prefix, after, kListPage);
    if (!page) co_return fail(std::move(page.error()));
    for (const ObjectInfo& object : page->objects) {
      const auto share = keys_.parse_share(object.key);
      if (share) numbers.push_back(share->number);
    }
    if (!page->more || page->objects.empty()) co_return numbers;
    after = page->objects.back().key;
  }
}

Task<std::vector<ShareInfo>> ObjectBackend::list(OpContext context, StorageIndex storage_index,
                                                 std::vector<ShareNumber> known) {
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  auto pending = co_await slots_.complete_pending(context, storage_index);
  if (!pending) co_return fail(std::move(pending.error()));
  auto numbers = co_await listed(context, storage_index);
  if (!numbers) co_return fail(std::move(numbers.error()));
  numbers->insert(numbers->end(), known.begin(), known.end());
  std::ranges::sort(*numbers);
  const auto twice = std::ranges::unique(*numbers);
  numbers->erase(twice.begin(), twice.end());
  std::vector<ShareInfo> shares;
  for (const ShareNumber number : *numbers) {
    const std::string key = keys_.share({storage_index, number});
    if (auto settled = unsettled_.check(key); !settled) co_return fail(std::move(settled.error()));
    auto info = co_await read_share_info(context, *container_, gets_, key, number);
    if (info) {
      shares.push_back(*info);
    } else if (info.error().code() == Errc::corrupt) {
      spdlog::warn("{}", info.error().message());
    } else if (info.error().code() != Errc::not_found) {
      co_return fail(std::move(info.error()));
    }
  }
  co_return shares;
}

// Looks whatever the caller knows: what is finished in the store must never be replaced.
Task<std::unique_ptr<ShareWriter>> ObjectBackend::create_immutable(OpContext context,
                                                                   NewShare wanted) {
  const ShareId share = wanted.share;
  if (auto able = writable(); !able) co_return fail(std::move(able.error()));
  if (auto settled = unsettled_.check(keys_.share(share)); !settled) {
    co_return fail(std::move(settled.error()));
  }
  auto there = co_await container_->head(context, keys_.share(share), Freshness::newest);
  if (there) co_return fail(Errc::already_exists, share.to_text() + " is in the store");
  if (there.error().code() != Errc::not_found) co_return fail(std::move(there.error()));
  UploadEnvironment environment{*container_,
                                journal_,
                                pool_,
                                clock_,
                                flow_,
                                unsettled_,
                                behind_,
                                executor_,
                                options_.spool_directory,
                                options_.part_bytes};
  co_return co_await begin_object_upload(std::move(environment), share, keys_.share(share),
                                         wanted.size_bytes);
}

Task<std::shared_ptr<ShareReader>> ObjectBackend::open(OpContext context, ShareId share) {
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  co_return co_await open_object_share(context, *container_, gets_, cache_, keys_.share(share),
                                       share.number);
}

Task<std::vector<ShareInfo>> ObjectBackend::commit_slot(OpContext context, SlotCommit commit) {
  if (auto able = writable(); !able) co_return fail(std::move(able.error()));
  if (commit.recorded) {
    auto begun = co_await journal_.begin_slot_writes({commit.storage_index});
    if (!begun) co_return fail(std::move(begun.error()));
  }
  co_return co_await slots_.commit(context, std::move(commit));
}

Task<void> ObjectBackend::remove(OpContext context, ShareId share) {
  auto able = co_await still_ours(context);
  if (!able) co_return able;
  const std::string key = keys_.share(share);
  if (auto settled = unsettled_.check(key); !settled) co_return settled;
  co_return co_await container_->remove(context, key);
}

// Copied through the node: stores differ in how they copy by themselves.
Task<std::string> ObjectBackend::quarantine(OpContext context, ShareId share) {
  auto able = co_await still_ours(context);
  if (!able) co_return fail(std::move(able.error()));
  const std::string key = keys_.share(share);
  const std::string target =
      keys_.quarantined(share, std::to_string(unix_seconds(clock_.utc_now())));
  auto copy = co_await fetch_object(context, *container_, pool_, options_.spool_directory, key);
  if (!copy && copy.error().code() == Errc::not_found) co_return target;
  if (!copy) co_return fail(std::move(copy.error()));
  auto put =
      co_await put_whole(context, *container_, target, copy->content(), {}, options_.part_bytes);
  if (!put) co_return fail(std::move(put.error()));
  auto removed = co_await container_->remove(context, key);
  if (!removed) co_return fail(std::move(removed.error()));
  co_return target;
}

Task<ScanPage> ObjectBackend::scan(OpContext context, ScanCursor cursor, std::size_t limit) {
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  if (first_of_prefix(cursor.position)) {
    cursor.position = keys_.all_shares() + cursor.position + "/";
  }
  if (!cursor.position.empty() && !cursor.position.starts_with(keys_.all_shares())) {
    co_return fail(Errc::invalid_argument, "not a place in a scan of this container");
  }
  auto page = co_await listing_.next(context, cursor.position, limit);
  if (!page) co_return fail(std::move(page.error()));
  ScanPage found;
  found.next = cursor;
  found.finished = !page->more || page->objects.empty();
  std::size_t foreign = 0;
  for (const ObjectInfo& object : page->objects) {
    found.next.position = object.key;
    const auto share = keys_.parse_share(object.key);
    if (!share) {
      ++foreign;
      continue;
    }
    ScannedShare scanned;
    scanned.share = *share;
    scanned.stored_bytes = object.size_bytes;
    found.shares.push_back(std::move(scanned));
  }
  if (foreign != 0) note_foreign(foreign);
  co_return found;
}

// --- state and space --------------------------------------------------------------------------

Task<void> ObjectBackend::put_state(OpContext context, std::string name, Bytes content) {
  if (auto able = writable(); !able) co_return able;
  if (!is_state_name(name)) co_return fail(Errc::invalid_argument, "not a state name: " + name);
  if (content.size() > kMaxStateBytes) {
    co_return fail(Errc::too_large, "state blobs hold 16 MiB at most");
  }
  auto put = co_await put_whole(context, *container_, keys_.state(name),
                                memory_source(std::move(content)), {}, options_.part_bytes);
  if (!put) co_return fail(std::move(put.error()));
  co_return Status{};
}

Task<Bytes> ObjectBackend::get_state(OpContext context, std::string name) {
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  auto object = co_await container_->get(context, keys_.state(name), 0, 0, Freshness::newest);
  if (!object) co_return fail(std::move(object.error()));
  co_return std::move(object->bytes);
}

Task<std::vector<std::string>> ObjectBackend::list_state(OpContext context) {
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  std::vector<std::string> names;
  std::string after;
  while (true) {
    auto page = co_await container_->list(context, keys_.all_state(), after, kListPage);
    if (!page) co_return fail(std::move(page.error()));
    for (const ObjectInfo& object : page->objects) {
      if (auto name = keys_.parse_state(object.key)) names.push_back(std::move(*name));
    }
    if (!page->more || page->objects.empty()) co_return names;
    after = page->objects.back().key;
  }
}

Task<void> ObjectBackend::remove_state(OpContext context, std::string name) {
  if (auto able = writable(); !able) co_return able;
  co_return co_await container_->remove(context, keys_.state(name));
}

Task<Space> ObjectBackend::space(OpContext) {
  struct statvfs spool{};
  Space space;
  if (auto able = ready(); !able) co_return fail(std::move(able.error()));
  if (::statvfs(options_.spool_directory.c_str(), &spool) != 0) co_return space;
  space.free_bytes = std::uint64_t{spool.f_bavail} * spool.f_frsize;
  space.free_for_root_bytes = std::uint64_t{spool.f_bfree} * spool.f_frsize;
  space.total_bytes = std::uint64_t{spool.f_blocks} * spool.f_frsize;
  space.max_immutable_bytes = container_->traits().max_object_bytes;
  co_return space;
}

}  // namespace

std::unique_ptr<Backend> make_object_backend(std::unique_ptr<ObjectContainer> container,
                                             ObjectBackendOptions options, Journal& journal,
                                             IoPool& pool, Clock& clock,
                                             boost::asio::any_io_executor executor) {
  return std::make_unique<ObjectBackend>(std::move(container), std::move(options), journal, pool,
                                         clock, std::move(executor));
}

}  // namespace sharestore
