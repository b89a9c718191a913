#include "storage_server/node/announcement_seqnum.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "config/text.h"
#include "storage_server/node/files.h"

namespace sharestore {

namespace {

constexpr std::size_t kMaxFileBytes = 64;
constexpr std::uint64_t kEnd = 1ULL << 53;

}  // namespace

AnnouncementSeqnum::AnnouncementSeqnum(const std::filesystem::path& node_directory)
    : file_(node_directory / "announcement-seqnum") {}

Result<std::uint64_t> AnnouncementSeqnum::next() {
  const std::lock_guard lock(mutex_);
  std::uint64_t last = 0;
  const auto content = read_text_file(file_, kMaxFileBytes);
  if (!content && content.error().code() != Errc::not_found) return fail(content.error());
  if (content) {
    const std::string_view text = trim(*content);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), last);
    if (error != std::errc() || end != text.data() + text.size() || last + 1 >= kEnd) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: expected a number; the last announcement's", file_.string()));
    }
  }
  ++last;
  if (auto written = write_file_durably(file_, fmt::format("{}\n", last), kPublicFileMode);
      !written) {
    return fail(written.error());
  }
  return last;
}

}  // namespace sharestore
