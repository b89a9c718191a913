// The node that the suite talks to: one started in this process, or any other by its NURL.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/core/lease.h"
#include "backends/core/storage_index.h"
#include "storage_server/shares/share_store.h"

namespace sharestore::protocol_test {

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string swissnum;
};

// What a test may change about a node in this process.
struct NodeSettings {
  bool readonly = false;
  std::uint64_t reserved_space_bytes = 0;
  std::uint64_t sizelimit_bytes = 0;
  // Room of the memory backend.
  std::uint64_t memory_bytes = std::uint64_t{512} << 20;
  std::uint64_t max_mutable_request_bytes = std::uint64_t{1} << 30;
};

class Node {
 public:
  virtual ~Node() = default;

  virtual const Address& address() const = 0;
  // Whether this is the Python node: it answers 500 where ours has a cleaner code.
  virtual bool is_reference() const { return false; }

  // Nothing where the node is not in this process; such cases are skipped.
  class Inside;
  virtual Inside* inside() { return nullptr; }
};

// What a test can do to a node in its own process.
class Node::Inside {
 public:
  virtual ~Inside() = default;

  // Moves the node's clock and waits until everything that was due has been done. Connections may
  // have been closed for idleness.
  virtual void advance(std::chrono::seconds by) = 0;
  virtual std::int64_t unix_now() = 0;
  // Leases of a share, in the order of their expiry.
  virtual Leases leases(ShareId share) = 0;
  virtual SpaceReport space() = 0;
  // Contents of the corruption advisories, and their file names.
  virtual std::vector<std::pair<std::string, std::string>> advisories() = 0;
  // Stops serving and serves again with other settings; shares stay.
  virtual void restart(NodeSettings settings) = 0;
  // The node's spool, to see that nothing stays.
  virtual std::size_t spool_files() = 0;
};

// The kinds of nodes to be tested: the backends, or only "remote" if SHARESTORE_TEST_NURL names
// one.
std::vector<std::string> node_kinds();
std::unique_ptr<Node> make_node(const std::string& kind, NodeSettings settings);

}  // namespace sharestore::protocol_test
