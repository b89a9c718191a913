// The number of the node's announcements: announcement-seqnum in the node directory.
//
// Introducers keep the announcement with the greater number, so it must never be used twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

#include "backends/core/error.h"

namespace sharestore {

// Any thread; calls wait for each other and for the disk. One object per node directory.
class AnnouncementSeqnum {
 public:
  explicit AnnouncementSeqnum(const std::filesystem::path& node_directory);

  // One more than ever before, starting with 1. Durable on success. invalid_argument: the file
  // holds no number below 2^53 (JSON's integers); otherwise what reading and writing files can say.
  Result<std::uint64_t> next();

 private:
  const std::filesystem::path file_;
  std::mutex mutex_;
};

}  // namespace sharestore
