// The dialogue with an introducer that sends anything: no crash, bounded memory, and the pieces in
// which bytes come do not matter. The first byte chooses who decides and whether it gets through
// the negotiation.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage_server/grid/conversation.h"

namespace {

using sharestore::grid::Conversation;

constexpr std::string_view kLow = "jtil3gvsosx25ev2miae3fpmui4gjvze";
constexpr std::string_view kHigh = "kyvofrldjf4xofbianwfnhobn3qgcznv";

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

struct Run {
  std::string output;
  Conversation::Stage stage = Conversation::Stage::hello;
  bool failed = false;

  bool operator==(const Run&) const = default;
};

Run run(std::uint8_t choice, std::string_view text, std::size_t step) {
  const bool deciding = (choice & 1U) != 0;
  const std::string_view peer = deciding ? kLow : kHigh;
  Conversation talk({std::string(deciding ? kHigh : kLow), std::string(peer), "0acafbb20b2b3306",
                     "hrvow2wud6ocy4yuyymiuasbi4ooatz7"});
  std::string received;
  if ((choice & 2U) != 0) {
    received = "banana-negotiation-range: 3 3\r\ninitial-vocab-table-range: 0 1\r\nmy-tub-id: ";
    received += std::string(peer) + "\r\n\r\n";
    if (!deciding) {
      received += "banana-decision-version: 3\r\ninitial-vocab-table-index: 1 bb33\r\n\r\n";
    }
  }
  received += text;
  Run result;
  for (std::size_t at = 0; at < received.size() && !result.failed; at += step) {
    result.failed = !talk.receive(std::string_view(received).substr(at, step));
    if (talk.stage() == Conversation::Stage::ready) talk.publish({"{}", "v0-s", "v0-k"});
    result.output += talk.take_output();
  }
  result.stage = talk.stage();
  require(result.output.size() < 4 * received.size() + 2000, "it answers more than it hears");
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const Run whole = run(data[0], text, size + 4096);
  const Run pieces = run(data[0], text, 1);
  // A message behind `ready` in one piece meets another stage than byte by byte.
  if (whole.stage < Conversation::Stage::ready && pieces.stage < Conversation::Stage::ready) {
    require(whole == pieces, "the pieces matter");
  }
  return 0;
}
