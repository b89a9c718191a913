// A set of changes to a slot that was accepted: new share files in one synced spool file, and a
// text that says which bytes become which share.
//
// All calls block on a disk: they belong on the I/O pool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "backends/core/byte_source.h"
#include "backends/core/digest.h"
#include "backends/core/storage_index.h"

namespace sharestore {

struct IntentEntry {
  ShareNumber number = 0;
  bool remove = false;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

struct SlotIntent {
  std::string file_name;  // in the spool directory
  Digest digest{};        // of the whole file
  std::vector<IntentEntry> entries;
};

std::string encode_intent(const SlotIntent& intent);
// corrupt: not what encode_intent made.
Result<SlotIntent> decode_intent(const std::string& body);

// Writes the sources one after the other into a new file and syncs it and its name. Entries with
// `remove` have a null source.
Result<SlotIntent> spool_intent(const std::filesystem::path& directory,
                                std::vector<IntentEntry> entries,
                                const std::vector<ByteSourcePtr>& sources);

// One source per entry (null for removals), after the file's digest was checked. not_found,
// corrupt.
Result<std::vector<ByteSourcePtr>> load_intent(const std::filesystem::path& directory,
                                               const SlotIntent& intent);

}  // namespace sharestore
