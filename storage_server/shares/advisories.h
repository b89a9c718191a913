// Corruption advisories: clients' reports of bad shares, kept as the reference's text files
// (gbs-protocol.md section 3.8) and in the index.
//
// Any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "backends/backend.h"
#include "backends/core/io_pool.h"
#include "storage_server/index/index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// How many reports lie in a directory. Names that are none of ours count in all only.
struct AdvisoryCounts {
  std::size_t all = 0;
  std::map<std::string, std::size_t, std::less<>> by_share;  // by the end of the file's name
};

class Advisories {
 public:
  // The directory is counted anew this often, so that reports which the operator has removed make
  // room for others.
  static constexpr std::chrono::minutes kCountEvery{10};

  Advisories(const ShareStoreOptions& options, Index& index, IoPool& pool, Clock& clock)
      : options_(options), index_(index), pool_(pool), clock_(clock) {}

  // Writes the report's file and counts it. Dropped, and still success, beyond the caps; without
  // its file, and still success, where that cannot be written.
  Task<void> add(ShareId share, ShareKind kind, std::string reason);

 private:
  boost::asio::awaitable<void> count_if_due();
  bool admit(const ShareId& share);

  const ShareStoreOptions& options_;
  Index& index_;
  IoPool& pool_;
  Clock& clock_;
  std::mutex mutex_;
  AdvisoryCounts counts_;
  std::optional<Monotonic> counted_at_;
};

// Reads names until `most` were seen. A missing directory is empty.
AdvisoryCounts count_advisories(const std::filesystem::path& directory, std::size_t most);

// The text of a report and its file name, byte for byte as the reference writes them.
std::string advisory_text(const ShareId& share, ShareKind kind, std::string_view reason);
std::string advisory_file_name(const ShareId& share, WallTime now);

}  // namespace sharestore
