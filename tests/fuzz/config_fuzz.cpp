// Any bytes as a tahoe.cfg, an introducers.yaml or a value: parsing must end, stay within its
// limits and never read outside the text; what parses must be coherent.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/advice.h"
#include "config/endpoint.h"
#include "config/escape.h"
#include "config/furl.h"
#include "config/grammar.h"
#include "config/ini_reader.h"
#include "config/service_url.h"
#include "config/text.h"
#include "config/yaml_reader.h"

namespace {

using namespace sharestore;

void require(bool ok) {
  if (!ok) std::abort();
}

void fuzz_document(std::string_view text) {
  const auto document = IniDocument::parse(text, "tahoe.cfg");
  if (!document) {
    require(document.error().message().starts_with("tahoe.cfg"));
    return;
  }
  (void)check_known(*document);
  for (const std::string& section : document->sections()) {
    require(document->section_line(section) > 0);
    for (const std::string& key : document->keys(section)) {
      require(document->has(section, key) && document->key_line(section, key) > 0);
      const auto value = document->get(section, key);
      if (!value) continue;
      require(value->has_value() && (*value)->size() <= kMaxConfigValueBytes);
      // A value that the dialect can hold reads back from what we would write.
      const auto escaped = escape_ini_value(**value);
      if (!escaped) continue;
      const auto again = IniDocument::parse("[s]\nk = " + *escaped + "\n", "again");
      require(again.has_value() && again->get("s", "k").value() == **value);
    }
  }
}

void fuzz_yaml(const YamlNode& node, int depth) {
  require(depth <= kMaxYamlDepth + 1 && node.members.size() <= kMaxYamlMembers);
  for (const YamlNode& member : node.members) {
    require(node.find(member.name) == &member);
    fuzz_yaml(member, depth + 1);
  }
}

void fuzz_value(std::string_view text) {
  require(is_valid_utf8(in_quotes(text)));
  (void)parse_boolean(text);
  if (const auto size = parse_size(text); size && *size) require(**size <= kMaxSizeBytes);
  if (const auto duration = parse_duration(text)) {
    require(duration->count() >= 0 && *duration <= kMaxDuration);
  }
  if (const auto date = parse_date(text)) {
    const auto year =
        std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(*date)).year();
    require(year >= std::chrono::year(0) && year <= std::chrono::year(9999));
  }
  if (const auto endpoints = parse_listen_endpoints(text)) {
    require(!endpoints->empty() && endpoints->size() <= kMaxEndpoints);
    for (const auto& endpoint : *endpoints) {
      require((endpoint.port == 0) == (endpoint.kind == ListenEndpoint::Kind::unix_socket));
    }
  }
  if (const auto hints = parse_location_hints(text)) {
    require(!hints->empty());
    for (const auto& hint : *hints) {
      if (hint.kind == LocationHint::Kind::automatic) continue;
      const auto again = parse_location_hints(hint.text);
      require(again.has_value() && again->size() == 1 && again->front() == hint);
    }
  }
  if (const auto url = parse_service_url(text)) {
    const auto again = parse_service_url(url->to_string());
    require(again.has_value() && again->host == url->host && again->port == url->port &&
            again->path == url->path && again->tls == url->tls);
  }
  if (const auto furl = parse_furl(text)) require(furl->tub_id.size() == 32 && !furl->name.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: fuzz_document(text); break;
    case 1:
      if (const auto root = parse_yaml(text, "f")) fuzz_yaml(*root, 0);
      break;
    default: fuzz_value(text);
  }
  return 0;
}
