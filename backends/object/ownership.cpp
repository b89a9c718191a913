#include "backends/object/ownership.h"

#include <boost/json.hpp>

#include <fcntl.h>
#include <sodium.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "backends/core/base32.h"

namespace sharestore {

namespace json = boost::json;

namespace {

std::string random_instance() {
  std::string bytes(20, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return base32_encode(bytes);
}

std::string read_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// Whole or not at all, and durable: after a crash it must name the run that really owned.
Status write_line(const std::filesystem::path& file, const std::string& line) {
  const std::filesystem::path fresh = file.string() + ".new";
  const int fd = ::open(fresh.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return fail(errno_error(errno, "writing " + fresh.string()));
  const std::string text = line + "\n";
  const bool good = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  if (!good) return fail(errno_error(error, "writing " + fresh.string()));
  if (::rename(fresh.c_str(), file.c_str()) != 0) {
    return fail(errno_error(errno, "renaming " + fresh.string()));
  }
  return {};
}

}  // namespace

Ownership::Ownership(OwnershipOptions options, ObjectContainer& container, IoPool& pool,
                     Clock& clock)
    : options_(std::move(options)),
      container_(container),
      pool_(pool),
      clock_(clock),
      instance_(random_instance()) {}

Task<Ownership::Owner> Ownership::read(OpContext context) {
  auto object = co_await container_.get(context, options_.key, 0, 0, Freshness::newest);
  if (!object) co_return fail(std::move(object.error()));
  boost::system::error_code bad;
  const json::value parsed = json::parse(object->bytes.text(), bad);
  const json::object* fields = bad ? nullptr : parsed.if_object();
  if (fields == nullptr) {
    co_return fail(Errc::corrupt, options_.key + " is not the JSON object that names the owner");
  }
  const auto text = [fields](const char* name) {
    const json::value* value = fields->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  Owner owner;
  const json::value* format = fields->if_contains("format");
  const json::value* stopped = fields->if_contains("stopped");
  owner.format = format != nullptr && format->is_int64() ? static_cast<int>(format->as_int64()) : 0;
  owner.stopped = stopped != nullptr && stopped->is_bool() && stopped->as_bool();
  owner.node = text("node");
  owner.instance = text("instance");
  owner.etag = object->info.etag;
  co_return owner;
}

Task<void> Ownership::write(OpContext context, bool stopped, std::string replaced_etag,
                            bool absent) {
  const json::value owner = {{"format", kBucketFormat},
                             {"node", options_.node_name},
                             {"instance", instance_},
                             {"since", since_},
                             {"stopped", stopped}};
  PutCondition condition;
  const ContainerTraits& traits = container_.traits();
  if (absent && traits.put_if_absent) condition.if_absent = true;
  if (!absent && traits.put_if_match) condition.if_match = std::move(replaced_etag);
  auto written = co_await container_.put(
      context, options_.key, memory_source(Bytes::copy_of(json::serialize(owner))), condition);
  if (!written) co_return fail(std::move(written.error()));
  co_return Status{};
}

Status Ownership::may_take(const Owner& owner, const std::string& last_instances) const {
  if (owner.format != kBucketFormat) {
    return fail(Errc::forbidden, options_.key + " has format " + std::to_string(owner.format) +
                                     "; this program knows format " +
                                     std::to_string(kBucketFormat) + " only");
  }
  if (owner.node != options_.node_name) {
    return fail(Errc::forbidden,
                "the container belongs to node " + owner.node + " (" + options_.key +
                    "); this is node " + options_.node_name +
                    ". Choose another prefix or container: two nodes cannot share one");
  }
  const bool own_run =
      !owner.instance.empty() && (" " + last_instances + " ").contains(" " + owner.instance + " ");
  if (owner.stopped || own_run || options_.take_over) return {};
  return fail(Errc::forbidden,
              "another instance of this node uses the container, or stopped without saying so (" +
                  options_.key +
                  "). If it is certain that no other is running, run "
                  "`sharestore admin take-over NODEDIR`");
}

Task<void> Ownership::acquire(OpContext context) {
  auto load = [file = options_.instance_file]() { return read_line(file); };
  const std::string last_instances = co_await pool_.run(std::move(load));
  since_ = unix_seconds(clock_.utc_now());
  auto owner = co_await read(context);
  const bool absent = !owner && owner.error().code() == Errc::not_found;
  if (!owner && !absent) co_return fail(std::move(owner.error()));
  if (owner && owner->instance != instance_) {
    auto allowed = may_take(*owner, last_instances);
    if (!allowed) co_return allowed;
  }
  // Both names are in the local file while the owner object changes: whichever of the two writes a
  // crash comes between, the next start knows the owner as its own earlier run.
  auto announce = [file = options_.instance_file, line = last_instances + " " + instance_]() {
    return write_line(file, line);
  };
  auto announced = co_await pool_.run(std::move(announce));
  if (!announced) co_return announced;
  auto written = co_await write(context, false, absent ? std::string() : owner->etag, absent);
  if (!written && written.error().code() != Errc::conflict) co_return written;
  auto now = co_await read(context);
  if (!now) co_return fail(std::move(now.error()));
  if (now->instance != instance_) {
    co_return fail(Errc::forbidden, "another instance took the container at the same moment");
  }
  auto save = [file = options_.instance_file, line = instance_]() {
    return write_line(file, line);
  };
  auto saved = co_await pool_.run(std::move(save));
  if (!saved) co_return saved;
  state_ = State::ours;
  co_return Status{};
}

Task<void> Ownership::verify(OpContext context) {
  if (state_ == State::taken) {
    co_return fail(Errc::forbidden, "another instance has taken this container over");
  }
  const Monotonic asked_at = clock_.now();
  auto owner = co_await read(context);
  if (!owner && owner.error().code() == Errc::not_found) {
    spdlog::warn("{} was removed by somebody; it is written again", options_.key);
    auto written = co_await write(context, false, {}, true);
    if (!written && written.error().code() != Errc::conflict) co_return written;
    owner = co_await read(context);
  }
  if (!owner) {
    co_return fail(Errc::unavailable, "whether the container is still ours cannot be told: " +
                                          owner.error().message());
  }
  if (owner->instance == instance_) {
    const std::lock_guard hold(mutex_);
    confirmed_at_ = asked_at;
    co_return Status{};
  }
  state_ = State::taken;
  co_return fail(Errc::forbidden, "another instance (" + owner->instance +
                                      ") has taken this container over; this one writes no more");
}

Task<void> Ownership::confirm(OpContext context, Duration age) {
  {
    const std::lock_guard hold(mutex_);
    if (state_ == State::ours && clock_.now() - confirmed_at_ < age) co_return Status{};
  }
  co_return co_await verify(context);
}

Task<void> Ownership::release(OpContext context) {
  if (state_ != State::ours) co_return Status{};
  auto mine = co_await verify(context);
  if (!mine) co_return mine;
  auto owner = co_await read(context);
  if (!owner) co_return fail(std::move(owner.error()));
  state_ = State::unknown;
  co_return co_await write(context, true, owner->etag, false);
}

}  // namespace sharestore
