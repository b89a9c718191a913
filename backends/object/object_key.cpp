#include "backends/object/object_key.h"

namespace sharestore {

std::string ObjectKeys::share(const ShareId& share) const {
  return shares_of(share.storage_index) + std::to_string(share.number);
}

std::string ObjectKeys::shares_of(const StorageIndex& storage_index) const {
  const std::string text = storage_index.to_text();
  return shares_under(text.substr(0, 2)) + text + "/";
}

std::string ObjectKeys::shares_under(std::string_view two_letters) const {
  return all_shares().append(two_letters).append("/");
}

std::string ObjectKeys::quarantined(const ShareId& share, std::string_view id) const {
  std::string key = prefix_ + "quarantine/" + share.storage_index.prefix() + "/";
  key.append(share.to_text()).append(".").append(id);
  return key;
}

std::optional<ShareId> ObjectKeys::parse_share(std::string_view key) const {
  const std::string root = all_shares();
  if (!key.starts_with(root)) return std::nullopt;
  key.remove_prefix(root.size());
  constexpr std::size_t kHead = 2 + 1 + StorageIndex::kTextChars + 1;
  if (key.size() <= kHead || key[2] != '/' || key[kHead - 1] != '/') return std::nullopt;
  const std::string_view text = key.substr(3, StorageIndex::kTextChars);
  const auto storage_index = StorageIndex::from_text(text);
  const auto number = share_number_from_text(key.substr(kHead), true);
  if (!storage_index || !number || storage_index->to_text() != text) return std::nullopt;
  if (key.substr(0, 2) != text.substr(0, 2)) return std::nullopt;
  return ShareId{*storage_index, *number};
}

std::optional<std::string> ObjectKeys::parse_state(std::string_view key) const {
  const std::string root = all_state();
  if (!key.starts_with(root) || key.size() == root.size()) return std::nullopt;
  return std::string(key.substr(root.size()));
}

}  // namespace sharestore
