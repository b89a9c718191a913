#include "backends/object/object_writer.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "backends/core/async_event.h"
#include "backends/core/async_mutex.h"
#include "backends/core/limits.h"
#include "backends/core/temporary_file.h"
#include "backends/object/object_slots.h"
#include "backends/object/timed_wait.h"
#include "backends/share_file/layout.h"

namespace sharestore {

namespace {

// Time for one part; the client's own deadline does not apply to parts sent behind.
constexpr std::chrono::minutes kPartBudget{5};

// What the writer and its parts on their way share: a part outlives an abandoned writer.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(UploadEnvironment environment, ShareId share, std::string key,
           std::shared_ptr<TemporaryFile> spool, std::uint64_t object_bytes,
           std::uint64_t part_bytes)
      : environment_(std::move(environment)),
        share_(share),
        key_(std::move(key)),
        spool_(std::move(spool)),
        object_bytes_(object_bytes),
        part_bytes_(part_bytes) {
    const std::uint64_t parts = (object_bytes + part_bytes - 1) / part_bytes;
    parts_.resize(std::max<std::uint64_t>(parts, 1));
    // The header is there from the start.
    parts_[0].received_bytes = kImmutableHeaderBytes;
  }

  Task<std::uint64_t> ready(OpContext context, std::uint64_t offset, std::uint64_t bytes);
  Task<void> store(std::uint64_t offset, Bytes data);
  Task<Bytes> load(std::uint64_t offset, std::size_t bytes);
  Task<ObjectInfo> finish(OpContext context);
  Task<void> abandon(OpContext context);
  // Nothing more is started; what is on its way is waited for and undone in the background.
  void abandon_behind();

  const ShareId& share() const { return share_; }
  std::uint64_t object_bytes() const { return object_bytes_; }

 private:
  struct Part {
    std::uint64_t received_bytes = 0;
    bool queued = false;
    std::optional<MultipartPart> sent;
    // From its first byte until the store has it.
    StoreFlow::Admission room;
  };

  std::uint64_t size_of(std::size_t part) const {
    return std::min(part_bytes_, object_bytes_ - part * part_bytes_);
  }
  bool in_one_put() const { return parts_.size() == 1; }
  void give_room_back_locked();
  void received(std::uint64_t offset, std::uint64_t bytes);
  void send_more();
  boost::asio::awaitable<void> send(std::size_t part);
  Task<MultipartPart> upload(std::size_t part);
  Task<Multipart> multipart(OpContext context);
  Result<ObjectInfo> settle(Result<ObjectInfo> answer);
  std::shared_ptr<AsyncEvent> next_change();
  boost::asio::awaitable<bool> wait_idle(Monotonic deadline);

  const UploadEnvironment environment_;
  const ShareId share_;
  const std::string key_;
  const std::shared_ptr<TemporaryFile> spool_;
  const std::uint64_t object_bytes_;
  const std::uint64_t part_bytes_;

  std::mutex mutex_;
  std::vector<Part> parts_;
  std::size_t in_flight_ = 0;
  bool stopped_ = false;
  std::optional<Error> failure_;
  std::shared_ptr<AsyncEvent> change_;
  AsyncMutex multipart_mutex_;
  std::optional<Multipart> multipart_;
};

// --- bytes arriving ---------------------------------------------------------------------------

// Held back here, the client's socket is not read: what is spooled stays sendable in time.
// To the end of a part at most: who waits for the next one has filled the one before, or two
// uploads could wait for each other's room.
Task<std::uint64_t> Transfer::ready(OpContext context, std::uint64_t offset, std::uint64_t bytes) {
  const auto self = shared_from_this();
  const std::size_t part = offset / part_bytes_;
  const std::uint64_t most = std::min(bytes, (part + 1) * part_bytes_ - offset);
  {
    const std::lock_guard hold(mutex_);
    if (failure_) co_return fail(*failure_);
    if (parts_[part].queued || parts_[part].room) co_return most;
  }
  auto room = co_await environment_.flow.admit(context, size_of(part));
  if (!room) co_return fail(std::move(room.error()));
  const std::lock_guard hold(mutex_);
  if (!failure_) parts_[part].room = std::move(*room);
  co_return most;
}

Task<void> Transfer::store(std::uint64_t offset, Bytes data) {
  const auto self = shared_from_this();
  auto write = [self, offset, data]() { return self->spool_->write(offset, data.span()); };
  auto written = co_await environment_.pool.run(std::move(write));
  if (!written) co_return written;
  received(offset, data.size());
  const std::lock_guard hold(mutex_);
  if (failure_) co_return fail(*failure_);
  co_return Status{};
}

Task<Bytes> Transfer::load(std::uint64_t offset, std::size_t bytes) {
  const auto self = shared_from_this();
  auto read = [self, offset, bytes]() -> Result<Bytes> {
    std::vector<std::byte> loaded(bytes);
    auto done = self->spool_->read(offset, loaded);
    if (!done) return fail(std::move(done.error()));
    return Bytes(std::move(loaded));
  };
  co_return co_await environment_.pool.run(std::move(read));
}

// Of an upload that sends no more.
void Transfer::give_room_back_locked() {
  for (Part& part : parts_) part.room = {};
}

void Transfer::received(std::uint64_t offset, std::uint64_t bytes) {
  {
    const std::lock_guard hold(mutex_);
    for (std::uint64_t at = offset; at < offset + bytes;) {
      const std::size_t part = at / part_bytes_;
      const std::uint64_t end = std::min(offset + bytes, (part + 1) * part_bytes_);
      Part& its = parts_[part];
      its.received_bytes += end - at;
      if (!its.room && !failure_) its.room = environment_.flow.admit_now(size_of(part));
      if (its.received_bytes == size_of(part)) its.room.filled();
      at = end;
    }
  }
  if (!in_one_put()) send_more();
}

// --- parts leaving ----------------------------------------------------------------------------

void Transfer::send_more() {
  std::vector<std::size_t> ready;
  {
    const std::lock_guard hold(mutex_);
    for (std::size_t part = 0; part < parts_.size() && in_flight_ < kPartsInFlight; ++part) {
      if (stopped_ || failure_) break;
      if (parts_[part].queued || parts_[part].received_bytes != size_of(part)) continue;
      parts_[part].queued = true;
      ++in_flight_;
      ready.push_back(part);
    }
  }
  const auto self = shared_from_this();
  for (const std::size_t part : ready) {
    auto sending = [self, part]() -> boost::asio::awaitable<void> { co_await self->send(part); };
    boost::asio::co_spawn(environment_.executor, std::move(sending), boost::asio::detached);
  }
}

boost::asio::awaitable<void> Transfer::send(std::size_t part) {
  auto sent = co_await upload(part);
  std::shared_ptr<AsyncEvent> change;
  {
    const std::lock_guard hold(mutex_);
    --in_flight_;
    if (sent) {
      parts_[part].sent = std::move(*sent);
      parts_[part].room = {};
    } else if (!failure_) {
      failure_ = sent.error().with_context("sending a part of " + share_.to_text());
      give_room_back_locked();
    }
    change = std::exchange(change_, nullptr);
  }
  if (change) change->set();
  send_more();
}

Task<MultipartPart> Transfer::upload(std::size_t part) {
  const OpContext context(environment_.clock, environment_.clock.now() + kPartBudget);
  auto transfer = environment_.flow.begin_transfer(size_of(part));
  auto target = co_await multipart(context);
  if (!target) co_return fail(std::move(target.error()));
  auto sent = co_await environment_.container.upload_part(
      context, *target, static_cast<std::uint32_t>(part + 1),
      file_source(spool_, part * part_bytes_, size_of(part)));
  if (sent) transfer.taken();
  co_return sent;
}

// Begun once, by the first part; its id is durable before anything is sent under it.
Task<Multipart> Transfer::multipart(OpContext context) {
  auto lock = co_await multipart_mutex_.lock(context);
  if (!lock) co_return fail(std::move(lock.error()));
  if (multipart_) co_return *multipart_;
  auto begun = co_await environment_.container.begin_multipart(context, key_);
  if (!begun) co_return fail(std::move(begun.error()));
  multipart_ = *begun;
  auto noted = co_await environment_.journal.note_upload(share_, begun->id);
  if (!noted) co_return fail(std::move(noted.error()));
  co_return *begun;
}

std::shared_ptr<AsyncEvent> Transfer::next_change() {
  const std::lock_guard hold(mutex_);
  if (in_flight_ == 0) return nullptr;
  if (!change_) change_ = std::make_shared<AsyncEvent>();
  return change_;
}

// False: parts are still on their way at the deadline.
boost::asio::awaitable<bool> Transfer::wait_idle(Monotonic deadline) {
  while (const auto change = next_change()) {
    if (environment_.clock.now() >= deadline) co_return false;
    co_await wait_until(environment_.executor, environment_.clock, change, deadline);
  }
  co_return true;
}

// --- ends -------------------------------------------------------------------------------------

Task<ObjectInfo> Transfer::finish(OpContext context) {
  const auto self = shared_from_this();
  if (in_one_put()) {
    auto transfer = environment_.flow.begin_transfer(object_bytes_);
    auto put = co_await environment_.container.put(context, key_,
                                                   file_source(spool_, 0, object_bytes_), {});
    if (put) transfer.taken();
    const std::lock_guard hold(mutex_);
    give_room_back_locked();
    co_return settle(std::move(put));
  }
  if (!co_await wait_idle(context.deadline())) {
    co_return fail(Errc::timed_out, "the store takes the last parts too slowly");
  }
  std::vector<MultipartPart> parts;
  {
    const std::lock_guard hold(mutex_);
    if (failure_) co_return fail(*failure_);
    for (const Part& part : parts_) {
      if (!part.sent) co_return fail(Errc::invalid_argument, "not every byte was written");
      parts.push_back(*part.sent);
    }
  }
  auto target = co_await multipart(context);
  if (!target) co_return fail(std::move(target.error()));
  co_return settle(
      co_await environment_.container.complete_multipart(context, *target, std::move(parts), {}));
}

// A request of unknown outcome may still be carried out: nothing else goes under this key until it
// no longer can.
Result<ObjectInfo> Transfer::settle(Result<ObjectInfo> answer) {
  if (!answer && !answer.error().outcome_known()) environment_.unsettled.add(key_);
  return answer;
}

Task<void> Transfer::abandon(OpContext context) {
  const auto self = shared_from_this();
  {
    const std::lock_guard hold(mutex_);
    stopped_ = true;
    give_room_back_locked();
  }
  const bool idle = co_await wait_idle(context.deadline());
  if (!idle) {
    // A part that arrives after the abort would stay at the store: undone when it has arrived.
    abandon_behind();
    co_return Status{};
  }
  if (!multipart_) co_return Status{};
  co_return co_await environment_.container.abort_multipart(context, *multipart_);
}

void Transfer::abandon_behind() {
  const auto self = shared_from_this();
  auto undo = [self]() -> boost::asio::awaitable<void> {
    const OpContext context(self->environment_.clock, self->environment_.clock.now() + kPartBudget);
    auto undone = co_await self->abandon(context);
    if (!undone) {
      spdlog::warn("upload {}: parts left at the store are swept at the next start: {}",
                   self->share_.to_text(), undone.error().message());
    }
    self->environment_.behind.end();
  };
  environment_.behind.begin();
  boost::asio::co_spawn(environment_.executor, std::move(undo), boost::asio::detached);
}

// --- the writer ------------------------------------------------------------------------------

class ObjectWriter final : public ShareWriter {
 public:
  ObjectWriter(std::shared_ptr<Transfer> transfer, std::uint64_t data_bytes)
      : transfer_(std::move(transfer)), data_bytes_(data_bytes) {}
  ~ObjectWriter() override {
    if (!ended_) transfer_->abandon_behind();
  }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  Task<std::uint64_t> ready(OpContext context, std::uint64_t offset, std::uint64_t bytes) override {
    if (offset > data_bytes_ || bytes > data_bytes_ - offset) {
      co_return fail(Errc::invalid_argument, "bytes beyond the share's size");
    }
    co_return co_await transfer_->ready(context, kImmutableHeaderBytes + offset, bytes);
  }

  Task<void> write(OpContext, std::uint64_t offset, Bytes data) override {
    if (offset > data_bytes_ || data.size() > data_bytes_ - offset) {
      co_return fail(Errc::invalid_argument, "bytes beyond the share's size");
    }
    co_return co_await transfer_->store(kImmutableHeaderBytes + offset, std::move(data));
  }

  Task<Bytes> read_back(OpContext, std::uint64_t offset, std::size_t bytes) override {
    co_return co_await transfer_->load(kImmutableHeaderBytes + offset, bytes);
  }

  Task<ShareInfo> commit(OpContext context, Leases) override {
    auto object = co_await transfer_->finish(context);
    if (!object) co_return fail(std::move(object.error()));
    ended_ = true;
    ShareInfo info;
    info.number = transfer_->share().number;
    info.kind = ShareKind::immutable;
    info.data_bytes = data_bytes_;
    info.stored_bytes = transfer_->object_bytes();
    co_return info;
  }

  Task<void> abort(OpContext context) override {
    ended_ = true;
    co_return co_await transfer_->abandon(context);
  }

 private:
  const std::shared_ptr<Transfer> transfer_;
  const std::uint64_t data_bytes_;
  bool ended_ = false;
};

}  // namespace

Result<std::uint64_t> part_size_for(std::uint64_t object_bytes, std::uint64_t part_bytes,
                                    const ContainerTraits& traits) {
  constexpr std::uint64_t kPartGranule = 1ULL << 20;
  if (object_bytes > traits.max_object_bytes) {
    return fail(Errc::too_large, "the store holds objects of " +
                                     std::to_string(traits.max_object_bytes) + " bytes at most");
  }
  const std::uint64_t least = (object_bytes + traits.max_parts - 1) / traits.max_parts;
  std::uint64_t size = std::max(part_bytes, traits.min_part_bytes);
  if (least > size) size = (least + kPartGranule - 1) / kPartGranule * kPartGranule;
  if (size > traits.max_part_bytes) {
    return fail(Errc::too_large, "the store cannot take so large an object in parts");
  }
  return size;
}

Task<std::unique_ptr<ShareWriter>> begin_object_upload(UploadEnvironment environment, ShareId share,
                                                       std::string key, std::uint64_t data_bytes) {
  const std::uint64_t object_bytes = immutable_file_bytes(data_bytes, 0);
  auto part = part_size_for(object_bytes, environment.part_bytes, environment.container.traits());
  if (!part) co_return fail(std::move(part.error()));
  auto make = [directory = environment.spool_directory,
               data_bytes]() -> Result<std::shared_ptr<TemporaryFile>> {
    auto file = TemporaryFile::create(directory);
    if (!file) return file;
    auto written = (*file)->write(0, as_byte_span(encode_immutable_header(2, data_bytes, 0)));
    if (!written) return fail(std::move(written.error()));
    return file;
  };
  auto spool = co_await environment.pool.run(std::move(make));
  if (!spool) co_return fail(std::move(spool.error()));
  auto transfer = std::make_shared<Transfer>(std::move(environment), share, std::move(key),
                                             std::move(*spool), object_bytes, *part);
  co_return std::make_unique<ObjectWriter>(std::move(transfer), data_bytes);
}

}  // namespace sharestore
