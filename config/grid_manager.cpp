#include "config/grid_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <optional>

#include "backends/core/base32.h"
#include "config/grammar.h"
#include "config/text.h"

namespace sharestore {

namespace {

namespace json = boost::json;

constexpr const char* kSection = "grid_manager_certificates";
constexpr std::size_t kSignatureBytes = 64;  // Ed25519

std::optional<json::object> parse_object(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

const json::string* string_member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_string();
}

// Two digits at `at`, below `limit`.
std::optional<int> two_digits(std::string_view text, std::size_t at, int limit) {
  if (text.size() < at + 2) return std::nullopt;
  const auto number = parse_number(text.substr(at, 2), 0, static_cast<std::uint64_t>(limit) - 1);
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

// As Python's datetime.isoformat() writes it: 2026-12-05T18:20:33.157072+00:00. A time without an
// offset is UTC.
std::optional<std::chrono::sys_seconds> parse_time(std::string_view text) {
  constexpr std::size_t kOffset = 19;
  const auto day = parse_date(text.substr(0, 10));
  const auto hours = two_digits(text, 11, 24);
  const auto minutes = two_digits(text, 14, 60);
  const auto seconds = two_digits(text, 17, 60);
  if (!day || !hours || !minutes || !seconds || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':') {
    return std::nullopt;
  }
  std::chrono::sys_seconds time = *day + std::chrono::hours(*hours) +
                                  std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
  std::string_view rest = text.substr(kOffset);
  if (rest.starts_with('.')) {
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789", 1), rest.size()));
  }
  if (rest.empty() || rest == "Z") return time;
  const auto offset_hours = two_digits(rest, 1, 24);
  const auto offset_minutes = two_digits(rest, 4, 60);
  if (rest.size() != 6 || !offset_hours || !offset_minutes || rest[3] != ':' ||
      (rest[0] != '+' && rest[0] != '-')) {
    return std::nullopt;
  }
  const auto offset = std::chrono::hours(*offset_hours) + std::chrono::minutes(*offset_minutes);
  return rest[0] == '+' ? time - offset : time + offset;
}

// Fills in what the text says. False: it is no certificate.
bool read_certificate_text(GridManagerCertificate& into) {
  const auto certificate = parse_object(into.certificate);
  if (!certificate) return false;
  const json::value* version = certificate->if_contains("version");
  const json::string* expires = string_member(*certificate, "expires");
  const json::string* key = string_member(*certificate, "public_key");
  if (version == nullptr || !version->is_int64() || version->as_int64() != 1 ||
      expires == nullptr || key == nullptr || !std::string_view(*key).starts_with("pub-v0-")) {
    return false;
  }
  const auto time = parse_time(*expires);
  if (!time) return false;
  into.public_key = *key;
  into.expires = *time;
  return true;
}

Result<GridManagerCertificate> read_certificate(const std::filesystem::path& file) {
  const auto bad = [&](std::string_view sentence) {
    return fail(Errc::invalid_argument, fmt::format("{}: {}", file.string(), sentence));
  };
  auto content = read_text_file(file, kMaxGridManagerFileBytes);
  if (!content) return fail(content.error());
  const auto object = parse_object(*content);
  if (!object) return bad("the file is not a JSON object");
  const json::string* certificate = string_member(*object, "certificate");
  const json::string* signature = string_member(*object, "signature");
  if (object->size() != 2 || certificate == nullptr || signature == nullptr) {
    return bad("expected exactly the members 'certificate' and 'signature', both text");
  }
  GridManagerCertificate read{{}, file, std::string(*certificate), std::string(*signature), {}, {}};
  if (!read_certificate_text(read)) {
    return bad(
        "its 'certificate' is not the JSON text of a certificate of version 1 with expires "
        "(such as 2026-12-05T18:20:33+00:00) and public_key");
  }
  const auto bytes = base32_decode(*signature);
  if (!bytes || bytes->size() != kSignatureBytes) {
    return bad("its 'signature' is not the base32 of 64 bytes");
  }
  return read;
}

}  // namespace

std::vector<GridManagerCertificate> load_grid_manager_certificates(LoadContext& context) {
  std::vector<GridManagerCertificate> result;
  KeyReader reader(context, kSection);
  for (const std::string& name : context.document.keys(kSection)) {
    const auto file = reader.path(name);
    if (!file) {
      reader.refuse(name, "it is empty; expected the path of a certificate file");
      break;
    }
    auto certificate = read_certificate(*file);
    if (!certificate) {
      reader.refuse(name, certificate.error().message());
      break;
    }
    if (result.size() == kMaxGridManagerCertificates) {
      reader.refuse(name,
                    fmt::format("expected at most {} certificates", kMaxGridManagerCertificates));
      break;
    }
    certificate->name = name;
    result.push_back(std::move(*certificate));
  }
  return result;
}

}  // namespace sharestore
