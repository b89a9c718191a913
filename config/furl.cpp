#include "config/furl.h"

#include <algorithm>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::size_t kTubIdChars = 32;  // base32 of a SHA-1

bool is_base32(char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); }

std::unexpected<Error> bad(std::string_view sentence) {
  return fail(Errc::invalid_argument,
              std::string(sentence) + "; expected a FURL pb://TUBID@tcp:HOST:PORT/NAME");
}

}  // namespace

Result<Furl> parse_furl(std::string_view text) {
  constexpr std::string_view kScheme = "pb://";
  if (text.size() > kMaxFurlBytes) return bad("the FURL is too long");
  if (!text.starts_with(kScheme)) return bad("the FURL does not start with pb://");
  if (has_control_or_space(text)) return bad("the FURL holds spaces or control characters");
  if (text.contains('#')) return bad("the FURL holds a '#' (a comment needs its own line)");
  text.remove_prefix(kScheme.size());
  const auto at = text.find('@');
  const auto slash = at == std::string_view::npos ? at : text.find('/', at);
  if (slash == std::string_view::npos) return bad("the FURL has no '@' followed by a '/'");
  Furl furl;
  furl.tub_id = text.substr(0, at);
  if (furl.tub_id.size() != kTubIdChars || !std::ranges::all_of(furl.tub_id, is_base32)) {
    return bad("the FURL's tub id is not 32 characters of base32");
  }
  const std::string_view hints = text.substr(at + 1, slash - at - 1);
  for (const std::string_view hint : split(hints, ',')) {
    if (!hint.empty()) furl.hints.emplace_back(hint);
  }
  furl.name = text.substr(slash + 1);
  if (furl.name.empty()) return bad("the FURL has no name after its last '/'");
  return furl;
}

}  // namespace sharestore
