// Every limit that is not configured, named once, with the document it comes from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sharestore::limits {

// --- Protocol (gbs-protocol.md section 3) ---------------------------------------------------
inline constexpr std::size_t kAllocateBodyBytes = 8192;
inline constexpr std::size_t kCorruptBodyBytes = 32768;
inline constexpr std::size_t kShareNumbersPerSet = 256;
inline constexpr std::size_t kTestVectorsPerShare = 30;
inline constexpr std::size_t kReadVectors = 30;
// Not limited by the reference: write vectors of one share, and of one request in all.
inline constexpr std::size_t kWriteVectorsPerRequest = 16384;
// A mutable share (69105 * 10^12 bytes).
inline constexpr std::uint64_t kMaxMutableShareBytes = 69'105'000'000'000'000ULL;
// Advertised sizes stay below 2^63 so that every peer can hold them (architecture.md section 4).
inline constexpr std::uint64_t kMaxAdvertisedBytes = (1ULL << 63) - 1;
// The client reads at most 30 MiB of a CBOR answer (gbs-protocol.md section 4).
inline constexpr std::uint64_t kMaxReadTestWriteAnswerBytes = 30ULL << 20;
// Byte strings of a read-test-write above this go to the spool (architecture.md section 6).
inline constexpr std::size_t kSpoolAboveBytes = 256 * 1024;

// --- Time -----------------------------------------------------------------------------------
// An upload without an accepted write is aborted after this (gbs-protocol.md "Upload lifetime").
inline constexpr std::chrono::minutes kUploadIdle{30};
// The client gives up after 60 s; every request ends before (architecture.md section 4).
inline constexpr std::chrono::seconds kRequestBudget{50};
inline constexpr std::chrono::seconds kDrainBudget{30};

}  // namespace sharestore::limits
