// Limits of talking to introducers. A breach ends the connection; it is tried again later.
//
// Foolscap names few limits itself; those without a source are far above what an introducer sends.
#pragma once

#include <chrono>
#include <cstddef>

namespace sharestore::grid {

// --- Sizes ----------------------------------------------------------------------------------
// The answer to the plaintext upgrade, and each negotiation block (Foolscap's own limit).
inline constexpr std::size_t kMaxBlockBytes = 4096;
// Foolscap allows 64 digits of seven bits; ours must fit 64 bits.
inline constexpr std::size_t kMaxHeaderDigits = 10;
// Text of an ERROR token (Foolscap's own limit).
inline constexpr std::size_t kMaxErrorBytes = 1000;
inline constexpr std::size_t kMaxStringBytes = std::size_t{64} << 10;
// All strings of one message.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{128} << 10;
inline constexpr std::size_t kMaxMessageTokens = 2048;
inline constexpr std::size_t kMaxDepth = 16;
inline constexpr std::size_t kReadBytes = std::size_t{16} << 10;
// From the peer in one keepalive period: more is no introducer, and would cost time for nothing.
inline constexpr std::size_t kMaxReceivedBytes = std::size_t{512} << 10;
// Connection hints of one introducer that are tried.
inline constexpr std::size_t kMaxTriedHints = 16;
inline constexpr std::size_t kMaxTriedAddresses = 4;
// Threads that wait for name servers; they cannot be told to stop.
inline constexpr int kMaxLookups = 16;

// --- Time -----------------------------------------------------------------------------------
inline constexpr std::chrono::seconds kLookupBudget{20};
inline constexpr std::chrono::seconds kConnectBudget{20};
// From the plaintext upgrade to the introducer's acceptance of the announcement.
inline constexpr std::chrono::seconds kPublishBudget{60};
inline constexpr std::chrono::seconds kWriteBudget{60};
// Foolscap's own: PING after so long without a byte from the peer.
inline constexpr std::chrono::seconds kKeepalive{240};
// Foolscap has none and waits for TCP to give up; a PING unanswered this long is a dead peer.
inline constexpr std::chrono::seconds kDisconnect{600};

// Pauses between attempts, as the Python node has: 1 s, each e times longer, 12 % of jitter.
inline constexpr std::chrono::seconds kFirstPause{1};
inline constexpr std::chrono::seconds kLongestPause{3600};
inline constexpr double kPauseFactor = 2.7182818284590451;
inline constexpr double kPauseJitter = 0.12;
// A connection that held this long makes the next pause the first again.
inline constexpr std::chrono::seconds kSteady{60};

}  // namespace sharestore::grid
