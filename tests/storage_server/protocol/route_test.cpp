#include "storage_server/protocol/route.h"

#include <gtest/gtest.h>

#include <string>

namespace sharestore {
namespace {

using http::Method;
using Outcome = RouteMatch::Outcome;

constexpr std::string_view kIndex = "nomd2a65ylxjbqzsw7gcfh4iva";
const std::string kBase = "/storage/v1/";

std::string immutable(std::string_view rest) {
  return kBase + "immutable/" + std::string(kIndex) + std::string(rest);
}
std::string mutable_slot(std::string_view rest) {
  return kBase + "mutable/" + std::string(kIndex) + std::string(rest);
}

struct Case {
  Method method;
  std::string path;
  Endpoint endpoint;
  ShareKind kind = ShareKind::immutable;
  std::optional<ShareNumber> number = std::nullopt;
};

TEST(Route, FindsEveryEndpoint) {
  const auto both = ShareKind::mutable_slot;
  const std::vector<Case> cases = {
      {Method::get, kBase + "version", Endpoint::version},
      {Method::head, kBase + "version", Endpoint::version},
      {Method::put, kBase + "lease/" + std::string(kIndex), Endpoint::add_lease},
      {Method::post, immutable(""), Endpoint::allocate},
      {Method::patch, immutable("/3"), Endpoint::write_upload, ShareKind::immutable, 3},
      {Method::put, immutable("/3/abort"), Endpoint::abort_upload, ShareKind::immutable, 3},
      {Method::get, immutable("/shares"), Endpoint::list_shares},
      {Method::get, immutable("/007"), Endpoint::read_share, ShareKind::immutable, 7},
      {Method::head, immutable("/1"), Endpoint::read_share, ShareKind::immutable, 1},
      {Method::post, immutable("/1/corrupt"), Endpoint::advise_corrupt, ShareKind::immutable, 1},
      {Method::post, mutable_slot("/read-test-write"), Endpoint::read_test_write, both},
      {Method::get, mutable_slot("/0"), Endpoint::read_share, both, 0},
      {Method::get, mutable_slot("/shares"), Endpoint::list_shares, both},
      {Method::post, mutable_slot("/18446744073709551615/corrupt"), Endpoint::advise_corrupt, both,
       18446744073709551615U},
      // No share has such a number, but the path is one of a share.
      {Method::get, mutable_slot("/18446744073709551616"), Endpoint::read_share, both},
  };
  for (const Case& c : cases) {
    const RouteMatch match = match_route(c.method, c.path);
    ASSERT_EQ(match.outcome, Outcome::found) << c.path;
    EXPECT_EQ(match.route.endpoint, c.endpoint) << c.path;
    EXPECT_EQ(match.route.kind, c.kind) << c.path;
    EXPECT_EQ(match.route.number, c.number) << c.path;
    if (c.endpoint != Endpoint::version) {
      EXPECT_EQ(match.route.storage_index.to_text(), kIndex) << c.path;
    }
  }
}

TEST(Route, ReadsAStorageIndexInBothSpellings) {
  const auto a = match_route(Method::get, immutable("/shares"));
  const auto c = match_route(Method::get, kBase + "immutable/nomd2a65ylxjbqzsw7gcfh4ivc/shares");
  const auto e = match_route(Method::get, kBase + "immutable/nomd2a65ylxjbqzsw7gcfh4ive/shares");
  ASSERT_EQ(c.outcome, Outcome::found);
  EXPECT_EQ(a.route.storage_index, c.route.storage_index);
  EXPECT_NE(a.route.storage_index, e.route.storage_index);
}

TEST(Route, KnowsNothingElse) {
  for (const std::string& path :
       std::vector<std::string>{"",
                                "/",
                                "/storage",
                                "/storage/v1",
                                "/storage/v1/",
                                "/storage/v2/version",
                                "storage/v1/version",
                                kBase + "version/",
                                kBase + "Version",
                                kBase + "lease",
                                kBase + "lease/",
                                kBase + "lease/" + std::string(kIndex) + "/",
                                kBase + "immutable",
                                kBase + "immutable/",
                                immutable("/"),
                                immutable("/shares/"),
                                immutable("/-1"),
                                immutable("/1.0"),
                                immutable("/1/"),
                                immutable("/1/abort/"),
                                immutable("/+1"),
                                immutable("/ 1"),
                                immutable("//1"),
                                immutable("/1/nothing"),
                                immutable("/1/1"),
                                immutable("/read-test-write"),
                                mutable_slot(""),
                                mutable_slot("/"),
                                mutable_slot("/1/abort"),
                                mutable_slot("/read-test-write/"),
                                "/id/x",
                                kBase + "lease/" + std::string(kIndex) + "a",  // 27
                                kBase + "lease/nomd2a65ylxjbqzsw7gcfh4iv",     // 25
                                kBase + "lease/nomd2a65ylxjbqzsw7gcfh4ivb",    // spare bit set
                                kBase + "lease/nomd2a65ylxjbqzsw7gcfh4ivr",    // spare bit set
                                kBase + "lease/nomd2a65ylxjbqzsw7gcfh4_va",
                                kBase + "lease/NOMD2A65YLXJBQZSW7GCFH4IVA"}) {
    EXPECT_EQ(match_route(Method::get, path).outcome, Outcome::no_such_path) << path;
    EXPECT_EQ(match_route(Method::put, path).outcome, Outcome::no_such_path) << path;
  }
}

TEST(Route, TellsWhichMethodsAPathHas) {
  const auto allowed = [](Method method, const std::string& path) {
    const RouteMatch match = match_route(method, path);
    EXPECT_EQ(match.outcome, Outcome::wrong_method) << path;
    return std::string(match.allowed);
  };
  EXPECT_EQ(allowed(Method::post, kBase + "version"), "GET, HEAD");
  EXPECT_EQ(allowed(Method::other, kBase + "version"), "GET, HEAD");
  EXPECT_EQ(allowed(Method::get, kBase + "lease/" + std::string(kIndex)), "PUT");
  EXPECT_EQ(allowed(Method::get, immutable("")), "POST");
  EXPECT_EQ(allowed(Method::put, immutable("/1")), "GET, HEAD, PATCH");
  EXPECT_EQ(allowed(Method::patch, mutable_slot("/1")), "GET, HEAD");
  EXPECT_EQ(allowed(Method::get, immutable("/1/abort")), "PUT");
  EXPECT_EQ(allowed(Method::del, immutable("/shares")), "GET, HEAD");
  EXPECT_EQ(allowed(Method::get, mutable_slot("/read-test-write")), "POST");
  EXPECT_EQ(allowed(Method::get, mutable_slot("/1/corrupt")), "POST");
}

}  // namespace
}  // namespace sharestore
