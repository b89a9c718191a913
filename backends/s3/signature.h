// The two ways to sign a request for S3: AWS Signature Version 4, and Version 2 for old stores.
//
// Pure functions; any thread. What goes out is what was signed: the URL is made by target_of().
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/clock.h"
#include "backends/core/secret.h"
#include "backends/http/http_message.h"

namespace sharestore::s3 {

using http_client::HeaderList;

// In place of a body's digest where that is not signed (TLS protects the body then).
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SignableRequest {
  std::string method;
  std::string path;                                        // begins with '/', not encoded
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  // Those that are signed. Never among them what is changed or added on the way: Accept-Encoding,
  // User-Agent, Expect, Connection.
  HeaderList headers;
};

// Path and query as sent.
std::string target_of(const SignableRequest& request);

struct SigningKey {
  std::string access_key_id;
  Secret secret;
};

// "20150830T123600Z": what x-amz-date says and version 4 signs.
std::string amz_date(WallTime time);
// "Tue, 27 Mar 2007 19:36:42 GMT": the Date that version 2 signs.
std::string http_date(WallTime time);

// Version 4, as "Signature Version 4 signing process" has it, without normalisation of the path:
// S3 keys are opaque. `date` is amz_date(); `payload` the hex SHA-256 of the body or
// kUnsignedPayload. `headers` hold Host and x-amz-date.
struct ScopeV4 {
  std::string date;
  std::string region;
  std::string service = "s3";
};
std::string canonical_request_v4(const SignableRequest& request, std::string_view payload);
std::string string_to_sign_v4(const SignableRequest& request, const ScopeV4& scope,
                              std::string_view payload);
// The value of Authorization.
std::string authorization_v4(const SignableRequest& request, const ScopeV4& scope,
                             std::string_view payload, const SigningKey& key);

// Version 2. `resource` is the path with the bucket in it, encoded, however it is addressed.
// `headers` hold Date or x-amz-date.
std::string string_to_sign_v2(const SignableRequest& request, std::string_view resource);
std::string authorization_v2(const SignableRequest& request, std::string_view resource,
                             const SigningKey& key);

}  // namespace sharestore::s3
