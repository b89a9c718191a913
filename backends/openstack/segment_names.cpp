#include "backends/openstack/segment_names.h"

namespace sharestore::openstack {

namespace {

constexpr std::string_view kShares = "shares/";
constexpr std::string_view kOther = "other/";

}  // namespace

// What stands for the object below segments/. "other" and "open" are no two letters of an index.
std::string SegmentNames::place(const std::string& key) const {
  std::string_view name = key;
  if (name.starts_with(prefix_)) name.remove_prefix(prefix_.size());
  if (name.starts_with(kShares)) return std::string(name.substr(kShares.size()));
  return std::string(kOther) + std::string(name);
}

std::string SegmentNames::folder(const Multipart& upload) const {
  return prefix_ + "segments/" + place(upload.key) + "/" + upload.id + "/";
}

std::string SegmentNames::part(const Multipart& upload, std::uint32_t number) const {
  return folder(upload) + std::to_string(number);
}

std::string SegmentNames::mark(const Multipart& upload) const {
  return all_marks() + place(upload.key) + "/" + upload.id;
}

std::optional<Multipart> SegmentNames::parse_mark(std::string_view key) const {
  const std::string root = all_marks();
  const auto slash = key.rfind('/');
  if (!key.starts_with(root) || slash == std::string_view::npos || slash <= root.size() ||
      slash + 1 == key.size()) {
    return std::nullopt;
  }
  std::string_view place = key.substr(root.size(), slash - root.size());
  std::string_view folder = kShares;
  if (place.starts_with(kOther)) {
    folder = "";
    place.remove_prefix(kOther.size());
  }
  return Multipart{prefix_ + std::string(folder) + std::string(place),
                   std::string(key.substr(slash + 1))};
}

std::optional<Multipart> SegmentNames::upload_of(const std::string& key,
                                                 std::string_view segment) const {
  const std::string root = prefix_ + "segments/" + place(key) + "/";
  if (!segment.starts_with(root)) return std::nullopt;
  segment.remove_prefix(root.size());
  const auto slash = segment.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == segment.size() ||
      segment.find('/', slash + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return Multipart{key, std::string(segment.substr(0, slash))};
}

}  // namespace sharestore::openstack
