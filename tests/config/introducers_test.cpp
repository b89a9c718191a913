#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kFurl = "pb://aaaabbbbccccddddeeeeffff22223333@tcp:intro.example.org:1/swiss";

std::string refusal_of_file(std::string_view introducers_yaml) {
  NodeFixture node;
  node.secret("introducers.yaml", introducers_yaml);
  return node.refusal();
}

std::vector<std::string> petnames(const NodeConfig& config) {
  std::vector<std::string> names;
  for (const auto& introducer : config.introducers) {
    names.push_back(introducer.petname);
    EXPECT_EQ(introducer.furl, kFurl);
  }
  return names;
}

TEST(Introducers, NoneIsFine) {
  EXPECT_THAT(NodeFixture().loaded().introducers, IsEmpty());
  NodeFixture node;
  node.secret("introducers.yaml", "introducers: {}\n");
  EXPECT_THAT(node.loaded().introducers, IsEmpty());
}

TEST(Introducers, FromTheFileInEveryStyle) {
  const std::string furl = kFurl;
  for (const std::string& text :
       {"introducers:\n  b:\n    furl: " + furl + "\n  a:\n    furl: \"" + furl + "\"\n",
        "introducers:\n  b: {furl: '" + furl + "'}\n  a: {furl: " + furl + "}\n",
        "{\"introducers\": {\"b\": {\"furl\": \"" + furl + "\"}, \"a\": {\"furl\": \"" + furl +
            "\"}}}"}) {
    NodeFixture node;
    node.secret("introducers.yaml", text);
    EXPECT_THAT(petnames(node.loaded()), ElementsAre("a", "b")) << text;
  }
}

TEST(Introducers, FromTheKey) {
  const std::string key = std::string("[client]\nintroducer.furl = ") + kFurl + "\n";
  NodeFixture node(key);
  EXPECT_THAT(petnames(node.loaded()), ElementsAre("default"));
  node.secret("introducers.yaml", std::string("introducers: {a: {furl: ") + kFurl + "}}\n");
  EXPECT_THAT(petnames(node.loaded()), ElementsAre("a", "default"));
  node.secret("introducers.yaml", std::string("introducers: {default: {furl: ") + kFurl + "}}\n");
  EXPECT_EQ(node.refusal(),
            "NODE/tahoe.cfg:2: section [client]: key 'introducer.furl': private/introducers.yaml "
            "has an introducer 'default' too; expected it in one place only");
  EXPECT_THAT(NodeFixture("[client]\nintroducer.furl =\n").loaded().introducers, IsEmpty());
}

TEST(Introducers, MalformedKeys) {
  EXPECT_THAT(refusal_of("[client]\nintroducer.furl = None\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [client]: key 'introducer.furl': the FURL does "
                        "not start with pb://"));
  const std::string commented =
      refusal_of(std::string("[client]\nintroducer.furl = ") + kFurl + "#comment\n");
  EXPECT_THAT(commented, HasSubstr("the FURL holds a '#'"));
  EXPECT_THAT(commented, Not(HasSubstr("swiss")));
}

TEST(Introducers, MalformedFiles) {
  EXPECT_EQ(refusal_of_file(""),
            "NODE/private/introducers.yaml: the file is empty; expected a secret");
  EXPECT_THAT(refusal_of_file("# nothing\n"),
              HasSubstr("NODE/private/introducers.yaml:1: expected 'introducers:'"));
  EXPECT_THAT(refusal_of_file("introducers:\n"), HasSubstr(":1: expected 'introducers:'"));
  EXPECT_THAT(refusal_of_file("introducers:\n  - a\n"), HasSubstr(":2: '-' is not supported"));
  EXPECT_EQ(refusal_of_file("introducers:\n  a:\n    fulr: x\n"),
            "NODE/private/introducers.yaml:3: introducer 'a': expected 'furl: pb://...' below it");
  EXPECT_THAT(refusal_of_file("introducers:\n  a: pb://x\n"), HasSubstr("expected 'furl: pb://"));
  EXPECT_EQ(refusal_of_file("introducers:\n  a:\n    furl: pb://sekrit\n"),
            "NODE/private/introducers.yaml:3: introducer 'a': the FURL has no '@' followed by a "
            "'/'; expected a FURL pb://TUBID@tcp:HOST:PORT/NAME");
}

TEST(Introducers, AreLimitedInNumber) {
  std::string text = "introducers:\n";
  for (int i = 0; i < 65; ++i) {
    text += "  a" + std::to_string(i) + ": {furl: '" + kFurl + "'}\n";
  }
  EXPECT_THAT(refusal_of_file(text), HasSubstr("expected at most 64 introducers"));
}

TEST(Introducers, FileModesCount) {
  NodeFixture node;
  node.secret("introducers.yaml", std::string("introducers: {a: {furl: ") + kFurl + "}}\n");
  node.chmod("private/introducers.yaml", 0644);
  EXPECT_THAT(petnames(node.loaded()), ElementsAre("a"));
  node.chmod("private", 0755);
  EXPECT_EQ(node.refusal_code(), Errc::forbidden);
}

TEST(Introducers, AreNotContactedWithoutTcp) {
  NodeFixture node("[connections]\ntcp = disabled\n");
  node.secret("introducers.yaml", std::string("introducers: {a: {furl: ") + kFurl + "}}\n");
  EXPECT_THAT(node.loaded().notices,
              testing::Contains("introducers are not contacted: [connections] tcp = disabled"));
}

}  // namespace
}  // namespace sharestore
