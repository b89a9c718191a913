#include "storage_server/node/nurl.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string_view>

#include "config/text.h"
#include "storage_server/node/location.h"

namespace sharestore {

namespace {

struct CodePoint {
  std::uint32_t value;
  std::size_t bytes;
};

// The first code point of text that is_valid_utf8 has accepted.
CodePoint first_code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  std::uint32_t value = lead & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    value = (value << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
  }
  return {value, bytes};
}

// A double-quoted YAML scalar in ASCII, so that no reader's idea of an encoding can spoil it.
std::string yaml_quoted(std::string_view text) {
  std::string quoted = "\"";
  if (!is_valid_utf8(text)) text = "";
  while (!text.empty()) {
    const auto [value, bytes] = first_code_point(text);
    if (value == '"' || value == '\\') {
      quoted += '\\';
      quoted += static_cast<char>(value);
    } else if (value >= 0x20 && value < 0x7f) {
      quoted += static_cast<char>(value);
    } else if (value <= 0xffff) {
      fmt::format_to(std::back_inserter(quoted), "\\u{:04x}", value);
    } else {
      fmt::format_to(std::back_inserter(quoted), "\\U{:08x}", value);
    }
    text.remove_prefix(bytes);
  }
  return quoted + '"';
}

}  // namespace

std::vector<std::string> make_nurls(const NodeKeys& keys, std::span<const LocationHint> hints) {
  std::vector<std::string> nurls;
  for (const LocationHint& hint : hints) {
    const bool tor = hint.kind == LocationHint::Kind::tor;
    if (!tor && hint.kind != LocationHint::Kind::tcp) continue;
    const bool six = hint.host.contains(':');
    nurls.push_back(fmt::format("{}://{}@{}{}{}:{}/{}#v=1", tor ? "pb+tor" : "pb",
                                keys.certificate.spki_hash, six ? "[" : "", hint.host,
                                six ? "]" : "", hint.port, keys.swissnum.reveal()));
  }
  return nurls;
}

std::string make_furl(const NodeKeys& keys, std::span<const LocationHint> hints) {
  return fmt::format("pb://{}@{}/{}", keys.certificate.tub_id, location_text(hints),
                     keys.swissnum.reveal());
}

std::string make_servers_yaml(const NodeKeys& keys, std::span<const LocationHint> hints,
                              const NodeConfig& config) {
  std::string yaml;
  const auto line = [&yaml](std::string_view key, std::string_view value) {
    yaml += fmt::format("{}{}\n", key, yaml_quoted(value));
  };
  yaml += fmt::format("storage:\n  {}:\n    ann:\n", keys.server_id());
  line("      nickname: ", config.nickname);
  line("      anonymous-storage-FURL: ", make_furl(keys, hints));
  line("      permutation-seed-base32: ", keys.permutation_seed);
  yaml += "      anonymous-storage-NURLs:\n";
  for (const std::string& nurl : make_nurls(keys, hints)) line("        - ", nurl);
  if (!config.grid_manager_certificates.empty()) {
    yaml += "      grid-manager-certificates:\n";
    for (const GridManagerCertificate& held : config.grid_manager_certificates) {
      line("        - certificate: ", held.certificate);
      line("          signature: ", held.signature);
    }
  }
  return yaml;
}

std::string without_swissnum(const std::string& nurl) {
  const std::size_t slash = nurl.rfind('/');
  return nurl.substr(0, slash + 1) + "…";
}

}  // namespace sharestore
