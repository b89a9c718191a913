// The small request bodies: allocate and corruption reports.
//
// Pure functions; any thread. Schemas: gbs-protocol.md section 3. Maps are closed, every key is
// required, none may come twice; sets carry tag 258.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/error.h"
#include "backends/core/storage_index.h"
#include "backends/core/task.h"
#include "storage_server/http/message.h"

namespace sharestore {

// The whole body. too_large: more than `max_bytes`; otherwise what RequestBody::read says.
// `body` must live until the coroutine has ended.
Task<Bytes> read_whole_body(http::RequestBody* body, std::size_t max_bytes);

struct AllocateRequest {
  std::vector<ShareNumber> numbers;  // ascending, each once
  std::uint64_t allocated_size_bytes = 0;
};

// invalid_argument: not CBOR, or not of the schema.
Result<AllocateRequest> decode_allocate(ByteSpan body);
// The reason, UTF-8, 1 to 32765 bytes. invalid_argument.
Result<std::string> decode_corruption_report(ByteSpan body);

}  // namespace sharestore
