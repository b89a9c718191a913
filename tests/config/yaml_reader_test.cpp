#include "config/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sharestore {
namespace {

using testing::HasSubstr;

// The tree as one line: {a: x, b: {c: null}}.
std::string dump(const YamlNode& node) {
  if (!node.is_mapping) return node.is_null ? "null" : "<" + node.scalar + ">";
  std::string result = "{";
  for (const YamlNode& member : node.members) {
    if (result.size() > 1) result += ", ";
    result += member.name + ": " + dump(member);
  }
  return result + "}";
}

std::string parsed(std::string_view text) {
  const auto node = parse_yaml(text, "f");
  return node ? dump(*node) : node.error().message();
}

TEST(YamlReader, BlockMappings) {
  EXPECT_EQ(parsed("a:\n  b:\n    furl: pb://x@y:1/z\n  c: d\ne: f\n"),
            "{a: {b: {furl: <pb://x@y:1/z>}, c: <d>}, e: <f>}");
  EXPECT_EQ(parsed("---\na: 1\n...\n"), "{a: <1>}");
  EXPECT_EQ(parsed("# c\na: b # c\n\n  # c\nd: e#f\n"), "{a: <b>, d: <e#f>}");
  EXPECT_EQ(parsed("a:\nb: ~\nc: null\nd: ''\n"), "{a: null, b: null, c: null, d: <>}");
  EXPECT_EQ(parsed("\xef\xbb\xbf"
                   "a: b\r\nc: d\r\n"),
            "{a: <b>, c: <d>}");
  EXPECT_EQ(parsed("a:\n    b: c\n"), "{a: {b: <c>}}");
  EXPECT_EQ(parsed("a:\n  long\n"), "{a: <long>}");
}

TEST(YamlReader, FlowMappings) {
  EXPECT_EQ(parsed("a: {}\n"), "{a: {}}");
  EXPECT_EQ(parsed("a:\n  b: {furl: pb://x@tcp:h:1/z}\n"), "{a: {b: {furl: <pb://x@tcp:h:1/z>}}}");
  EXPECT_EQ(parsed("{\"a\": {'b': {c: d, e: \"f\"}},\n g: h,}\n"),
            "{a: {b: {c: <d>, e: <f>}}, g: <h>}");
}

TEST(YamlReader, QuotedScalars) {
  EXPECT_EQ(parsed("'it''s': \"a\\tb\\x41\\u00e9\\\"\"\n"), "{it's: <a\tbA\xc3\xa9\">}");
  EXPECT_EQ(parsed("\"a: b\": '# c'\n"), "{a: b: <# c>}");
  EXPECT_EQ(parsed("a: \"null\"\n"), "{a: <null>}");
}

TEST(YamlReader, NothingIsNull) {
  EXPECT_EQ(parsed(""), "null");
  EXPECT_EQ(parsed("# only a comment\n"), "null");
}

TEST(YamlReader, RefusesWhatItWouldMisread) {
  for (const char* text :
       {"- a\n",      "a: [b]\n",     "a: &x b\n",         "a: *x\n",
        "a: !t b\n",  "a: |\n  b\n",  "a: >\n  b\n",       "? a\n: b\n",
        "a: 'b\n",    "a: \"b\n",     "a: \"\\q\"\n",      "a: \"\\ud800\"\n",
        "a: {b: c\n", "a: {b}\n",     "a: {b: c d: e}\n",  "a: b: c\n",
        "a: 'b' c\n", "\ta: b\n",     "a: b\n c: d\n",     "a:\n    b: c\n  d: e\n",
        "a\n b: c\n", "a: b\na: c\n", "a: {b: c, b: d}\n", "%YAML 1.1\n"}) {
    const auto node = parse_yaml(text, "f");
    EXPECT_FALSE(node.has_value()) << text << " is " << (node ? dump(*node) : "");
    if (!node) EXPECT_THAT(node.error().message(), testing::ContainsRegex("^f:[0-9]+: ")) << text;
  }
  EXPECT_EQ(parsed("a: b\nc: d\na: e\n"), "f:3: the name 'a' appears twice");
  EXPECT_EQ(parsed("a:\n  - b\n"),
            "f:2: '-' is not supported here; expected a mapping "
            "'name: value' with plain or quoted text");
}

TEST(YamlReader, Limits) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{a: ";
  EXPECT_THAT(parsed(deep), HasSubstr("nested more than 16 deep"));
  std::string block;
  for (int i = 0; i < 100; ++i) block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(parsed(block), HasSubstr("nested more than 16 deep"));
  std::string wide;
  for (std::size_t i = 0; i <= kMaxYamlMembers; ++i) wide += "k" + std::to_string(i) + ": v\n";
  EXPECT_THAT(parsed(wide), HasSubstr("more than 1000 names"));
  EXPECT_THAT(parsed(std::string(kMaxYamlFileBytes + 1, ' ')), HasSubstr("at most 1048576 bytes"));
  EXPECT_THAT(parsed("a: \xff\n"), HasSubstr("UTF-8"));
  EXPECT_THAT(parsed("a: 'b\xe2\x80\xa8 c'\n"), HasSubstr("expected no line separators"));
}

}  // namespace
}  // namespace sharestore
