// Content-Type of requests and Accept of answers, read as the reference reads them.
//
// Pure functions; any thread. Facts: gbs-protocol.md section 2 "Accept / Content-Type".
#pragma once

#include <string_view>

#include "storage_server/http/message.h"

namespace sharestore {

inline constexpr std::string_view kCborType = "application/cbor";
inline constexpr std::string_view kBytesType = "application/octet-stream";
inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";

// Whether the body claims to be CBOR: no Content-Type, or exactly that type with any parameters.
bool is_cbor_request(const http::Request& request);

// Whether the client's best-liked type is CBOR: no Accept, or the best range of the first Accept
// line is application/cbor without parameters, or "*/*". The more exact range is liked better, then
// the higher q, then the earlier.
bool accepts_cbor(const http::Request& request);
bool accepts_cbor(std::string_view accept);

}  // namespace sharestore
