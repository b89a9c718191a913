// Who may write to a container: `<prefix>owner`, one node and one running instance of it.
//
// The object is JSON: format, node, instance (random, new at every start), since, stopped. The node
// remembers its last instance in a local file, so that it knows its own earlier run from a clone's
// or another machine's. Any thread; acquire() before and release()
// after everything else.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "backends/core/io_pool.h"
#include "backends/object/container.h"

namespace sharestore {

// The format of what lies in the bucket; a higher number is refused.
inline constexpr int kBucketFormat = 1;

struct OwnershipOptions {
  std::string key;        // of the owner object
  std::string node_name;  // tubid of this node
  std::filesystem::path instance_file;
  bool take_over = false;
};

class Ownership {
 public:
  enum class State : std::uint8_t { unknown, ours, taken };

  Ownership(OwnershipOptions options, ObjectContainer& container, IoPool& pool, Clock& clock);

  // Becomes the owner. forbidden: another node's container, or another instance of this node that
  // did not stop cleanly; the sentence says what to do. corrupt: the owner object is not readable.
  Task<void> acquire(OpContext context);
  // Looks whether the container is still ours. forbidden: taken by another instance; final. An
  // owner object that somebody has removed is written again. unavailable: it cannot be read.
  Task<void> verify(OpContext context);
  // verify(), unless it said so within `age`.
  Task<void> confirm(OpContext context, Duration age);
  // Leaves a mark that this instance stopped cleanly.
  Task<void> release(OpContext context);

  State state() const { return state_; }

 private:
  struct Owner {
    int format = kBucketFormat;
    std::string node;
    std::string instance;
    std::int64_t since = 0;
    bool stopped = false;
    std::string etag;
  };

  Task<Owner> read(OpContext context);
  Task<void> write(OpContext context, bool stopped, std::string replaced_etag, bool absent);
  Status may_take(const Owner& owner, const std::string& last_instances) const;

  const OwnershipOptions options_;
  ObjectContainer& container_;
  IoPool& pool_;
  Clock& clock_;
  const std::string instance_;
  std::int64_t since_ = 0;
  std::atomic<State> state_ = State::unknown;
  std::mutex mutex_;
  Monotonic confirmed_at_;
};

}  // namespace sharestore
