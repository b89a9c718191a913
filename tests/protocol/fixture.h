// What every case of the protocol suite starts from.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/protocol/client.h"
#include "tests/protocol/node.h"

namespace sharestore::protocol_test {

// One node per case where it is in this process; a node elsewhere is shared, so every case takes
// storage indexes of its own from new_index().
class ProtocolTest : public testing::TestWithParam<std::string> {
 protected:
  ProtocolTest() : node_(make_node(GetParam(), {})), client_(node_->address()) {}

  static std::string new_index() {
    static std::mt19937_64 random{std::random_device{}()};
    static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string index;
    for (int i = 0; i < 25; ++i) index += kAlphabet[random() % 32];
    return index + 'a';
  }

  static ShareId share_id(const std::string& index, std::uint64_t number) {
    return {*StorageIndex::from_text(index), number};
  }

  Node::Inside* inside() { return node_->inside(); }
  bool is_reference() const { return node_->is_reference(); }

  // After the node was restarted its port is another one.
  void restart(NodeSettings settings) {
    inside()->restart(settings);
    client_ = Client(node_->address());
  }

  // A finished share.
  void store(const std::string& index, std::uint64_t number, const std::string& data,
             const Secrets& secrets = {}) {
    ASSERT_EQ(client_.allocate(index, {number}, data.size(), secrets).status, 200);
    ASSERT_EQ(client_.write(index, number, 0, data, secrets.upload).status, 201);
  }
  void store_mutable(const std::string& index, std::uint64_t number, const std::string& data,
                     const Secrets& secrets = {}) {
    const Answer answer =
        client_.read_test_write(index, {{number, {.writes = {{0, data}}}}}, {}, secrets);
    ASSERT_EQ(answer.status, 200);
    ASSERT_EQ(Value::decode(answer.body)->get("success"), boolean(true));
  }
  void store(Kind kind, const std::string& index, std::uint64_t number, const std::string& data) {
    kind == Kind::immutable ? store(index, number, data) : store_mutable(index, number, data);
  }

  std::unique_ptr<Node> node_;
  Client client_;
};

// The status; from the Python node also what it is known to answer where we deviate on purpose.
#define EXPECT_STATUS(answer, strict) \
  EXPECT_EQ((answer).status, strict) << "body: " << (answer).body.substr(0, 200)
#define EXPECT_STATUS_OR(answer, strict, reference)                                              \
  EXPECT_TRUE((answer).status == (strict) || (is_reference() && (answer).status == (reference))) \
      << "status " << (answer).status << ", expected " << (strict)

// The body as CBOR equals `value`.
#define EXPECT_CBOR(answer, value)                                       \
  do {                                                                   \
    const auto decoded_body = Value::decode((answer).body);              \
    ASSERT_TRUE(decoded_body) << "not CBOR, status " << (answer).status; \
    EXPECT_EQ(decoded_body->canonical(), (value).canonical());           \
    EXPECT_EQ((answer).header("content-type"), "application/cbor");      \
  } while (false)

#define SKIP_UNLESS_INSIDE() \
  if (inside() == nullptr) GTEST_SKIP() << "needs the node's clock, index or settings"

// Each suite is a name of its own for the one fixture.
#define PROTOCOL_SUITE(Name)                                            \
  class Name : public ProtocolTest {};                                  \
  INSTANTIATE_TEST_SUITE_P(Node, Name, testing::ValuesIn(node_kinds()), \
                           [](const auto& kind) { return kind.param; })

Value allocated(const std::vector<std::uint64_t>& already_have,
                const std::vector<std::uint64_t>& allocated);
Value required(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges);
// `data`: share number to what its reads gave.
Value outcome(bool success,
              const std::vector<std::pair<std::uint64_t, std::vector<std::string>>>& data);

}  // namespace sharestore::protocol_test
