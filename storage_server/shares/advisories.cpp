#include "storage_server/shares/advisories.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <fstream>
#include <utility>

namespace sharestore {

namespace {

// Before the share in a file's name.
constexpr std::string_view kShareMark = "--";

std::string share_name(const ShareId& share) {
  return fmt::format("{}-{}", share.storage_index.to_text(), share.number);
}

}  // namespace

std::string advisory_text(const ShareId& share, ShareKind kind, std::string_view reason) {
  return fmt::format(
      "report: Share Corruption\ntype: {}\nstorage_index: {}\nshare_number: {}\n\n{}\n\n",
      to_string(kind), share.storage_index.to_text(), share.number, reason);
}

std::string advisory_file_name(const ShareId& share, WallTime now) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - whole).count();
  std::string name =
      fmt::format("{:%Y-%m-%dT%H%M%S}", fmt::gmtime(WallTime::clock::to_time_t(whole)));
  if (micros != 0) name += fmt::format(".{:06}", micros);
  return name.append(kShareMark).append(share_name(share));
}

AdvisoryCounts count_advisories(const std::filesystem::path& directory, std::size_t most) {
  AdvisoryCounts counts;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator() && counts.all < most;
       entry.increment(error)) {
    ++counts.all;
    const std::string name = entry->path().filename().string();
    const std::size_t share = name.find(kShareMark);
    if (share != std::string::npos) ++counts.by_share[name.substr(share + kShareMark.size())];
  }
  return counts;
}

boost::asio::awaitable<void> Advisories::count_if_due() {
  {
    const std::lock_guard hold(mutex_);
    if (counted_at_ && clock_.now() - *counted_at_ < kCountEvery) co_return;
  }
  AdvisoryCounts counts = co_await pool_.run(
      [directory = options_.advisories_directory, most = options_.max_advisories] {
        return count_advisories(directory, most);
      });
  const std::lock_guard hold(mutex_);
  counts_ = std::move(counts);
  counted_at_ = clock_.now();
}

bool Advisories::admit(const ShareId& share) {
  const std::lock_guard hold(mutex_);
  if (counts_.all >= options_.max_advisories) return false;
  std::size_t& of_share = counts_.by_share[share_name(share)];
  if (of_share >= options_.max_advisories_per_share) return false;
  ++of_share;
  ++counts_.all;
  return true;
}

Task<void> Advisories::add(ShareId share, ShareKind kind, std::string reason) {
  co_await count_if_due();
  if (!admit(share)) {
    spdlog::warn("corruption advisory for {} dropped: too many are kept already", share.to_text());
    co_return Status{};
  }
  const WallTime now = clock_.utc_now();
  const auto path = options_.advisories_directory / advisory_file_name(share, now);
  auto write = [path, text = advisory_text(share, kind, reason)]() -> Status {
    std::error_code made;
    std::filesystem::create_directories(path.parent_path(), made);
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) return fail(Errc::io_error, path.string() + ": could not be written");
    return {};
  };
  // The client has done its part; the index keeps the report too.
  if (const auto written = co_await pool_.run(std::move(write)); !written) {
    spdlog::warn("a client reports share {} corrupt; {}", share.to_text(),
                 written.error().message());
  } else {
    spdlog::warn("a client reports share {} corrupt; see {}", share.to_text(), path.string());
  }
  co_return co_await index_.add_advisory(share, std::move(reason), unix_seconds(now));
}

}  // namespace sharestore
