#include "backends/s3/signature.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "backends/s3/encoding.h"

namespace sharestore::s3 {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Without spaces at the ends, and with one for each run of them inside.
std::string trimmed(std::string_view value) {
  std::string out;
  bool space = false;
  for (const char c : value) {
    if (is_space(c)) {
      space = true;
      continue;
    }
    if (space && !out.empty()) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

// By lower-case name; the values of equal names in their order, with commas between.
std::map<std::string, std::string> canonical_headers(const HeaderList& headers) {
  std::map<std::string, std::string> canonical;
  for (const auto& [name, value] : headers) {
    const auto [at, added] = canonical.emplace(lower(name), trimmed(value));
    if (!added) at->second += "," + trimmed(value);
  }
  return canonical;
}

std::string signed_header_names(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) names += (names.empty() ? "" : ";") + name;
  return names;
}

std::string encoded_query(const SignableRequest& request, bool sorted) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(request.query.size());
  for (const auto& [name, value] : request.query) {
    encoded.emplace_back(uri_encode(name, false), uri_encode(value, false));
  }
  // Sorted after encoding: '~' and '%' change places otherwise.
  if (sorted) std::ranges::sort(encoded);
  std::string query;
  for (const auto& [name, value] : encoded) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", name, value);
  }
  return query;
}

std::string scope_text(const ScopeV4& scope) {
  return fmt::format("{}/{}/{}/aws4_request", std::string_view(scope.date).substr(0, 8),
                     scope.region, scope.service);
}

// What version 2 signs of a query; everything else in it is not signed.
bool is_subresource(std::string_view name) {
  static constexpr std::array kNames = std::to_array<std::string_view>(
      {"acl", "delete", "lifecycle", "location", "logging", "notification", "partNumber", "policy",
       "requestPayment", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
       "website"});
  return std::ranges::binary_search(kNames, name) || name.starts_with("response-");
}

}  // namespace

std::string target_of(const SignableRequest& request) {
  const std::string query = encoded_query(request, false);
  return uri_encode(request.path, true) + (query.empty() ? "" : "?" + query);
}

std::string amz_date(WallTime time) {
  return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(
                                              std::chrono::floor<std::chrono::seconds>(time))));
}

std::string http_date(WallTime time) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(
                         std::chrono::floor<std::chrono::seconds>(time))));
}

std::string canonical_request_v4(const SignableRequest& request, std::string_view payload) {
  const auto headers = canonical_headers(request.headers);
  std::string lines;
  for (const auto& [name, value] : headers) lines += fmt::format("{}:{}\n", name, value);
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, uri_encode(request.path, true),
                     encoded_query(request, true), lines, signed_header_names(headers), payload);
}

std::string string_to_sign_v4(const SignableRequest& request, const ScopeV4& scope,
                              std::string_view payload) {
  return fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", scope.date, scope_text(scope),
                     hex(sha256(canonical_request_v4(request, payload))));
}

std::string authorization_v4(const SignableRequest& request, const ScopeV4& scope,
                             std::string_view payload, const SigningKey& key) {
  const Secret first("AWS4" + std::string(key.secret.reveal()));
  const std::string day = hmac_sha256(first.reveal(), std::string_view(scope.date).substr(0, 8));
  const std::string region = hmac_sha256(day, scope.region);
  const std::string service = hmac_sha256(region, scope.service);
  const std::string signing = hmac_sha256(service, "aws4_request");
  return fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                     key.access_key_id, scope_text(scope),
                     signed_header_names(canonical_headers(request.headers)),
                     hex(hmac_sha256(signing, string_to_sign_v4(request, scope, payload))));
}

std::string string_to_sign_v2(const SignableRequest& request, std::string_view resource) {
  const auto headers = canonical_headers(request.headers);
  const auto value_of = [&headers](const std::string& name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  };
  // With x-amz-date, which is signed among the x-amz- headers, Date counts as empty.
  const std::string date = headers.contains("x-amz-date") ? "" : value_of("date");
  std::string text = fmt::format("{}\n{}\n{}\n{}\n", request.method, value_of("content-md5"),
                                 value_of("content-type"), date);
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-")) text += fmt::format("{}:{}\n", name, value);
  }
  text += resource;
  auto query = request.query;
  std::ranges::sort(query);
  char mark = '?';
  for (const auto& [name, value] : query) {
    if (!is_subresource(name)) continue;
    text += std::exchange(mark, '&') + name + (value.empty() ? "" : "=" + value);
  }
  return text;
}

std::string authorization_v2(const SignableRequest& request, std::string_view resource,
                             const SigningKey& key) {
  return fmt::format("AWS {}:{}", key.access_key_id,
                     base64(hmac_sha1(key.secret.reveal(), string_to_sign_v2(request, resource))));
}

}  // namespace sharestore::s3
