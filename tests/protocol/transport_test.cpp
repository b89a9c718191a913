// The protocol over its real transport, and input that no client would send: the node answers with
// a clear 4xx or closes, stays up, and nothing that is stored is harmed.
#include <fmt/format.h>
#include <openssl/ssl.h>

#include <thread>

#include "tests/protocol/fixture.h"
#include "tests/support/test_data.h"

namespace sharestore::protocol_test {

PROTOCOL_SUITE(TransportTests);
PROTOCOL_SUITE(BadInputTests);

namespace {

const std::string kVersion = "/storage/v1/version";

std::string head_text(const Headers& headers) {
  std::string text;
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  return text;
}

std::string chunked(std::string_view data, std::size_t chunk_bytes) {
  std::string text;
  for (std::size_t i = 0; i < data.size(); i += chunk_bytes) {
    const std::string_view chunk = data.substr(i, chunk_bytes);
    text += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  }
  return text + "0\r\n\r\n";
}

// The head of a PATCH; the caller says how its body comes.
std::string patch_head(const Client& client, const std::string& index,
                       const std::string& content_range) {
  return fmt::format("PATCH {}/1 HTTP/1.1\r\nHost: node\r\n{}",
                     Client::slot(Kind::immutable, index),
                     head_text({client.authorization(),
                                secret_header("upload-secret", Secrets().upload),
                                {"Content-Range", content_range}}));
}

}  // namespace

TEST_P(TransportTests, tls_versions_and_alpn) {
  const auto connect = [this](int version) {
    test::TlsClientOptions options = client_.options();
    options.min_version = version;
    options.max_version = version;
    options.allow_weak = true;
    options.alpn = {"h2", "http/1.1"};
    return test::TlsClient::connect(options);
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto connection = connect(version);
    ASSERT_TRUE(connection);
    // The reference offers HTTP/2 where its optional library is installed.
    if (!is_reference()) {
      EXPECT_EQ(connection->alpn(), "http/1.1");
    }
  }
  EXPECT_FALSE(connect(TLS1_1_VERSION));
  EXPECT_FALSE(connect(TLS1_VERSION));
}

TEST_P(TransportTests, one_connection_serves_many_requests) {
  auto connection = test::TlsClient::connect(client_.options());
  ASSERT_TRUE(connection);
  const Headers headers = {client_.authorization(), {"Accept", "application/cbor"}};
  for (int i = 0; i < 20; ++i) {
    const auto answer = connection->request("GET", kVersion, headers);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    const auto missing =
        connection->request("GET", Client::slot(Kind::immutable, new_index()) + "/1", headers);
    ASSERT_TRUE(missing);
    EXPECT_EQ(missing->status, 404);
  }
}

TEST_P(TransportTests, requests_on_top_of_each_other) {
  auto connection = test::TlsClient::connect(client_.options());
  ASSERT_TRUE(connection);
  const std::string one = "GET " + kVersion + " HTTP/1.1\r\nHost: node\r\n" +
                          head_text({client_.authorization()}) + "\r\n";
  ASSERT_TRUE(connection->send(one + one + one));
  for (int i = 0; i < 3; ++i) {
    const auto answer = connection->read_answer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
  }
}

TEST_P(TransportTests, http_1_0) {
  const Answer answer = client_.raw("GET " + kVersion + " HTTP/1.0\r\n" +
                                    head_text({client_.authorization()}) + "\r\n");
  EXPECT_STATUS(answer, 200);
  EXPECT_TRUE(Value::decode(answer.body));
}

TEST_P(TransportTests, chunked_bodies) {
  const std::string index = new_index();
  const std::string data = pattern_text(200'000);
  client_.allocate(index, {1}, data.size());
  for (const std::size_t chunk : {std::size_t{7777}, std::size_t{100'000}}) {
    const Answer answer = client_.raw(
        patch_head(client_, index, fmt::format("bytes 0-{}/*", data.size() - 2)) +
        "Transfer-Encoding: chunked\r\n\r\n" + chunked(data.substr(0, data.size() - 1), chunk));
    EXPECT_STATUS(answer, 200);
  }
  EXPECT_STATUS(client_.write(index, 1, data.size() - 1, data.substr(data.size() - 1)), 201);
  EXPECT_TRUE(client_.read(Kind::immutable, index, 1).body == data);
}

TEST_P(TransportTests, expect_100_continue) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 5);
  auto connection = test::TlsClient::connect(client_.options());
  ASSERT_TRUE(connection);
  ASSERT_TRUE(connection->send(patch_head(client_, index, "bytes 0-4/*") +
                               "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
  const auto interim = connection->read_head();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  ASSERT_TRUE(connection->send("01234"));
  const auto answer = connection->read_answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201);
}

TEST_P(TransportTests, a_lost_connection_does_not_end_an_upload) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 100'000);
  const std::string data = pattern_text(100'000);
  {
    auto connection = test::TlsClient::connect(client_.options());
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->send(patch_head(client_, index, "bytes 0-99999/*") +
                                 "Content-Length: 100000\r\n\r\n" + data.substr(0, 50'000)));
    connection->reset();
  }
  EXPECT_STATUS(client_.write(index, 1, 60'000, data.substr(60'000)), 200);
  EXPECT_STATUS(client_.write(index, 1, 0, data), 201);
  EXPECT_TRUE(client_.read(Kind::immutable, index, 1).body == data);
}

TEST_P(TransportTests, many_clients_at_once) {
  constexpr int kClients = 8;
  std::vector<std::string> indexes;
  for (int i = 0; i < kClients; ++i) indexes.push_back(new_index());
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([this, index = indexes[static_cast<std::size_t>(i)], i] {
      Client client(node_->address());
      const std::string data = pattern_text(50'000, static_cast<unsigned>(i));
      EXPECT_EQ(client.allocate(index, {0, 1}, data.size()).status, 200);
      EXPECT_EQ(client.write(index, 0, 25'000, data.substr(25'000)).status, 200);
      EXPECT_EQ(client.write(index, 0, 0, data.substr(0, 25'000)).status, 201);
      EXPECT_TRUE(client.read(Kind::immutable, index, 0).body == data);
      EXPECT_EQ(client.add_lease(index).status, 204);
      EXPECT_EQ(client.version().status, 200);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Writers that all test for absence: one wins.
TEST_P(TransportTests, read_test_write_is_atomic) {
  constexpr int kClients = 8;
  const std::string index = new_index();
  std::vector<int> won(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([this, &index, &won, i] {
      Client client(node_->address());
      const TestWrite first = {.tests = {{0, 1, ""}}, .writes = {{0, std::to_string(i)}}};
      const Answer answer = client.read_test_write(index, {{0, first}});
      EXPECT_EQ(answer.status, 200);
      const auto value = Value::decode(answer.body);
      won[static_cast<std::size_t>(i)] = value && value->get("success") == boolean(true) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(won.begin(), won.end(), 1), 1);
  const std::string winner = client_.read(Kind::mutable_slot, index, 0).body;
  EXPECT_EQ(won[std::stoul(winner)], 1);
}

TEST_P(BadInputTests, garbage_instead_of_tls) {
  test::TlsClientOptions options = client_.options();
  options.tls = false;
  auto plain = test::TlsClient::connect(options);
  ASSERT_TRUE(plain);
  [[maybe_unused]] const auto sent = plain->send("GET / HTTP/1.1\r\nHost: node\r\n\r\n");
  plain->wait_closed();
  EXPECT_STATUS(client_.version(), 200);
}

TEST_P(BadInputTests, half_requests) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 1000);
  for (const std::string& half :
       {std::string("GET /stor"), std::string("GET /storage/v1/version HTTP/1.1\r\nHost"),
        patch_head(client_, index, "bytes 0-999/*"),
        patch_head(client_, index, "bytes 0-999/*") + "Content-Length: 1000\r\n\r\nabc",
        patch_head(client_, index, "bytes 0-999/*") +
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n40"}) {
    auto connection = test::TlsClient::connect(client_.options());
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->send(half));
    connection->close();
  }
  EXPECT_STATUS(client_.version(), 200);
  EXPECT_STATUS(client_.write(index, 1, 0, "abc"), 200);
}

TEST_P(BadInputTests, bad_chunks) {
  if (is_reference()) GTEST_SKIP() << "the transport of the reference is not ours to judge";
  const std::string index = new_index();
  client_.allocate(index, {1}, 1000);
  for (const char* body : {"zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "3\r\nabcdef\r\n"}) {
    auto connection = test::TlsClient::connect(client_.options());
    ASSERT_TRUE(connection);
    ASSERT_TRUE(connection->send(patch_head(client_, index, "bytes 0-999/*") +
                                 "Transfer-Encoding: chunked\r\n\r\n" + body));
    const auto answer = connection->read_answer();
    ASSERT_TRUE(answer) << body;
    EXPECT_EQ(answer->status, 400) << body;
  }
  EXPECT_STATUS(client_.version(), 200);
}

TEST_P(BadInputTests, a_body_of_two_lengths) {
  if (is_reference()) GTEST_SKIP() << "the transport of the reference is not ours to judge";
  for (const char* lengths :
       {"Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: -1\r\n",
        "Content-Length: x\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"}) {
    const Answer answer =
        client_.raw(patch_head(client_, new_index(), "bytes 0-0/*") + lengths + "\r\n0\r\n\r\n");
    EXPECT_EQ(answer.status, 400) << lengths;
  }
}

TEST_P(BadInputTests, hostile_cbor) {
  using std::string_literals::operator""s;
  const std::string index = new_index();
  store_mutable(index, 1, "untouched");
  const std::string prefix = "\xa2\x72test-write-vectors";
  for (const std::string& body : {
           "\x9b\xff\xff\xff\xff\xff\xff\xff\xff"s,              // an array of 2^64 - 1
           "\xbb\xff\xff\xff\xff\xff\xff\xff\xff"s,              // such a map
           "\x5b\xff\xff\xff\xff\xff\xff\xff\xff"s,              // such a byte string
           "\x7b\xff\xff\xff\xff\xff\xff\xff\xff"s,              // such a text
           prefix + "\xbb\xff\xff\xff\xff\xff\xff\xff\xff",      // one level down
           prefix + "\xa1\x01\xa3\x64test\x9a\xff\xff\xff\xff",  //
           std::string(100'000, '\x81'),                         // nested arrays
           std::string(100'000, '\xc1'),                         // nested tags
           "\x9f"s + std::string(1000, '\x9f'),                  // open ones
           prefix + std::string(10'000, '\xa1'),                 //
           "\x1c"s, "\xff"s, "\xfc"s, "\x5f\x61x\xff"s,          // not CBOR
           "\xa2\x72test-write-vectors\xa0\x6bread-vector"s,     // ends early
       }) {
    const Answer answer = client_.read_test_write_body(index, body);
    EXPECT_GE(answer.status, 400) << testing::PrintToString(body.substr(0, 40));
    EXPECT_LT(answer.status, is_reference() ? 501 : 500)
        << testing::PrintToString(body.substr(0, 40));
    EXPECT_GE(client_.allocate_body(new_index(), body.substr(0, 8000)).status, 400);
    EXPECT_GE(
        client_.request("POST", Client::slot(Kind::mutable_slot, index) + "/1/corrupt", {}, body)
            .status,
        400);
  }
  EXPECT_EQ(client_.read(Kind::mutable_slot, index, 1).body, "untouched");
}

TEST_P(BadInputTests, bytes_after_the_item_and_repeated_keys) {
  if (is_reference()) GTEST_SKIP() << "its validator here is a stand-in";
  const std::string index = new_index();
  EXPECT_STATUS(client_.read_test_write_body(
                    index, read_test_write_value({}, {}).encode() + std::string(1, '\0')),
                400);
  const Value one =
      map({{text("test"), array({})}, {text("write"), array({})}, {text("new-length"), null()}});
  EXPECT_STATUS(client_.read_test_write_body(
                    index, map({{text("test-write-vectors"), map({{uint(1), one}, {uint(1), one}})},
                                {text("read-vector"), array({})}})
                               .encode()),
                400);
  EXPECT_STATUS(client_.allocate_body(index, map({{text("share-numbers"), set({1})},
                                                  {text("allocated-size"), uint(1)},
                                                  {text("allocated-size"), uint(2)}})
                                                 .encode()),
                400);
  EXPECT_CBOR(client_.list(Kind::mutable_slot, index), set({}));
}

TEST_P(BadInputTests, indefinite_lengths_are_understood) {
  const std::string index = new_index();
  const std::string body =
      "\xbf\x6dshare-numbers\xd9\x01\x02\x9f\x01\x02\xff\x7f\x69"
      "allocated"
      "\x65-size\xff\x05\xff";
  EXPECT_CBOR(client_.allocate_body(index, body), allocated({}, {1, 2}));
}

TEST_P(BadInputTests, offsets_near_the_end_of_numbers) {
  const std::string index = new_index();
  store_mutable(index, 1, "0123456789");
  const TestWrite tests = {.tests = {{UINT64_MAX, 1, ""},
                                     {UINT64_MAX - 1, 10, ""},
                                     {0, UINT64_MAX, "0123456789"},
                                     {5, UINT64_MAX, "56789"}}};
  EXPECT_CBOR(client_.read_test_write(index, {{1, tests}},
                                      {{UINT64_MAX, 1}, {9, UINT64_MAX}, {10, UINT64_MAX}}),
              outcome(true, {{1, {"", "9", ""}}}));
  const std::string upload = new_index();
  client_.allocate(upload, {1}, 10);
  for (const char* range :
       {"bytes 18446744073709551615-18446744073709551615/*",
        "bytes 18446744073709551616-18446744073709551617/*",
        "bytes 0-18446744073709551615/18446744073709551616", "bytes 9-18446744073709551616/*"}) {
    const Answer answer = client_.write_range(upload, 1, range, "x");
    EXPECT_STATUS_OR(answer, 416, 500);
  }
}

TEST_P(BadInputTests, long_and_many_headers) {
  if (is_reference()) GTEST_SKIP() << "the transport of the reference is not ours to judge";
  EXPECT_STATUS(client_.request("GET", kVersion, {{"X-Long", std::string(17'000, 'x')}}), 431);
  EXPECT_STATUS(client_.request("GET", kVersion, Headers(501, {"X", "y"})), 431);
  EXPECT_STATUS(client_.version(), 200);
}

TEST_P(BadInputTests, wrong_secrets_change_nothing) {
  const std::string index = new_index();
  client_.allocate(index, {1}, 4);
  for (const std::string& wrong : {std::string("x"), std::string(20, 'U'), std::string(21, 'u'),
                                   std::string(19, 'u'), std::string(3000, 'u')}) {
    EXPECT_STATUS(client_.write(index, 1, 0, "evil", wrong), 401);
    EXPECT_STATUS(client_.abort(index, 1, wrong), 401);
  }
  EXPECT_STATUS(client_.write(index, 1, 0, "good"), 201);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "good");
}

}  // namespace sharestore::protocol_test
