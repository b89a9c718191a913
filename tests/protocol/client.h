// A client of the storage protocol, as plain as it can be: it adds what every request needs, and a
// test may take any of it away.
//
// One thread. Keeps one connection, and opens another when the node has closed it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/protocol/cbor_value.h"
#include "tests/protocol/node.h"
#include "tests/support/tls_client.h"

namespace sharestore::protocol_test {

using Answer = test::HttpAnswer;
using Headers = test::HeaderList;

// Who a client is. Upload secrets and enablers are the caller's choice.
struct Secrets {
  std::string renew = std::string(32, 'r');
  std::string cancel = std::string(32, 'c');
  std::string upload = std::string(20, 'u');
  std::string enabler = std::string(32, 'w');
};

std::string base64(std::string_view bytes);
// "X-Tahoe-Authorization" and its value.
std::pair<std::string, std::string> secret_header(std::string_view name, std::string_view secret);

enum class Kind { immutable, mutable_slot };

struct TestWrite {
  struct Test {
    std::uint64_t offset;
    std::uint64_t size;
    std::string specimen;
  };
  struct Write {
    std::uint64_t offset;
    std::string data;
  };
  std::vector<Test> tests = {};
  std::vector<Write> writes = {};
  std::optional<std::uint64_t> new_length = std::nullopt;
};
struct Read {
  std::uint64_t offset;
  std::uint64_t size;
};
using TestWrites = std::vector<std::pair<std::uint64_t, TestWrite>>;

class Client {
 public:
  explicit Client(const Address& address) : address_(address) {}

  // The Authorization header of this node.
  std::pair<std::string, std::string> authorization() const;

  // With Authorization and Accept unless `bare`. A failure to get an answer at all is a failed
  // expectation and status 0.
  Answer request(std::string_view method, const std::string& path, Headers headers = {},
                 std::string_view body = {}, bool bare = false);
  // Bytes on a new connection, then the next answer.
  Answer raw(std::string_view bytes, bool to_head_request = false);
  test::TlsClientOptions options() const;

  Answer version() { return request("GET", "/storage/v1/version"); }
  Answer allocate(const std::string& index, const std::vector<std::uint64_t>& numbers,
                  std::uint64_t size, const Secrets& secrets = {});
  Answer allocate_body(const std::string& index, std::string_view body, const Secrets& secrets = {},
                       Headers more = {});
  Answer write(const std::string& index, std::uint64_t number, std::uint64_t offset,
               std::string_view data, const std::string& upload_secret = Secrets().upload);
  Answer write_range(const std::string& index, std::uint64_t number,
                     const std::string& content_range, std::string_view data,
                     const std::string& upload_secret = Secrets().upload);
  Answer abort(const std::string& index, std::uint64_t number,
               const std::string& upload_secret = Secrets().upload);
  Answer list(Kind kind, const std::string& index);
  Answer read(Kind kind, const std::string& index, std::uint64_t number,
              const std::optional<std::string>& range = std::nullopt,
              const std::string& method = "GET");
  Answer corrupt(Kind kind, const std::string& index, std::uint64_t number, const Value& body);
  Answer add_lease(const std::string& index, const Secrets& secrets = {});
  Answer read_test_write(const std::string& index, const TestWrites& shares,
                         const std::vector<Read>& reads = {}, const Secrets& secrets = {});
  Answer read_test_write_body(const std::string& index, std::string_view body,
                              const Secrets& secrets = {}, Headers more = {});

  static std::string slot(Kind kind, const std::string& index);

 private:
  Address address_;
  std::optional<test::TlsClient> connection_;
};

Headers lease_headers(const Secrets& secrets);
Headers allocate_headers(const Secrets& secrets);
Headers enabler_headers(const Secrets& secrets);
Value read_test_write_value(const TestWrites& shares, const std::vector<Read>& reads);

}  // namespace sharestore::protocol_test
