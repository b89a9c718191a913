// Objects by name: the door from share semantics down to a provider's store.
//
// A provider (one folder beside this one) implements this over HTTP; tests have one in memory. What
// differs between providers is data in traits(), never a name to compare with.
//
// Threads: every method may be called from any thread; coroutines resume on the caller's executor.
// Every method retries what is safe to repeat within the context's deadline, and treats the request
// as one that may have been executed twice. Keys are the caller's whole names, prefix included, of
// [a-z0-9/._-] only, at most 512 bytes.
//
// Errors every method may return, not repeated below: unavailable (not reached, or an answer that
// tells nothing), busy (throttled beyond the deadline), timed_out, cancelled, unauthorized
// (credentials refused), forbidden, io_error. outcome_known() is false when a change may have
// happened although no answer told so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/bytes.h"
#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore {

struct ContainerTraits {
  // For messages, status and metrics only.
  std::string name;
  // Parts of a multipart object: sizes (all but the last at least the minimum) and their number.
  std::uint64_t min_part_bytes = 5ULL << 20;
  std::uint64_t max_part_bytes = 5ULL << 30;
  std::uint32_t max_parts = 1000;
  // The largest object that one put may make, and the largest object at all.
  std::uint64_t max_put_bytes = 5ULL << 30;
  std::uint64_t max_object_bytes = 5ULL << 40;
  // put() honours PutCondition::if_absent, and if_match.
  bool put_if_absent = false;
  bool put_if_match = false;
  // A listing shows every change that was acknowledged before it began.
  bool list_is_consistent = true;
  // A get after an overwrite may show the old object unless newest is asked for.
  bool read_may_be_stale = false;
  // The store keeps old versions; remove() deletes them too.
  bool versioned = false;
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size_bytes = 0;
  // The store's entity tag as given, without quotes. Opaque; equal tags mean equal bytes.
  std::string etag;
  std::int64_t modified_at = 0;  // unix seconds; 0: not told
};

// A range of an object, and what the object was when it was read.
struct ObjectBytes {
  Bytes bytes;
  // Of the whole object.
  ObjectInfo info;
};

struct ObjectPage {
  std::vector<ObjectInfo> objects;  // ascending by key (byte order)
  bool more = false;                // continue after the last key
};

struct PutCondition {
  bool if_absent = false;
  std::string if_match;  // an etag; empty: no condition
};

// How fresh a read must be where the store may answer from an old copy.
enum class Freshness : std::uint8_t { any, newest };

// A multipart object under construction. `id` is the store's; it survives restarts.
struct Multipart {
  std::string key;
  std::string id;
};

struct MultipartPart {
  std::uint32_t number = 0;  // from 1
  std::string etag;
  std::uint64_t size_bytes = 0;
};

// What a clock comparison with the store shows: store time minus ours.
struct ContainerStatus {
  Health health;
  std::int64_t clock_offset_seconds = 0;
  bool clock_known = false;
  // Nothing: there is no network.
  std::optional<StoreTraffic> traffic = {};
};

class ObjectContainer {
 public:
  virtual ~ObjectContainer() = default;

  virtual const ContainerTraits& traits() const = 0;

  // Checks that the container is there and answers; learns what traits() cannot know beforehand.
  // not_found: no such container. Called before other methods, and again until it succeeds.
  virtual Task<void> open(OpContext context) = 0;
  // Ends background work and waits for it. Called once, last.
  virtual Task<void> close() = 0;

  // Makes the object hold exactly `content`, atomically: readers see the old object or the new one
  // whole. Answers its info. precondition not met: conflict. Afterwards the object is durable in
  // the sense of the store.
  virtual Task<ObjectInfo> put(OpContext context, std::string key, ByteSourcePtr content,
                               PutCondition condition) = 0;

  // Bytes [offset, offset + length) cut at the object's end; length 0 means the whole object.
  // A range that begins at or after the end answers no bytes. not_found. Length and, for whole
  // objects, content are verified.
  virtual Task<ObjectBytes> get(OpContext context, std::string key, std::uint64_t offset,
                                std::uint64_t length, Freshness freshness) = 0;

  // not_found: the store was reached and says it is not there.
  virtual Task<ObjectInfo> head(OpContext context, std::string key, Freshness freshness) = 0;

  // Removes the object, with its segments or versions where the store has such. Missing is success.
  virtual Task<void> remove(OpContext context, std::string key) = 0;

  // Keys that begin with `prefix` (which ends in '/', or is a whole state key's folder) and follow
  // `after` in byte order. One page.
  virtual Task<ObjectPage> list(OpContext context, std::string prefix, std::string after,
                                std::size_t limit) = 0;

  // Multipart objects: nothing is visible under the key before complete_multipart() succeeds.
  virtual Task<Multipart> begin_multipart(OpContext context, std::string key) = 0;
  // Parts may be uploaded in any order and at once; an equal number replaces.
  virtual Task<MultipartPart> upload_part(OpContext context, Multipart upload, std::uint32_t number,
                                          ByteSourcePtr content) = 0;
  // Joins the parts, given in ascending order. With an unknown outcome the implementation has
  // already looked (head: size and tag) and only then answers.
  virtual Task<ObjectInfo> complete_multipart(OpContext context, Multipart upload,
                                              std::vector<MultipartPart> parts,
                                              PutCondition condition) = 0;
  // Frees the parts; repeated until the store has none left. An unknown upload is success.
  virtual Task<void> abort_multipart(OpContext context, Multipart upload) = 0;
  // Unfinished uploads under a prefix, whoever began them, at most `limit`.
  virtual Task<std::vector<Multipart>> list_multiparts(OpContext context, std::string prefix,
                                                       std::size_t limit) = 0;

  // Makes the container. already_exists: it is there and ours.
  virtual Task<void> create(OpContext context) = 0;

  // What is known without asking. Never waits.
  virtual ContainerStatus status() const = 0;
};

}  // namespace sharestore
