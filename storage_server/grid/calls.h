// Calls to the peer's objects, and what comes back.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "storage_server/grid/announcement.h"
#include "storage_server/grid/banana.h"

namespace sharestore::grid {

// The peer's own object that hands out the others.
inline constexpr std::uint64_t kBrokerId = 0;
// Our one object: what publish_v2 wants as a sign of life.
inline constexpr std::uint64_t kCanaryId = 1;

void write_get_reference(BananaWriter& out, std::uint64_t request, std::string_view name);
void write_get_version(BananaWriter& out, std::uint64_t request, std::uint64_t object);
// Mentions the canary for the first time, so once per connection.
void write_publish(BananaWriter& out, std::uint64_t request, std::uint64_t object,
                   const SignedAnnouncement& announcement);
void write_none_answer(BananaWriter& out, std::uint64_t request);

struct Answer {
  std::uint64_t request = 0;
  BananaValue value;
};
struct Refusal {
  std::uint64_t request = 0;
  std::string text;  // the peer's words: not to be trusted, may hold what was asked for
};
struct IncomingCall {
  std::uint64_t request = 0;  // 0: no answer is wanted
  std::uint64_t object = 0;
  std::string method;
};
using Message = std::variant<Answer, Refusal, IncomingCall>;

// What a top-level container means. invalid_argument: nothing of the kind, or not well formed.
Result<Message> read_message(BananaValue value);

// The id by which the peer knows an object that it answered with; nothing if it is no reference.
std::optional<std::uint64_t> reference_id(const BananaValue& value);

// Whether the answer to get_version is that of an introducer that takes our announcements.
bool is_introducer_version(const BananaValue& value);

}  // namespace sharestore::grid
