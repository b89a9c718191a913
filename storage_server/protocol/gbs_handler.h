// GBS: the HTTP storage protocol over a share store.
//
// Checks come in the protocol's order: path 404, method 405, Authorization 401 or 400, secrets 400,
// then each endpoint's own; Accept is looked at last, after the work is done. Where the reference
// answers 500 the table of status codes in answers.h decides instead.
//
// Threads: one handler serves every worker at once; it holds no state but the spool. The store and
// the pool outlive it, and it outlives the servers that use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>

#include "backends/core/io_pool.h"
#include "backends/core/memory_budget.h"
#include "backends/core/secret.h"
#include "storage_server/http/message.h"
#include "storage_server/protocol/authorization.h"
#include "storage_server/protocol/refusals.h"
#include "storage_server/protocol/route.h"
#include "storage_server/protocol/served_calls.h"
#include "storage_server/protocol/spool.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

struct GbsOptions {
  Secret swissnum;
  // "name/version", shown by clients, not read by them.
  std::string application_version;
  // Largest read-test-write body; beyond it 413.
  std::uint64_t max_mutable_request_bytes = 4ULL << 30;
  // For bodies that must be held whole and for answers of read-test-write, half each. Requests wait
  // when it is spent. A half is never less than the largest body takes; an answer larger than its
  // half is made alone.
  std::size_t memory_bytes = std::size_t{64} << 20;
  // Spooled bytes of all requests together; beyond it 503.
  std::uint64_t max_spool_bytes = 16ULL << 30;
  std::filesystem::path spool_directory;
};

class GbsHandler final : public http::Handler {
 public:
  GbsHandler(ShareStore& store, IoPool& pool, GbsOptions options);

  std::optional<http::Response> try_handle(const http::Request& request,
                                           OpContext context) override;
  boost::asio::awaitable<http::Response> handle(const http::Request& request,
                                                http::RequestBody& body,
                                                OpContext context) override;

  // For status and metrics; any thread.
  const ServedCalls& served() const { return served_; }
  std::uint64_t spool_bytes() const { return spool_.bytes(); }
  // When a share was last read, unix seconds; 0: not since the start.
  std::int64_t last_download() const { return last_download_.load(std::memory_order_relaxed); }

 private:
  using Answer = boost::asio::awaitable<http::Response>;

  // A request that has passed the common checks. `request` and `body` live until it is answered.
  struct Call {
    const http::Request* request = nullptr;
    http::RequestBody* body = nullptr;
    OpContext context;
    Route route;
    RequestSecrets secrets;

    bool byte_read() const { return route.endpoint == Endpoint::read_share; }
    LeaseSecrets lease() const { return {secrets.lease_renew, secrets.lease_cancel}; }
  };

  // The checks before every endpoint; the answer where one fails.
  std::expected<Call, http::Response> admit(const http::Request& request, OpContext context) const;
  std::optional<http::Response> answer_now(const Call& call);
  Answer dispatch(Call call);
  Answer measured(Call call);
  // Counts a call that was answered with `status`, if it succeeded.
  void note(ServedCall served, const Clock& clock, Monotonic begun, int status);

  http::Response version(const Call& call);
  Bytes version_body();
  // The answer to a byte read of a share that is there.
  http::Response share_answer(const Call& call, std::shared_ptr<ShareReader> reader) const;
  // `body` if the client accepts CBOR, otherwise 406.
  http::Response accepted(const Call& call, int status, Bytes body) const;
  http::Response failed(const Call& call, const Error& error) const;
  // The same for an error met while the body was read.
  http::Response body_failed(const Call& call, const Error& error) const;

  Answer add_lease(Call call);
  Answer allocate(Call call);
  Answer write_upload(Call call);
  Answer abort_upload(Call call);
  Answer list_shares(Call call);
  Answer read_share(Call call);
  Answer advise_corrupt(Call call);
  // Memory for what the reads of a request may answer, taken before it is done.
  Task<MemoryBudget::Ticket> answer_memory(OpContext context, StorageIndex storage_index,
                                           std::vector<ReadVector> reads);
  Answer read_test_write(Call call);

  ShareStore& store_;
  std::uint64_t instance_;  // unique in the process
  Secret authorization_;
  std::string application_version_;
  std::uint64_t max_mutable_request_bytes_;
  MemoryBudget bodies_;
  // Apart from the bodies: who holds memory of an answer never waits for that of a body.
  MemoryBudget answers_;
  Spool spool_;
  ServedCalls served_;
  mutable Refusals refusals_;
  std::atomic<std::int64_t> last_download_ = 0;
};

}  // namespace sharestore
