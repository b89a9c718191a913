#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kConfig =
    "[storage]\ngrid_management = true\n[grid_manager_certificates]\nours = gm.cert\n";
constexpr const char* kText = R"({\"expires\":\"2030-01-01T00:00:00+00:00\",\"public_key\":)"
                              R"(\"pub-v0-abc\",\"version\":1})";

std::string certificate(const std::string& text, const std::string& signature,
                        const std::string& more = "") {
  return "{\"certificate\": \"" + text + "\", \"signature\": \"" + signature + "\"" + more + "}";
}

const std::string kSignature(103, 'a');  // base32 of 64 zero bytes

std::string refusal_with(std::string_view content) {
  NodeFixture node(kConfig);
  node.write("gm.cert", content);
  return node.refusal();
}

TEST(GridManager, LoadsCertificates) {
  NodeFixture node(kConfig);
  node.write("gm.cert", certificate(kText, kSignature));
  const auto config = node.loaded();
  ASSERT_EQ(config.grid_manager_certificates.size(), 1U);
  const auto& loaded = config.grid_manager_certificates[0];
  EXPECT_EQ(loaded.name, "ours");
  EXPECT_EQ(loaded.file, node.path() / "gm.cert");
  EXPECT_EQ(loaded.certificate,
            R"({"expires":"2030-01-01T00:00:00+00:00","public_key":"pub-v0-abc","version":1})");
  EXPECT_EQ(loaded.signature, kSignature);
  EXPECT_EQ(loaded.public_key, "pub-v0-abc");
  EXPECT_EQ(loaded.expires, std::chrono::sys_days(std::chrono::January / 1 / 2030));
}

std::string text_until(const std::string& expires) {
  return R"({\"expires\":\")" + expires + R"(\",\"public_key\":\"pub-v0-abc\",\"version\":1})";
}

TEST(GridManager, TimesAreThoseOfPython) {
  const std::chrono::sys_seconds noon =
      std::chrono::sys_days(std::chrono::December / 5 / 2026) + std::chrono::hours(12);
  for (const char* text :
       {"2026-12-05T12:00:00", "2026-12-05T12:00:00Z", "2026-12-05T12:00:00.157072+00:00",
        "2026-12-05T13:30:00+01:30", "2026-12-05T06:00:00.5-06:00"}) {
    NodeFixture node(kConfig);
    node.write("gm.cert", certificate(text_until(text), kSignature));
    const auto config = node.loaded();
    ASSERT_EQ(config.grid_manager_certificates.size(), 1U) << text;
    EXPECT_EQ(config.grid_manager_certificates[0].expires, noon) << text;
  }
  for (const char* text :
       {"", "2026-12-05", "2026-13-05T12:00:00", "2026-12-05T24:00:00", "2026-12-05T12:00",
        "2026-12-05T12:00:00+1", "2026-12-05T12:00:00 x", "2026-12-05T12:00:00+01:3x"}) {
    EXPECT_THAT(refusal_with(certificate(text_until(text), kSignature)),
                HasSubstr("'certificate' is not"))
        << text;
  }
}

TEST(GridManager, MissingFile) {
  EXPECT_EQ(refusal_of(kConfig),
            "NODE/tahoe.cfg:4: section [grid_manager_certificates]: key 'ours': NODE/gm.cert: No "
            "such file or directory");
}

TEST(GridManager, MalformedFiles) {
  const std::string exactly =
      "NODE/gm.cert: expected exactly the members 'certificate' and "
      "'signature', both text";
  EXPECT_THAT(refusal_with("not json"), HasSubstr("NODE/gm.cert: the file is not a JSON object"));
  EXPECT_THAT(refusal_with("[]"), HasSubstr("the file is not a JSON object"));
  EXPECT_THAT(refusal_with("{}"), HasSubstr(exactly));
  EXPECT_THAT(refusal_with("{\"certificate\": \"x\"}"), HasSubstr(exactly));
  EXPECT_THAT(refusal_with("{\"certificate\": 1, \"signature\": \"x\"}"), HasSubstr(exactly));
  EXPECT_THAT(refusal_with(certificate(kText, kSignature, ", \"x\": 1")), HasSubstr(exactly));
  EXPECT_THAT(refusal_with(certificate("no json", kSignature)), HasSubstr("'certificate' is not"));
  EXPECT_THAT(refusal_with(certificate(R"({\"version\":1})", kSignature)),
              HasSubstr("'certificate' is not"));
  EXPECT_THAT(refusal_with(certificate(kText, "abc")), HasSubstr("'signature' is not"));
  EXPECT_THAT(refusal_with(certificate(kText, std::string(102, 'a'))),
              HasSubstr("'signature' is not"));
  EXPECT_THAT(refusal_with(std::string(1 << 17, ' ')), HasSubstr("at most 65536 bytes"));
  EXPECT_THAT(refusal_with(std::string(1000, '[')), HasSubstr("not a JSON object"));
}

TEST(GridManager, CountOnlyWhenSwitchedOn) {
  const auto off = NodeFixture("[grid_manager_certificates]\nours = missing\n").loaded();
  EXPECT_THAT(off.grid_manager_certificates, IsEmpty());
  EXPECT_THAT(off.notices, Contains("[grid_manager_certificates] has no effect without [storage] "
                                    "grid_management = true"));
  const auto none = NodeFixture("[storage]\ngrid_management = true\n").loaded();
  EXPECT_THAT(none.notices, Contains(HasSubstr("[grid_manager_certificates] is empty")));
}

TEST(GridManager, EmptyPath) {
  EXPECT_THAT(refusal_of("[storage]\ngrid_management = yes\n[grid_manager_certificates]\nours =\n"),
              HasSubstr("NODE/tahoe.cfg:4: section [grid_manager_certificates]: key 'ours': it is "
                        "empty; expected the path of a certificate file"));
}

}  // namespace
}  // namespace sharestore
