// The blocks by which two Foolscap peers agree on how to talk.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore::grid {

struct Hello {
  std::string tub_id;
  bool offers_vocabulary = false;  // table 1 of the initial vocabulary
};

// 16 random hex digits, new for every connection: a peer that still holds an older connection of
// ours then gives it up instead of refusing the new one as its duplicate.
std::string make_incarnation();

// Our first block.
std::string hello_block(std::string_view tub_id, std::string_view incarnation);

// The peer's first block, without its empty line. unauthorized: another tub than `expected`;
// unsupported: another version; unavailable: the peer says why it will not; invalid_argument.
Result<Hello> parse_hello(std::string_view block, std::string_view expected_tub_id);

// The side with the greater tub id decides.
inline bool decides(std::string_view own_tub_id, std::string_view peer_tub_id) {
  return own_tub_id > peer_tub_id;
}

// What the deciding side sends.
std::string decision_block(std::string_view incarnation, bool vocabulary);

// Whether the vocabulary is to be used. Errors as parse_hello; invalid_argument also for a
// vocabulary whose check sum is another than ours.
Result<bool> parse_decision(std::string_view block);

}  // namespace sharestore::grid
