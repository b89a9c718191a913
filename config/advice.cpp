#include "config/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "config/known_keys.h"
#include "config/text.h"

namespace sharestore {

namespace {

// Words longer than this are no slip of the hand; the distance costs the product of the lengths.
constexpr std::size_t kMaxWordBytes = 64;

// Optimal string alignment: Levenshtein plus swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::vector<std::string_view> key_names(const KnownSection& section) {
  std::vector<std::string_view> names;
  for (const KnownKey& key : section.keys) names.push_back(key.name);
  return names;
}

// What to do about keys that people write and that never were keys.
std::string_view special_advice(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kAdvice{{
      {"s3.secret_access_key", "; secrets are kept out of tahoe.cfg: put it into private/s3secret"},
      {"s3.secret_key", "; secrets are kept out of tahoe.cfg: put it into private/s3secret"},
      {"s3.secret", "; secrets are kept out of tahoe.cfg: put it into private/s3secret"},
      {"s3.user_token", "; secrets are kept out of tahoe.cfg: put it into private/s3usertoken"},
      {"s3.product_token",
       "; secrets are kept out of tahoe.cfg: put it into private/s3producttoken"},
      {"openstack.api_key",
       "; secrets are kept out of tahoe.cfg: put it into private/openstack_api_key"},
      {"openstack.password",
       "; secrets are kept out of tahoe.cfg: put it into private/openstack_api_key"},
      {"openstack.application_credential_secret",
       "; secrets are kept out of tahoe.cfg: put it into private/openstack_api_key"},
      {"openstack.tenant_id", "; write the tenant's name or id as openstack.project"},
      {"openstack.access_key_id",
       "; expected openstack.username, or an application credential's id as "
       "openstack.application_credential_id"},
      {"ssh.port", "; it never was a valid key: remove it"},
      {"ssh.authorized_keys_file", "; it never was a valid key: remove it"},
  }};
  for (const auto& [name, advice] : kAdvice) {
    if (name == key) return advice;
  }
  return {};
}

std::string key_advice(const KnownSection& section, std::string_view key) {
  if (const auto special = special_advice(key); !special.empty()) return std::string(special);
  for (const KnownSection& other : known_sections()) {
    if (find_known_key(other, key) != nullptr) {
      return fmt::format("; it belongs into section [{}]", other.name);
    }
  }
  const auto names = key_names(section);
  return did_you_mean(key, names);
}

Status unknown_section(const IniDocument& document, std::string_view name) {
  std::vector<std::string_view> names;
  for (const KnownSection& section : known_sections()) names.push_back(section.name);
  return fail(
      Errc::invalid_argument,
      fmt::format("{}:{}: unknown section [{}]{}", document.file_name(),
                  document.section_line(name), name, did_you_mean(ascii_lower(trim(name)), names)));
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  if (word.size() > kMaxWordBytes) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    // A distance of the whole word would turn "x" into any other short name.
    if (distance < best_distance && distance < std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto found = nearest(word, candidates);
  return found ? fmt::format("; did you mean '{}'?", *found) : std::string();
}

Status check_known(const IniDocument& document) {
  for (const std::string& name : document.sections()) {
    const KnownSection* section = find_known_section(name);
    if (section == nullptr) return unknown_section(document, name);
    if (section->any_key) continue;
    for (const std::string& key : document.keys(name)) {
      if (find_known_key(*section, key) != nullptr) continue;
      return fail(Errc::invalid_argument,
                  fmt::format("{}:{}: section [{}]: unknown key '{}'{}", document.file_name(),
                              document.key_line(name, key), name, key, key_advice(*section, key)));
    }
    for (const std::string& key : document.default_keys()) {
      if (find_known_key(*section, key) != nullptr) continue;
      return fail(Errc::invalid_argument,
                  fmt::format("{}:{}: section [DEFAULT]: key '{}' counts in every section and is "
                              "unknown in [{}]",
                              document.file_name(), document.key_line("DEFAULT", key), key, name));
    }
  }
  return {};
}

}  // namespace sharestore
