// The share store: what a Tahoe-LAFS storage server does with shares, once, for every backend.
//
// Semantics: gbs-protocol.md section 3. It owns uploads in progress, the test-and-write algebra,
// write enablers, leases of requests, space rules and the states of shares; bytes lie in a Backend,
// knowledge in an Index.
//
// Threads: any; operations on one storage index exclude each other where they must. Coroutines
// resume on the caller's executor. Ownership: main owns it; backend, index, pool and clock outlive
// it.
//
// Errors common to all: unavailable (share state could not be determined: 503), busy and cancelled
// (draining, a limit of the moment: 503), timed_out (503), io_error (500).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/core/io_pool.h"
#include "backends/core/lease.h"
#include "backends/core/op_context.h"
#include "storage_server/index/index.h"
#include "storage_server/index/lease_backlog.h"
#include "storage_server/shares/expired_shares.h"
#include "storage_server/shares/share_fault.h"

namespace sharestore {

struct ShareStoreOptions {
  bool readonly = false;
  std::uint64_t reserved_space_bytes = 0;
  // Most bytes kept; 0 = no limit.
  std::uint64_t sizelimit_bytes = 0;
  std::filesystem::path advisories_directory;
  // Spool files of large read-test-write bodies.
  std::filesystem::path spool_directory;
  std::size_t max_advisories = 10000;
  std::size_t max_advisories_per_share = 16;
  std::size_t max_open_readers = 256;
  std::size_t max_uploads = 16384;
};

// What GET version answers. Kept up to date behind; never waits.
struct SpaceReport {
  std::uint64_t available_bytes = 0;
  std::uint64_t max_immutable_bytes = 0;
  std::uint64_t max_mutable_bytes = 0;
};

// What the store is busy with, for status.
struct StoreActivity {
  Space backend_space;               // as the backend last said
  std::uint64_t reserved_bytes = 0;  // promised to uploads and writes under way
  std::uint64_t uploads = 0;         // in progress
};

struct AllocateOutcome {
  std::vector<ShareNumber> already_have;
  std::vector<ShareNumber> allocated;
};

// Half-open range of bytes.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

// One accepted piece, or the whole upload if that completed it.
struct UploadProgress {
  bool complete = false;
  // What is still missing, ascending; the protocol answers all of it.
  std::vector<ByteRange> required;
};

// An upload in progress, found by its secret. Valid until the upload ends; later calls answer
// not_found.
class UploadHandle {
 public:
  virtual ~UploadHandle() = default;
  virtual std::uint64_t allocated_bytes() const = 0;
  // Before the next piece of a PATCH is read: waits for the store, and answers how many of `bytes`
  // it has room for (ShareWriter). invalid_argument: beyond the allocated size. timed_out, busy.
  virtual Task<std::uint64_t> ready(OpContext context, std::uint64_t offset,
                                    std::uint64_t bytes) = 0;
  // Stores the next piece of a PATCH. conflict: differs from bytes written before (pieces before
  // this one stay). invalid_argument: beyond the allocated size. no_space. Restarts the 30 minutes.
  virtual Task<void> write(OpContext context, std::uint64_t offset, Bytes data) = 0;
  // After the last piece: if nothing is missing, commits. Complete means durable, visible, leased.
  virtual Task<UploadProgress> finish_write(OpContext context) = 0;
};

struct TestVector {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  ByteSourcePtr specimen;
};
struct ReadVector {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
struct TestWriteVectors {
  std::vector<TestVector> tests;
  std::vector<ShareChange::Write> writes;
  std::optional<std::uint64_t> new_length;
};
struct ReadTestWrite {
  std::map<ShareNumber, TestWriteVectors> shares;
  std::vector<ReadVector> reads;
};
struct ReadTestWriteOutcome {
  bool success = false;
  std::map<ShareNumber, std::vector<Bytes>> data;
};

// A share that was taken out by hand.
struct TakenOut {
  ShareNumber number = 0;
  std::uint64_t stored_bytes = 0;
  std::string place;  // where it lies now
};

class ShareStore : public ExpiredShares {
 public:
  static std::unique_ptr<ShareStore> create(ShareStoreOptions options, Backend& backend,
                                            Index& index, IoPool& pool, Clock& clock);

  // Resolves what the last stop left open; returns when requests may be served.
  virtual Task<void> start(OpContext context) = 0;
  // Background work (space, upload time-outs); runs until drain() ends it. Spawned once by main.
  virtual boost::asio::awaitable<void> run() = 0;
  // Refuses new allocates, aborts unfinished uploads; returns when nothing is in flight.
  virtual Task<void> drain(OpContext context) = 0;

  // Writes leases that are newer in the index than in the share files into them, for at most
  // `limit` shares, oldest first. Answers how many were; 0: nothing is left to write.
  virtual Task<std::size_t> save_leases(OpContext context, LeaseBacklog& backlog,
                                        std::size_t limit) = 0;

  // Moves one share, or all of a storage index, into quarantine and forgets them and their leases.
  // not_found: there is none.
  virtual Task<std::vector<TakenOut>> take_out(OpContext context, StorageIndex storage_index,
                                               std::optional<ShareNumber> number) = 0;

  // Compares what the index says of a storage index with what the store has, of these numbers and
  // all that the index knows, while nothing else happens to it. Uploads and removals under way are
  // passed over. With `repair`: damaged shares go to quarantine, the index is made to agree.
  virtual Task<std::vector<ShareFault>> examine(OpContext context, StorageIndex storage_index,
                                                std::vector<ShareNumber> numbers, bool repair) = 0;

  virtual SpaceReport space() const = 0;
  virtual StoreActivity activity() const = 0;

  // allocate (endpoint 3). invalid_argument: the storage index holds mutable shares.
  virtual Task<AllocateOutcome> allocate(OpContext context, StorageIndex storage_index,
                                         std::vector<ShareNumber> numbers, std::uint64_t size_bytes,
                                         LeaseSecrets lease, Secret upload_secret) = 0;
  // unauthorized: the upload is in progress under another secret. not_found: no such upload.
  virtual Result<std::shared_ptr<UploadHandle>> find_upload(ShareId share,
                                                            const Secret& upload_secret) = 0;
  // unauthorized; not_found: nothing of that name; already_exists: the share is finished.
  virtual Task<void> abort_upload(OpContext context, ShareId share, Secret upload_secret) = 0;

  // Numbers of the finished shares of that kind, ascending; empty for an unknown storage index.
  // try_list never waits; where it answers nothing, list() must be asked.
  virtual std::optional<Result<std::vector<ShareNumber>>> try_list(StorageIndex storage_index,
                                                                   ShareKind kind) = 0;
  virtual Task<std::vector<ShareNumber>> list(OpContext context, StorageIndex storage_index,
                                              ShareKind kind) = 0;

  // A reader that is at hand without waiting, or null: then open() tells.
  virtual std::shared_ptr<ShareReader> try_open(ShareId share, ShareKind kind) = 0;
  // not_found: absent, lost, or of the other kind. corrupt is turned into lost and not_found after
  // quarantine.
  virtual Task<std::shared_ptr<ShareReader>> open(OpContext context, ShareId share,
                                                  ShareKind kind) = 0;

  // read-test-write (endpoint 9). unauthorized: wrong write enabler, nothing done. forbidden:
  // readonly and the tests passed. no_space: growth beyond the room left. too_large: beyond the
  // largest share, or an answer beyond 30 MiB. invalid_argument: the slot holds immutable shares.
  virtual Task<ReadTestWriteOutcome> read_test_write(OpContext context, StorageIndex storage_index,
                                                     Secret write_enabler, LeaseSecrets lease,
                                                     ReadTestWrite request) = 0;

  // PUT lease. not_found: no share. no_space: a new record has no room.
  virtual Task<void> add_lease(OpContext context, StorageIndex storage_index,
                               LeaseSecrets lease) = 0;

  // not_found: no such share. The report may be dropped (still success) when caps or space say so.
  virtual Task<void> advise_corrupt(OpContext context, ShareId share, ShareKind kind,
                                    std::string reason) = 0;
  // Whether a share of any kind is there, for the check order of endpoint 8.
  virtual Task<bool> exists(OpContext context, ShareId share) = 0;
};

}  // namespace sharestore
