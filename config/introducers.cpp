#include "config/introducers.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/furl.h"
#include "config/private_files.h"
#include "config/text.h"
#include "config/yaml_reader.h"

namespace sharestore {

namespace {

constexpr const char* kFileName = "introducers.yaml";
constexpr const char* kDefaultPetname = "default";

std::unexpected<Error> fault(const std::string& file, int line, std::string_view sentence) {
  return fail(Errc::invalid_argument, fmt::format("{}:{}: {}", file, line, sentence));
}

Result<IntroducerConfig> parse_entry(const std::string& file, const YamlNode& entry) {
  const YamlNode* furl = entry.find("furl");
  if (!entry.is_mapping || furl == nullptr || furl->is_mapping || furl->scalar.empty()) {
    return fault(
        file, entry.line,
        fmt::format("introducer {}: expected 'furl: pb://...' below it", in_quotes(entry.name)));
  }
  if (auto parsed = parse_furl(furl->scalar); !parsed) {
    return fault(file, furl->line,
                 fmt::format("introducer {}: {}", in_quotes(entry.name), parsed.error().message()));
  }
  return IntroducerConfig{entry.name, furl->scalar};
}

Result<std::vector<IntroducerConfig>> parse_file(const std::string& file,
                                                 std::string_view content) {
  auto root = parse_yaml(content, file);
  if (!root) return fail(root.error());
  const YamlNode* list = root->find("introducers");
  if (list == nullptr || !list->is_mapping) {
    return fault(file, list == nullptr ? root->line : list->line,
                 "expected 'introducers:' and below it 'PETNAME:' and 'furl: pb://...'");
  }
  if (list->members.size() > kMaxIntroducers) {
    return fault(file, list->line, fmt::format("expected at most {} introducers", kMaxIntroducers));
  }
  std::vector<IntroducerConfig> result;
  for (const YamlNode& entry : list->members) {
    auto introducer = parse_entry(file, entry);
    if (!introducer) return fail(introducer.error());
    result.push_back(std::move(*introducer));
  }
  return result;
}

// `[client] introducer.furl`, the way before introducers.yaml.
std::optional<IntroducerConfig> read_key(LoadContext& context) {
  constexpr const char* kKey = "introducer.furl";
  KeyReader client(context, "client");
  const auto furl = client.raw_text(kKey);
  if (!furl) return std::nullopt;
  if (!client.parse(kKey, *furl, parse_furl)) return std::nullopt;
  return IntroducerConfig{kDefaultPetname, *furl};
}

}  // namespace

std::vector<IntroducerConfig> load_introducers(LoadContext& context) {
  std::vector<IntroducerConfig> introducers;
  auto content =
      read_optional_private_file(context.private_directory, kFileName, PrivateForm::any_text);
  if (!content) {
    context.refuse(content.error());
    return {};
  }
  if (const std::optional<Secret> text = std::move(*content)) {
    const std::string file = (context.private_directory / kFileName).string();
    auto parsed = parse_file(file, text->reveal());
    if (!parsed) {
      context.refuse(parsed.error());
      return {};
    }
    introducers = std::move(*parsed);
  }
  if (auto by_key = read_key(context)) {
    if (std::ranges::find(introducers, by_key->petname, &IntroducerConfig::petname) !=
        introducers.end()) {
      KeyReader(context, "client")
          .refuse("introducer.furl",
                  "private/introducers.yaml has an introducer 'default' too; "
                  "expected it in one place only");
    }
    introducers.push_back(std::move(*by_key));
  }
  std::ranges::sort(introducers, {}, &IntroducerConfig::petname);
  return introducers;
}

}  // namespace sharestore
