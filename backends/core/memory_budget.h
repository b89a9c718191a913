// One number of bytes that many share: who wants memory takes a ticket for it and gives it back.
//
// `[storage] memory_limit` is enforced with it: buffers in flight are charged here, and whoever
// must read more waits until others have let go.
//
// Any thread. Tickets keep the account alive, so they may outlive the MemoryBudget itself.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "backends/core/op_context.h"
#include "backends/core/task.h"

namespace sharestore {

class MemoryBudget {
  struct Account;
  struct Waiter;

 public:
  // Most coroutines that may wait for memory at once; further ones are told `busy`.
  static constexpr std::size_t kMaxWaiters = 65536;

  // Bytes that are charged until the ticket goes. Movable; any thread may destroy it.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept
        : account_(std::move(other.account_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      if (this != &other) {
        release();
        account_ = std::move(other.account_);
        bytes_ = std::exchange(other.bytes_, 0);
      }
      return *this;
    }
    ~Ticket() { release(); }

    std::size_t bytes() const { return bytes_; }
    void release() { shrink_to(0); }
    // Gives back what is above `bytes`; no effect if it holds less.
    void shrink_to(std::size_t bytes);

   private:
    friend class MemoryBudget;
    Ticket(std::shared_ptr<Account> account, std::size_t bytes)
        : account_(std::move(account)), bytes_(bytes) {}

    std::shared_ptr<Account> account_;
    std::size_t bytes_ = 0;
  };

  explicit MemoryBudget(std::size_t limit_bytes, std::size_t max_waiters = kMaxWaiters);

  // A ticket if the bytes are there now and nobody waits; otherwise nothing.
  std::optional<Ticket> try_acquire(std::size_t bytes);

  // A ticket as soon as the bytes are there; first come, first served, whatever the sizes.
  // too_large: more than the whole budget. busy: too many wait already. timed_out: the context's
  // deadline passed. cancelled: the calling coroutine was. The budget outlives the call.
  Task<Ticket> acquire(std::size_t bytes, OpContext context);

  // A ticket at once, above the limit if need be: for small amounts that were already spent when
  // they could be counted. The caller names what bounds them.
  Ticket charge(std::size_t bytes);

  std::size_t limit_bytes() const;
  std::size_t used_bytes() const;
  std::size_t peak_bytes() const;
  std::size_t waiters() const;
  // Nothing more can be had now.
  bool spent() const { return used_bytes() >= limit_bytes(); }

 private:
  static boost::asio::awaitable<void> wait_for_grant(std::shared_ptr<Account> account,
                                                     std::shared_ptr<Waiter> waiter);

  std::shared_ptr<Account> account_;
};

}  // namespace sharestore
