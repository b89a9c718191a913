#include "bench/load/nurl.h"

#include <arpa/inet.h>

#include <charconv>

namespace sharestore::load {

Result<Target> parse_nurl(std::string_view nurl) {
  const auto bad = [] {
    return fail(Errc::invalid_argument,
                "not a NURL: expected pb://<hash>@<IPv4 address>:<port>/<swissnum>#v=1");
  };
  constexpr std::string_view kScheme = "pb://";
  constexpr std::string_view kVersion = "#v=1";
  if (!nurl.starts_with(kScheme) || !nurl.ends_with(kVersion)) return bad();
  nurl.remove_prefix(kScheme.size());
  nurl.remove_suffix(kVersion.size());
  const std::size_t at = nurl.find('@');
  const std::size_t slash = nurl.find('/', at == std::string_view::npos ? 0 : at);
  if (at == std::string_view::npos || slash == std::string_view::npos) return bad();
  const std::string_view address = nurl.substr(at + 1, slash - at - 1);
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return bad();
  Target target;
  target.spki_hash = nurl.substr(0, at);
  target.host = address.substr(0, colon);
  target.swissnum = nurl.substr(slash + 1);
  if (target.host == "localhost") target.host = "127.0.0.1";
  const std::string_view port = address.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
  in_addr parsed{};
  const bool good = error == std::errc() && end == port.data() + port.size() &&
                    inet_pton(AF_INET, target.host.c_str(), &parsed) == 1 &&
                    !target.swissnum.empty();
  if (!good) return bad();
  return target;
}

}  // namespace sharestore::load
