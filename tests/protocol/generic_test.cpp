// What every endpoint shares: the check order, paths, authorization, secrets, media types; and the
// version.
#include "tests/protocol/fixture.h"

#include <fmt/format.h>

namespace sharestore::protocol_test {

PROTOCOL_SUITE(GenericHTTPAPITests);

namespace {

const std::string kVersion = "/storage/v1/version";

// A request for the version with other headers than usual.
Headers only(const Client& client, Headers more) {
  more.insert(more.begin(), client.authorization());
  return more;
}

}  // namespace

TEST_P(GenericHTTPAPITests, test_version) {
  const Answer answer = client_.version();
  EXPECT_STATUS(answer, 200);
  EXPECT_EQ(answer.header("content-type"), "application/cbor");
  const auto value = Value::decode(answer.body);
  ASSERT_TRUE(value);
  // Exactly these keys, all of them byte strings.
  ASSERT_EQ(value->items.size(), 4U);
  ASSERT_EQ(value->items[0], bytes("http://allmydata.org/tahoe/protocols/storage/v1"));
  const Value& v1 = value->items[1];
  ASSERT_EQ(v1.items.size(), 6U);
  EXPECT_EQ(v1.items[0], bytes("maximum-immutable-share-size"));
  EXPECT_EQ(v1.items[1].kind, Value::Kind::uint);
  EXPECT_EQ(v1.items[2], bytes("maximum-mutable-share-size"));
  EXPECT_EQ(v1.items[3], uint(69'105'000'000'000'000));
  EXPECT_EQ(v1.items[4], bytes("available-space"));
  EXPECT_EQ(v1.items[5].kind, Value::Kind::uint);
  EXPECT_EQ(value->items[2], bytes("application-version"));
  EXPECT_EQ(value->items[3].kind, Value::Kind::bytes);
  if (inside() != nullptr) {
    EXPECT_EQ(v1.items[1].number, inside()->space().max_immutable_bytes);
    EXPECT_EQ(v1.items[5].number, inside()->space().available_bytes);
    EXPECT_GT(v1.items[5].number, 0U);
  }
}

TEST_P(GenericHTTPAPITests, head_of_version) {
  const Answer get = client_.version();
  const Answer head = client_.request("HEAD", kVersion);
  EXPECT_STATUS(head, 200);
  EXPECT_EQ(head.header("content-type"), "application/cbor");
  EXPECT_EQ(head.body, "");
  EXPECT_STATUS(client_.version(), 200);  // the connection is in order
}

TEST_P(GenericHTTPAPITests, test_missing_authentication) {
  const Answer answer = client_.request("GET", kVersion, {}, {}, true);
  EXPECT_STATUS(answer, 401);
  EXPECT_EQ(answer.header("www-authenticate"), std::nullopt);
}

TEST_P(GenericHTTPAPITests, test_bad_authentication) {
  const auto status = [this](const std::string& value) {
    return client_.request("GET", kVersion, {{"Authorization", value}}, {}, true).status;
  };
  const std::string right = client_.authorization().second;
  EXPECT_EQ(status(right), 200);
  EXPECT_EQ(status("Tahoe-LAFS " + base64("wrong")), 401);
  EXPECT_EQ(status("Tahoe-LAFS"), 401);
  EXPECT_EQ(status("tahoe-lafs " + right.substr(11)), 401);
  EXPECT_EQ(status("Tahoe-LAFS  " + right.substr(11)), 401);
  EXPECT_EQ(status(right + "x"), 401);
  EXPECT_EQ(status(right.substr(0, right.size() - 1)), 401);
  EXPECT_EQ(status("Basic " + right.substr(11)), 401);
  const Answer wrong = client_.request("GET", kVersion, {{"Authorization", "no"}}, {}, true);
  EXPECT_EQ(wrong.body, "Wrong Authorization header");
}

TEST_P(GenericHTTPAPITests, test_bad_swissnum_from_client) {
  EXPECT_STATUS(client_.request("GET", kVersion, {{"Authorization", "\xff\xfe\xff"}}, {}, true),
                400);
}

TEST_P(GenericHTTPAPITests, only_the_first_authorization_counts) {
  const auto right = client_.authorization();
  EXPECT_STATUS(client_.request("GET", kVersion, {right, {"Authorization", "no"}}, {}, true), 200);
  EXPECT_STATUS(client_.request("GET", kVersion, {{"Authorization", "no"}, right}, {}, true), 401);
}

TEST_P(GenericHTTPAPITests, test_bad_secret) {
  const Headers headers = {{"X-Tahoe-Authorization", "upload-secret []<>"}};
  EXPECT_STATUS(client_.request("GET", kVersion, headers), 400);
}

TEST_P(GenericHTTPAPITests, test_authorization_enforcement) {
  const std::string path = Client::slot(Kind::immutable, new_index()) + "/1/abort";
  EXPECT_STATUS(client_.request("PUT", path), 400);
  EXPECT_STATUS(client_.request("PUT", path, {secret_header("upload-secret", "abc")}), 404);
}

// The set of secrets must be the endpoint's, exactly.
TEST_P(GenericHTTPAPITests, test_wrong_number_of_secrets) {
  const std::string immutable = Client::slot(Kind::immutable, new_index());
  const std::string mutable_slot = Client::slot(Kind::mutable_slot, new_index());
  const Headers all = {secret_header("lease-renew-secret", std::string(32, 'r')),
                       secret_header("lease-cancel-secret", std::string(32, 'c')),
                       secret_header("upload-secret", "u"), secret_header("write-enabler", "w")};
  struct Endpoint {
    std::string method;
    std::string path;
    unsigned wanted;  // bits of `all`
    bool byte_read = false;
  };
  const std::vector<Endpoint> endpoints = {
      {"GET", kVersion, 0},
      {"PUT", "/storage/v1/lease/" + new_index(), 3},
      {"POST", immutable, 7},
      {"PATCH", immutable + "/1", 4},
      {"PUT", immutable + "/1/abort", 4},
      {"GET", immutable + "/shares", 0},
      {"GET", immutable + "/1", 0},
      {"POST", immutable + "/1/corrupt", 0},
      {"POST", mutable_slot + "/read-test-write", 11},
      {"GET", mutable_slot + "/1", 0},
      {"GET", mutable_slot + "/shares", 0},
      {"POST", mutable_slot + "/1/corrupt", 0},
  };
  for (const Endpoint& endpoint : endpoints) {
    for (unsigned given = 0; given < 16; ++given) {
      if (given == endpoint.wanted) continue;
      Headers headers;
      for (unsigned bit = 0; bit < 4; ++bit) {
        if ((given >> bit & 1U) != 0) headers.push_back(all[bit]);
      }
      const Answer answer = client_.request(endpoint.method, endpoint.path, headers);
      EXPECT_EQ(answer.status, 400) << endpoint.method << " " << endpoint.path << " " << given;
    }
  }
}

TEST_P(GenericHTTPAPITests, bad_secrets) {
  const std::string path = "/storage/v1/lease/" + new_index();
  const auto renew = secret_header("lease-renew-secret", std::string(32, 'r'));
  const auto cancel = secret_header("lease-cancel-secret", std::string(32, 'c'));
  EXPECT_STATUS(client_.request("PUT", path, {renew, cancel}), 404);  // the secrets were fine
  EXPECT_STATUS(client_.request("PUT", path, {cancel, renew}), 404);
  for (const auto& [name, bad] : std::vector<std::pair<std::string, std::string>>{
           {"test_bad_secret_missing_value", "lease-renew-secret"},
           {"test_bad_secret_unknown_prefix", "FOO eA=="},
           {"test_bad_secret_not_base64", "lease-renew-secret x"},
           {"no base64 at all", "lease-renew-secret []<>"},
           {"test_bad_secret_wrong_length_lease_renew", "lease-renew-secret eA=="},
           {"one byte too many", renew.second.substr(0, 19) + base64(std::string(33, 'r'))},
           {"another case", "Lease-Renew-Secret " + base64(std::string(32, 'r'))}}) {
    EXPECT_EQ(client_.request("PUT", path, {{renew.first, bad}, cancel}).status, 400) << name;
  }
  // test_bad_secret_wrong_length_lease_cancel
  EXPECT_STATUS(client_.request("PUT", path, {renew, secret_header("lease-cancel-secret", "x")}),
                400);
  // Joined lines are not two secrets.
  for (const char* comma : {",", ", "}) {
    EXPECT_STATUS(
        client_.request("PUT", path, {{renew.first, renew.second + comma + cancel.second}}), 400);
  }
  // Decoding skips what is not of the alphabet; the last of a name counts.
  std::string spaced = renew.second;
  spaced.insert(25, " -*");
  EXPECT_STATUS(client_.request("PUT", path, {{renew.first, spaced}, cancel}), 404);
  EXPECT_STATUS(client_.request("PUT", path, {renew, renew, cancel}), 404);
}

TEST_P(GenericHTTPAPITests, the_last_secret_of_a_name_counts) {
  const std::string index = new_index();
  ASSERT_EQ(client_.allocate(index, {1}, 10).status, 200);
  const auto write = [&](std::vector<std::string> secrets) {
    Headers headers = {{"Content-Range", "bytes 0-0/*"}};
    for (const auto& s : secrets) headers.push_back(secret_header("upload-secret", s));
    return client_.request("PATCH", Client::slot(Kind::immutable, index) + "/1", headers, "x");
  };
  EXPECT_STATUS(write({Secrets().upload, "wrong"}), 401);
  EXPECT_STATUS(write({"wrong", Secrets().upload}), 200);
}

TEST_P(GenericHTTPAPITests, paths_and_methods_come_before_authorization) {
  const std::string index = new_index();
  const std::string immutable = Client::slot(Kind::immutable, index);
  const std::string mutable_slot = Client::slot(Kind::mutable_slot, index);
  for (const std::string& path : std::vector<std::string>{
           "/", "/storage/v1", "/storage/v2/version", kVersion + "x", "/storage/v1/lease/",
           immutable + "/-1", immutable + "/1.0", immutable + "/x", immutable + "/1/x",
           immutable + "/read-test-write", mutable_slot + "/1/abort", immutable + "x/shares",
           immutable.substr(0, immutable.size() - 1) + "/shares"}) {
    EXPECT_EQ(client_.request("GET", path, {}, {}, true).status, 404) << path;
  }
  struct Wrong {
    std::string method;
    std::string path;
  };
  for (const Wrong& wrong : std::vector<Wrong>{{"POST", kVersion},
                                               {"GET", immutable},
                                               {"PUT", immutable + "/1"},
                                               {"DELETE", immutable + "/1"},
                                               {"PATCH", mutable_slot + "/1"},
                                               {"GET", immutable + "/1/abort"},
                                               {"GET", mutable_slot + "/read-test-write"},
                                               {"POST", mutable_slot + "/shares"},
                                               {"GET", "/storage/v1/lease/" + index}}) {
    const Answer answer = client_.request(wrong.method, wrong.path, {}, {}, true);
    EXPECT_EQ(answer.status, 405) << wrong.method << " " << wrong.path;
    EXPECT_NE(answer.header("allow"), std::nullopt) << wrong.method << " " << wrong.path;
  }
}

TEST_P(GenericHTTPAPITests, storage_indexes) {
  const auto list = [this](const std::string& index) {
    return client_.list(Kind::immutable, index).status;
  };
  const std::string good = "nomd2a65ylxjbqzsw7gcfh4iv";
  EXPECT_EQ(list(good + "a"), 200);
  EXPECT_EQ(list(good + "c"), 200);  // the same, in another spelling
  EXPECT_EQ(list(good + "e"), 200);
  EXPECT_EQ(list(good + "b"), 404);
  EXPECT_EQ(list(good + "r"), 404);
  EXPECT_EQ(list(good), 404);
  EXPECT_EQ(list(good + "aa"), 404);
  EXPECT_EQ(list(good.substr(1) + "_a"), 404);
  EXPECT_EQ(list("N" + good.substr(1) + "a"), 404);
}

TEST_P(GenericHTTPAPITests, both_spellings_name_one_storage_index) {
  const std::string index = new_index();
  const std::string alias = index.substr(0, 25) + "c";
  store(index, 1, "data");
  EXPECT_CBOR(client_.list(Kind::immutable, alias), set({1}));
  EXPECT_EQ(client_.read(Kind::immutable, alias, 1).body, "data");
}

TEST_P(GenericHTTPAPITests, share_numbers) {
  const std::string index = new_index();
  store(index, 7, "data");
  const std::string slot = Client::slot(Kind::immutable, index);
  EXPECT_EQ(client_.request("GET", slot + "/007").body, "data");
  EXPECT_STATUS(client_.request("GET", slot + "/7?x=1"), 200);
  EXPECT_STATUS(client_.request("GET", slot + "/7/"), 404);
  const Answer huge = client_.request("GET", slot + "/" + std::string(40, '9'));
  EXPECT_STATUS(huge, 404);
  EXPECT_EQ(huge.header("content-type"), "application/octet-stream");
}

TEST_P(GenericHTTPAPITests, test_unsupported_mime_type) {
  const auto status = [this](const std::string& accept) {
    return client_.request("GET", kVersion, {{"Accept", accept}}).status;
  };
  EXPECT_EQ(status("image/gif"), 406);
  EXPECT_EQ(status(""), 406);
  EXPECT_EQ(status("application/*"), 406);
  EXPECT_EQ(status("Application/CBOR"), 406);
  EXPECT_EQ(status("application/cbor;charset=x"), 406);
  EXPECT_EQ(status("application/json, application/cbor"), 406);
  EXPECT_EQ(status("application/cbor;q=0.5"), 200);
  EXPECT_EQ(status("application/json;q=0.5, application/cbor"), 200);
  EXPECT_EQ(client_.request("GET", kVersion, only(client_, {}), {}, true).status, 200);
  const Answer any = client_.request("GET", kVersion, {{"Accept", "*/*"}});
  EXPECT_STATUS_OR(any, 200, 406);
  EXPECT_EQ(client_.request("GET", kVersion, {{"Accept", "image/gif"}}).body, "");
}

TEST_P(GenericHTTPAPITests, accept_is_looked_at_after_the_work) {
  const std::string index = new_index();
  const std::string body =
      map({{text("share-numbers"), set({1})}, {text("allocated-size"), uint(4)}}).encode();
  EXPECT_STATUS(client_.allocate_body(index, body, {}, {{"Accept", "image/gif"}}), 406);
  EXPECT_STATUS(client_.request("PATCH", Client::slot(Kind::immutable, index) + "/1",
                                {secret_header("upload-secret", Secrets().upload),
                                 {"Content-Range", "bytes 0-3/*"},
                                 {"Accept", "image/gif"}},
                                "data"),
                406);
  EXPECT_EQ(client_.read(Kind::immutable, index, 1).body, "data");
  const std::string write = read_test_write_value({{0, {.writes = {{0, "abc"}}}}}, {}).encode();
  const std::string slot = new_index();
  EXPECT_STATUS(client_.read_test_write_body(slot, write, {}, {{"Accept", "image/gif"}}), 406);
  EXPECT_EQ(client_.read(Kind::mutable_slot, slot, 0).body, "abc");
}

// Also test_request_with_no_content_type_same_as_cbor and test_request_with_wrong_content.
TEST_P(GenericHTTPAPITests, content_types_of_requests) {
  const std::string body =
      map({{text("share-numbers"), set({1})}, {text("allocated-size"), uint(1)}}).encode();
  const auto status = [&](Headers headers, const std::string& content) {
    return client_.allocate_body(new_index(), content, {}, std::move(headers)).status;
  };
  EXPECT_EQ(status({}, body), 200);
  EXPECT_EQ(status({{"Content-Type", "application/cbor"}}, body), 200);
  EXPECT_EQ(status({{"Content-Type", "application/cbor; charset=utf-8"}}, body), 200);
  EXPECT_EQ(status({{"Content-Type", "some/value"}}, body), 415);
  EXPECT_EQ(status({{"Content-Type", "Application/CBOR"}}, body), 415);
  EXPECT_EQ(status({{"Content-Type", "application/json"}}, body), 415);
  // 415 comes before 413, and 413 before 400.
  const std::string large(8193, 'x');
  EXPECT_EQ(status({{"Content-Type", "some/value"}}, large), 415);
  EXPECT_EQ(status({}, large), 413);
  EXPECT_EQ(status({}, large.substr(0, 8192)), 400);
}

TEST_P(GenericHTTPAPITests, test_server_side_schema_validation) {
  const Value bad = map({{text("share-numbers"), set({1})},
                         {text("allocated-size"), uint(1)},
                         {text("extra"), uint(1)}});
  EXPECT_STATUS(client_.allocate_body(new_index(), bad.encode()), 400);
}

TEST_P(GenericHTTPAPITests, errors_of_byte_reads_carry_octet_stream) {
  const std::string path = Client::slot(Kind::immutable, new_index()) + "/1";
  const auto type = [](const Answer& answer) { return answer.header("content-type"); };
  const Answer missing = client_.request("GET", path);
  EXPECT_STATUS(missing, 404);
  EXPECT_EQ(type(missing), "application/octet-stream");
  if (is_reference()) return;
  const Answer stranger = client_.request("GET", path, {}, {}, true);
  EXPECT_STATUS(stranger, 401);
  EXPECT_EQ(type(stranger), "application/octet-stream");
}

}  // namespace sharestore::protocol_test
