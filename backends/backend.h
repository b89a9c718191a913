// Share semantics: the only door from the storage server down to where bytes are kept.
//
// A backend stores shares as share files (disk-format.md) or objects that hold them. It knows
// nothing of clients, write enablers' meaning, tests, quotas or expiry: those live above, once.
//
// Threads: every method may be called from any thread; coroutines resume on the caller's executor.
// The caller serialises commit_slot, remove, quarantine and store_leases per storage index, and
// creates at most one writer per share at a time. A backend outlives its writers and readers.
//
// Errors every method may return, not repeated below: unavailable (the store could not be asked;
// never to be taken for absent), timed_out, cancelled, busy, io_error. Whether a change may have
// happened all the same is told by Error::outcome_known().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/byte_source.h"
#include "backends/core/bytes.h"
#include "backends/core/lease.h"
#include "backends/core/op_context.h"
#include "backends/core/storage_index.h"
#include "backends/core/task.h"

namespace sharestore {

enum class ShareKind : std::uint8_t { immutable = 0, mutable_slot = 1 };
// The word of the protocol and of advisories: "immutable" or "mutable".
constexpr std::string_view to_string(ShareKind kind) {
  return kind == ShareKind::immutable ? "immutable" : "mutable";
}

// What a share file's header and size tell.
struct ShareInfo {
  ShareNumber number = 0;
  ShareKind kind = ShareKind::immutable;
  // Container version, 1 or 2. Version 1 keeps lease secrets in clear (disk-format.md section 3).
  int container_version = 2;
  // Bytes that a reader can read.
  std::uint64_t data_bytes = 0;
  // Bytes of the share file or object: what quota counts.
  std::uint64_t stored_bytes = 0;
  // BLAKE2b-256 of the 32-byte write enabler; mutable shares only.
  std::optional<Digest> enabler_digest;

  bool operator==(const ShareInfo&) const = default;
};

// An open share. Shared and positionless; a snapshot: what it reads is what was there when it was
// opened, whatever is committed or removed later. Where traits().keeps_snapshots is false, a read
// after a change may fail with `conflict` instead; it never answers other bytes. Any thread.
class ShareReader {
 public:
  virtual ~ShareReader() = default;

  virtual const ShareInfo& info() const = 0;

  // Copies bytes from `offset` into `into` without ever waiting. Returns how many: less than asked
  // only at the end of the share. Nothing if they cannot be had at once: call read().
  virtual std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) = 0;

  // The bytes from `offset`, at most `max_bytes`; fewer only at the end of the share, none past it.
  // corrupt: the file is shorter than its header says.
  virtual Task<Bytes> read(OpContext context, std::uint64_t offset, std::size_t max_bytes) = 0;
};

// An immutable share being written. One owner, one call at a time. Destroyed without commit() it is
// abandoned: nothing becomes visible and its space is freed.
class ShareWriter {
 public:
  virtual ~ShareWriter() = default;

  // Waits until the store has room for the next bytes; answers for how many of `bytes`, at least
  // one. Whoever reads them from a client asks first, so that what the store cannot keep up with
  // waits where it costs nothing. Optional: write() takes what comes. timed_out: no room came
  // before the deadline. busy: too many wait.
  virtual Task<std::uint64_t> ready(OpContext /*context*/, std::uint64_t /*offset*/,
                                    std::uint64_t bytes) {
    co_return bytes;
  }

  // Stores bytes at `offset`, in any order. The caller never writes the same byte twice and never
  // beyond the size given at creation. no_space: disk or spool full; what was written before stays.
  virtual Task<void> write(OpContext context, std::uint64_t offset, Bytes data) = 0;

  // Bytes written earlier through this writer, to compare an overlapping write with.
  virtual Task<Bytes> read_back(OpContext context, std::uint64_t offset, std::size_t bytes) = 0;

  // Makes the share durable and visible, or neither. Every byte has been written. `leases` go into
  // the share file where the backend keeps leases there. With outcome_known() false the share may
  // be visible: the caller asks list().
  virtual Task<ShareInfo> commit(OpContext context, Leases leases) = 0;

  // Frees what the upload holds and returns when it is gone. The destructor does the same behind.
  virtual Task<void> abort(OpContext context) = 0;
};

// Becomes true when the caller of a change has recorded it in the index, durably: what remembered
// the change until then need not any more.
using RecordedFlag = std::shared_ptr<std::atomic<bool>>;

// An immutable share that is to be written.
struct NewShare {
  ShareId share;
  std::uint64_t size_bytes = 0;
  // The caller knows that no finished share of that name is there: the backend need not look.
  bool known_absent = false;
  // As SlotCommit::recorded, for a caller who has not recorded that the upload began: allowed up to
  // BackendTraits::remembered_share_bytes. Null: it is recorded.
  RecordedFlag recorded = nullptr;
};

// One share's part in a slot commit.
struct ShareChange {
  struct Write {
    std::uint64_t offset = 0;
    ByteSourcePtr data;
  };
  ShareNumber number = 0;
  // Delete the share; the other members are ignored. Deleting a missing share is success.
  bool remove = false;
  // Applied in order; a write past the end zero-fills the gap, also one of no bytes.
  std::vector<Write> writes;
  // After the writes the data is cut to this if it is longer; never extended.
  std::optional<std::uint64_t> truncate_to;
  // Merged into the share file where the backend keeps leases there.
  std::vector<LeaseUpdate> leases;
};

// A set of changes to the mutable shares of one storage index. Shares that do not exist are created
// with `write_enabler`; existing ones keep theirs (the caller has checked it).
struct SlotCommit {
  StorageIndex storage_index;
  // 32 bytes (NUL-padded or cut by the caller, gbs-protocol.md section 3.9).
  Secret write_enabler;
  std::vector<ShareChange> changes;
  // Set by a caller who will record in the index what was changed, to true once that is durable. A
  // backend either calls Journal::begin_slot_writes() before it changes anything, or itself
  // remembers the change until this is true: after a stop, start() tells the journal. Null: nothing
  // is recorded.
  RecordedFlag recorded = nullptr;
};

// Where a scan stands: opaque, storable, empty at the beginning. Two base32 characters stand before
// all shares of the storage indexes whose text begins with them; a scan reports those together.
struct ScanCursor {
  std::string position;
};

// The first storage index whose text begins with these two characters; nothing if none does.
inline std::optional<StorageIndex> first_of_prefix(std::string_view prefix) {
  if (prefix.size() != 2) return std::nullopt;
  return StorageIndex::from_text(std::string(prefix) +
                                 std::string(StorageIndex::kTextChars - 2, 'a'));
}

struct ScannedShare {
  ShareId share;
  // Absent where the backend lists sizes only: the header has not been read yet.
  std::optional<ShareInfo> info;
  std::uint64_t stored_bytes = 0;
  // Filled where the backend keeps leases in the share.
  Leases leases;
  // Not empty: the share file is damaged, and how.
  std::string damage;
};

struct ScanPage {
  std::vector<ScannedShare> shares;
  ScanCursor next;
  bool finished = false;
};

// Room for shares, before quota. `total_bytes` 0: the store does not tell.
struct Space {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_for_root_bytes = 0;
  // What this process may still write, before reserved_space.
  std::uint64_t free_bytes = 0;
  // The largest immutable share the backend can take at all.
  std::uint64_t max_immutable_bytes = 0;
};

struct Health {
  bool ok = true;
  // One sentence for the operator when not ok, or a warning; empty otherwise.
  std::string sentence;
};

// Requests to a store over a network, since the start.
struct StoreTraffic {
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;    // of these, repetitions
  std::uint64_t throttles = 0;  // answers that asked for fewer requests
  std::uint64_t bytes_out = 0;  // of bodies
  std::uint64_t bytes_in = 0;
};

struct CacheUse {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

// What a backend knows of its own work, for status and metrics; empty where it has no such thing.
struct BackendStatus {
  // The store's clock minus ours.
  std::optional<std::int64_t> clock_offset_seconds;
  std::optional<StoreTraffic> traffic;
  std::optional<CacheUse> cache;
};

// Differences between backends that callers may act on are data.
struct BackendTraits {
  // "disk", "memory", "cloud.s3" …: for messages and status only, never to be compared with.
  std::string name;
  // Share files here hold leases that the Python node may read: they are kept true.
  bool keeps_leases = false;
  // Shares outlive the process.
  bool persistent = true;
  // scan() reports headers (else sizes only).
  bool scan_reads_headers = true;
  // A listing may lag behind what was written: a share that the caller has reason to expect is
  // asked for by its name before it counts as absent.
  bool listings_may_lag = false;
  // Readers of a mutable share go on reading what they opened after it was changed.
  bool keeps_snapshots = true;
  // Immutable shares of so many bytes the backend remembers by itself from their commit on, as
  // NewShare::recorded says: they need not be recorded before.
  std::uint64_t remembered_share_bytes = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const BackendTraits& traits() const = 0;

  // Brings the store to a clean state after any kind of stop: completes recorded intents, removes
  // unfinished uploads, repairs what a crash left. Called once, before anything else.
  // forbidden: the store belongs to another node or instance.
  virtual Task<void> start(OpContext context) = 0;
  // Finishes or abandons background work. Called once, last; no other call is running.
  virtual Task<void> stop(OpContext context) = 0;

  // The finished shares of one storage index as the store has them, in order of number. `known` are
  // numbers that the caller has reason to expect: a store whose listings lag asks for exactly those
  // names beside its listing. Not for request paths. Damaged files are left out.
  virtual Task<std::vector<ShareInfo>> list(OpContext context, StorageIndex storage_index,
                                            std::vector<ShareNumber> known) = 0;

  // already_exists: a finished share of that name is there. no_space.
  virtual Task<std::unique_ptr<ShareWriter>> create_immutable(OpContext context,
                                                              NewShare share) = 0;

  // not_found: certainly not there. corrupt: there, and damaged.
  virtual Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share) = 0;

  // Applies all changes or none, also across a crash at any moment: after a restart each share is
  // wholly old or wholly new, and an accepted set is completed. Durable on return. Answers the
  // shares of the slot that were changed and still exist, in order of number.
  // corrupt: a share to be changed is damaged. no_space: nothing was changed.
  // invalid_argument: two changes of one share. conflict: a share to be changed is immutable (the
  // caller sees to it that a slot holds no others), or the store's version is not the one we know.
  virtual Task<std::vector<ShareInfo>> commit_slot(OpContext context, SlotCommit commit) = 0;

  // Durable on return. A missing share is success.
  virtual Task<void> remove(OpContext context, ShareId share) = 0;

  // Takes a share out of service without destroying it; durable on return. A missing share is
  // success. Answers where it was put, for the audit line.
  virtual Task<std::string> quarantine(OpContext context, ShareId share) = 0;

  // The next shares after `cursor`, at most `limit`, in the store's own order. Every share that is
  // there from the scan's first page to its last is reported once.
  virtual Task<ScanPage> scan(OpContext context, ScanCursor cursor, std::size_t limit) = 0;

  // Leases in the share file; empty, without a look, where traits().keeps_leases is false.
  // not_found, corrupt.
  virtual Task<Leases> load_leases(OpContext context, ShareId share) = 0;
  // Merges leases into the share file, durable on return: an equal renew secret gets the later
  // expiry, others are appended. Does nothing where traits().keeps_leases is false. not_found,
  // corrupt, no_space (an append needs room).
  virtual Task<void> store_leases(OpContext context, ShareId share,
                                  std::vector<LeaseUpdate> leases) = 0;

  // Small named blobs beside the shares ([a-z0-9.-]+, at most 16 MiB): snapshots, ownership.
  // Durable on return; put replaces. get_state: not_found. remove_state: missing is success.
  virtual Task<void> put_state(OpContext context, std::string name, Bytes content) = 0;
  virtual Task<Bytes> get_state(OpContext context, std::string name) = 0;
  virtual Task<std::vector<std::string>> list_state(OpContext context) = 0;
  virtual Task<void> remove_state(OpContext context, std::string name) = 0;

  // Asks the store or the file system; callers cache the answer.
  virtual Task<Space> space(OpContext context) = 0;
  // What is known without asking. Never waits.
  virtual Health health() const = 0;
  // Never waits.
  virtual BackendStatus status() const { return {}; }
};

}  // namespace sharestore
