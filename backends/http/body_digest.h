// The digests that a request's body is sent with, and that stores name contents by. MD5 is here
// because S3 and Swift speak it; nothing relies on it for security.
#pragma once

#include <string>
#include <string_view>

#include "backends/core/byte_source.h"
#include "backends/core/io_pool.h"
#include "backends/core/task.h"

namespace sharestore::http_client {

// 32 lower-case digits. Pure.
std::string md5_hex(std::string_view bytes);

struct BodyDigest {
  std::string md5;     // 16 bytes
  std::string sha256;  // 32 bytes; empty if it was not wanted
};

// Both in one pass over the body, on the pool unless it is small and in memory: a few milliseconds
// for each MiB. io_error if the body cannot be read. The pool outlives the call.
Task<BodyDigest> digest_body(IoPool& pool, ByteSourcePtr body, bool want_sha256);

}  // namespace sharestore::http_client
