// Answers: rendered CBOR, sources of bodies, and the one table from errors to status codes.
//
// Pure functions; any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backends/core/bytes.h"
#include "backends/core/error.h"
#include "backends/core/memory_budget.h"
#include "storage_server/http/message.h"
#include "storage_server/shares/share_store.h"

namespace sharestore {

// Told with every 503.
inline constexpr int kRetryAfterSeconds = 5;

// What a status line says for an error that no endpoint treats otherwise.
int status_of(Errc code);

// `byte_read`: an answer to a byte read, which carries application/octet-stream whatever its
// status, because the client looks at the type before the status.
http::Response error_answer(const Error& error, bool byte_read);
http::Response status_answer(int status, std::string_view text, bool byte_read);

http::Response cbor_answer(int status, Bytes body);
Bytes render_version(const SpaceReport& space, std::string_view application_version);
Bytes render_numbers(const std::vector<ShareNumber>& numbers);
Bytes render_allocated(const AllocateOutcome& outcome);
Bytes render_required(const std::vector<ByteRange>& required);
// The share data is not copied where it is long; `memory` is held until the answer is sent.
http::Response read_test_write_answer(const ReadTestWriteOutcome& outcome,
                                      MemoryBudget::Ticket memory);

// Bytes [begin, begin + size) of a share. Each read has a deadline of its own: how long the client
// takes to receive does not count.
std::shared_ptr<http::BodySource> share_body(std::shared_ptr<ShareReader> reader,
                                             std::uint64_t begin, std::uint64_t size,
                                             OpContext context);

}  // namespace sharestore
