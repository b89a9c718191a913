// CRC-32C (Castagnoli), for records that a crash may cut short.
//
// Pure; any thread.
#pragma once

#include <cstdint>

#include "backends/core/bytes.h"

namespace sharestore {

// `crc` is what an earlier call returned for the bytes before; 0 at the beginning.
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t crc = 0);

}  // namespace sharestore
