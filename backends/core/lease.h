// A lease as every layer below the protocol knows it: digests of its secrets, and its end.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/core/digest.h"
#include "backends/core/secret.h"

namespace sharestore {

// Fixed by the protocol: 31 days (disk-format.md section 6).
inline constexpr std::int64_t kLeaseSeconds = 31LL * 24 * 60 * 60;

struct Lease {
  // 0: made by allocate, 1: made by PUT lease or a mutable write. No meaning beyond that.
  std::uint32_t owner = 0;
  Digest renew_digest{};
  Digest cancel_digest{};
  // Unix seconds. Share files hold 32 bits of it.
  std::int64_t expires_at = 0;

  bool operator==(const Lease&) const = default;
};

// What a client gives: the secrets in clear, 32 bytes each (checked by the protocol layer).
struct LeaseSecrets {
  Secret renew;
  Secret cancel;

  Lease lease(std::uint32_t owner, std::int64_t expires_at) const {
    return {owner, blake2b_256(renew.reveal()), blake2b_256(cancel.reveal()), expires_at};
  }
};

// A lease to be merged into a share file: the record with the same renew secret gets the later
// expiry, otherwise the lease is appended. Version 1 files store secrets in clear and can take the
// lease only where `secrets` holds them.
struct LeaseUpdate {
  Lease lease;
  LeaseSecrets secrets;  // empty where only digests are known
};

using Leases = std::vector<Lease>;

}  // namespace sharestore
