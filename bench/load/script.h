// What one connection of the load does: requests, and what must come back.
//
// A script belongs to one connection and its thread; Plan is shared and outlives them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/content.h"
#include "bench/load/nurl.h"

namespace sharestore::load {

enum class Mode {
  version,
  list,
  get,
  range,
  sequence,   // a whole share in ranges, one after the other
  scattered,  // ranges of all shares in turn, none near one that was read
  upload,
  mixed,
  lease,
  read_test_write,
  handshake,  // connect and close, nothing else
  resume,     // the same with the session of the time before
  idle,       // connections that do nothing
};

// What is asked for, the same for all connections.
struct Plan {
  Mode mode = Mode::version;
  Target target;
  std::uint64_t shares = 16;            // prepared, for modes that read or renew
  std::uint64_t share_bytes = 1 << 20;  // of each share stored or read
  std::uint64_t range_bytes = 100'000;  // of a ranged read
  std::uint64_t first_place = 0;        // of a share, for scattered reads
  std::uint64_t piece_bytes = 1 << 20;  // of a PATCH, and of a mutable write
  std::uint64_t set = 1;                // which prepared shares
  std::vector<std::string> names;       // their storage indexes, for modes that read or renew
  std::uint64_t run = 0;                // differs from run to run: names of new shares

  Content content;
  std::atomic<std::uint64_t> uploads = 0;    // begun; each stores another share
  std::atomic<std::uint64_t> scattered = 0;  // reads begun
};

struct Request {
  std::string head;  // with a short body
  // A long body: bytes of a share.
  std::uint64_t body_share = 0;
  std::uint64_t body_offset = 0;
  std::uint64_t body_bytes = 0;
  // The answer's body is compared with these bytes of a share; otherwise kept as text.
  bool expects_share = false;
  std::uint64_t expected_share = 0;
  std::uint64_t expected_offset = 0;
};

struct Answer {
  int status = 0;
  std::uint64_t body_bytes = 0;
  bool matches = true;  // what was to be compared
  std::string text;     // the first kMaxTextBytes of a body that was not compared
  static constexpr std::size_t kMaxTextBytes = 64 * 1024;
};

// What an answer means.
struct Verdict {
  bool operation_done = false;
  std::uint64_t payload_bytes = 0;  // of shares, moved by the operation
  std::string error;                // empty: as expected
};

class Script {
 public:
  virtual ~Script() = default;
  // Overwrites `request`, whose memory is kept.
  virtual void next(Request& request) = 0;
  virtual Verdict answered(const Answer& answer) = 0;
};

// `number` tells the connections of a run apart. Null for modes without requests.
std::unique_ptr<Script> make_script(Plan& plan, std::uint64_t number);
// One operation that stores prepared share `share` unless the server has it.
std::unique_ptr<Script> make_preparation(Plan& plan, std::uint64_t share);
// Reads back share number `upload` of this run.
std::unique_ptr<Script> make_check(Plan& plan, std::uint64_t upload);
// The path of a prepared share: for files that other servers serve.
std::string prepared_path(const Plan& plan, std::uint64_t share);
// Share numbers for Content: prepared shares are counted from 0, those of a run from here on.
inline constexpr std::uint64_t kFirstUpload = 1ULL << 20;

}  // namespace sharestore::load
