// The account's token and storage URL, got from the identity service and kept fresh.
//
// One authentication serves everybody who waits. A token is replaced ahead of its end, serving
// meanwhile; when the service fails, it is asked again after growing pauses, or when it said so.
//
// Threads: token() from any coroutine on any executor, everything else from any thread. close() is
// awaited before the source is destroyed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "backends/core/io_pool.h"
#include "backends/core/op_context.h"
#include "backends/core/secret.h"
#include "backends/core/task.h"
#include "backends/http/retry_policy.h"
#include "backends/openstack/identity_protocol.h"
#include "config/storage_config.h"

namespace sharestore::openstack {

// One authentication, version discovery included.
inline constexpr std::chrono::seconds kAuthenticationBudget{30};
// A token is replaced at the earliest a quarter of its life, and at most this, before its end:
// services hand out the old one again until shortly before.
inline constexpr std::chrono::minutes kLongestRenewalLead{30};
// Taken for the life of a token when the service tells none.
inline constexpr std::chrono::hours kUntoldTokenLife{12};
// A token said to end sooner is used so long anyway: a 401 tells in time.
inline constexpr std::chrono::seconds kShortestTokenLife{1};
// Pauses between failed authentications: doubled from the first to the longest, each cut by up to
// half at random. An account that was refused begins at the third, so as not to be locked.
inline constexpr std::chrono::seconds kFirstAuthenticationPause{1};
inline constexpr std::chrono::seconds kLongestAuthenticationPause{60};
inline constexpr std::chrono::seconds kRefusedAccountPause{10};
// What the service asks for with Retry-After, at most.
inline constexpr std::chrono::minutes kLongestRetryAfter{5};
// A request waits so long for the next authentication after a failed one; when the service asked
// for a pause, as long as its deadline allows.
inline constexpr std::chrono::seconds kPatience{5};

struct Token {
  // Tells tokens apart; counted from 1.
  std::uint64_t generation = 0;
  Secret value;
  std::string storage_url;  // without a trailing '/'
  // As far as the service told.
  Monotonic ends_at;
};

struct TokenStatus {
  // Empty: the last authentication succeeded, or there was none yet.
  std::string trouble;
  // Requests to the identity service that asked for a token.
  std::uint64_t authentications = 0;
  bool has_token = false;
  // Where a token was asked for last, and how; nothing: nowhere yet.
  std::optional<IdentityAddress> identity;
  // Its clock minus ours; nothing: not told yet.
  std::optional<std::chrono::seconds> clock_offset;
};

class TokenSource {
 public:
  // `pool` and the executor's loop outlive the source, and so does the clock of every context.
  TokenSource(boost::asio::any_io_executor executor, IoPool& pool, OpenStackConfig config,
              http_client::RandomSource random = http_client::system_random());
  ~TokenSource();
  TokenSource(const TokenSource&) = delete;
  TokenSource& operator=(const TokenSource&) = delete;

  // The token to use now. Errors are those of the last authentication (read_token_answer), or
  // timed_out: the deadline passed while one was under way.
  Task<Token> token(OpContext context);

  // The store refused the token of that generation. Does nothing when it was replaced already.
  void invalidate(std::uint64_t generation);

  TokenStatus status() const;

  // Cancels what is running and waits for it. Later calls of token() are answered `cancelled`.
  boost::asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sharestore::openstack
