#include "config/ini_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/escape.h"

namespace sharestore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

IniDocument parse(std::string_view text) {
  auto document = IniDocument::parse(text, "tahoe.cfg");
  EXPECT_TRUE(document.has_value()) << document.error().message();
  return document ? std::move(*document) : std::move(*IniDocument::parse("", "failed"));
}

std::string parse_error(std::string_view text) {
  const auto document = IniDocument::parse(text, "tahoe.cfg");
  return document ? "(accepted)" : document.error().message();
}

// The value, or the sentence of the error.
std::string value(const IniDocument& document, std::string_view section, std::string_view key) {
  const auto result = document.get(section, key);
  if (!result) return "error: " + result.error().message();
  return result->value_or("(none)");
}

std::string value(std::string_view text, std::string_view section, std::string_view key) {
  return value(parse(text), section, key);
}

TEST(IniReader, BothDelimitersAndTrimmedValues) {
  const auto document = parse("[a]\nx = 1 \ny:2\nz=\nu : a=b:c \nv= 'q' \n");
  EXPECT_EQ(value(document, "a", "x"), "1");
  EXPECT_EQ(value(document, "a", "y"), "2");
  EXPECT_EQ(value(document, "a", "z"), "");
  EXPECT_EQ(value(document, "a", "u"), "a=b:c");
  EXPECT_EQ(value(document, "a", "v"), "'q'");
  EXPECT_EQ(value(document, "a", "w"), "(none)");
  EXPECT_EQ(value(document, "b", "x"), "(none)");
}

TEST(IniReader, KeysFoldCaseAndSectionsDoNot) {
  const auto document = parse("[Node]\nReveal-IP-Address = false\n[node]\na=1\n");
  EXPECT_THAT(document.sections(), ElementsAre("Node", "node"));
  EXPECT_THAT(document.keys("Node"), ElementsAre("reveal-ip-address"));
}

TEST(IniReader, DottedKeysAreOneName) {
  const auto document = parse("[s]\ns3.url = u\ns3 = v\ns3.url.x = w\n");
  EXPECT_EQ(value(document, "s", "s3.url"), "u");
  EXPECT_EQ(value(document, "s", "s3"), "v");
  EXPECT_EQ(value(document, "s", "s3.url.x"), "w");
}

TEST(IniReader, SectionHeaderIgnoresWhatFollows) {
  const auto document = parse("[a] # comment\nx=1\n[ a ]\nx=2\n  [b]\nx=3\n");
  EXPECT_THAT(document.sections(), ElementsAre("a", " a "));
  // The indented header continues the value before it.
  EXPECT_EQ(value(document, " a ", "x"), "3");
}

TEST(IniReader, CommentsTakeWholeLinesOnly) {
  const auto document = parse("# c\n; c\n[a]\n  # c\nx = 1 # no comment\ny = 2 ; none\n");
  EXPECT_EQ(value(document, "a", "x"), "1 # no comment");
  EXPECT_EQ(value(document, "a", "y"), "2 ; none");
}

TEST(IniReader, IndentedLinesContinueTheValue) {
  const auto document = parse(
      "[a]\n"
      "  first = 1\n"   // indented, but nothing to continue
      "  second = 2\n"  // no deeper than the key before
      "    more\n"
      "\n"
      "  # comment\n"
      "    [b]\n"
      "    third = 3\n"
      "\n"
      "last = 4\n");
  EXPECT_THAT(document.sections(), ElementsAre("a"));
  EXPECT_THAT(document.keys("a"), ElementsAre("first", "second", "last"));
  EXPECT_EQ(value(document, "a", "second"), "2\nmore\n\n[b]\nthird = 3");
  EXPECT_EQ(value(document, "a", "last"), "4");
}

TEST(IniReader, DuplicatesMergeAndTheLastWins) {
  const auto document = parse("[a]\nx=1\ny=1\n[b]\n[a]\nx=2\nX=3\n");
  EXPECT_THAT(document.sections(), ElementsAre("a", "b"));
  EXPECT_EQ(value(document, "a", "x"), "3");
  EXPECT_EQ(value(document, "a", "y"), "1");
  EXPECT_EQ(document.section_line("a"), 1);
  EXPECT_EQ(document.key_line("a", "x"), 7);
}

TEST(IniReader, DefaultsCountInEverySection) {
  const auto document = parse("[a]\nx=1\n[DEFAULT]\nx=0\ny=%(x)s%(x)s\n[b]\n");
  EXPECT_THAT(document.sections(), ElementsAre("a", "b"));
  EXPECT_THAT(document.default_keys(), ElementsAre("x", "y"));
  EXPECT_EQ(value(document, "a", "x"), "1");
  EXPECT_EQ(value(document, "a", "y"), "11");
  EXPECT_EQ(value(document, "b", "x"), "0");
  EXPECT_EQ(value(document, "b", "y"), "00");
  EXPECT_EQ(document.key_line("b", "x"), 4);
  EXPECT_THAT(document.keys("b"), IsEmpty());
}

TEST(IniReader, Interpolation) {
  const auto document = parse(
      "[a]\nhost = h\nurl = http://%(HOST)s/%%7E\nlone = 5%\nopen = %(host\nno_s = %(host)d\n"
      "empty = %()s\nmissing = %(other)s\nloop = %(loop)s\n");
  EXPECT_EQ(value(document, "a", "url"), "http://h/%7E");
  EXPECT_EQ(document.raw("a", "url"), "http://%(HOST)s/%%7E");
  for (const char* key : {"lone", "open", "no_s", "empty"}) {
    EXPECT_THAT(value(document, "a", key), HasSubstr("'%' must be doubled")) << key;
  }
  EXPECT_EQ(value(document, "a", "lone"),
            "error: tahoe.cfg:4: section [a]: key 'lone': '%' must be doubled (%%) or be part of a "
            "reference %(name)s");
  EXPECT_THAT(value(document, "a", "missing"),
              HasSubstr("%(other)s refers to no key of [a] or [DEFAULT]"));
  EXPECT_THAT(value(document, "a", "loop"), HasSubstr("endless"));
}

TEST(IniReader, InterpolationNestsNineDeepAsInPython) {
  std::string text = "[a]\nk0 = end\n";
  for (int i = 1; i <= 10; ++i) {
    text += "k" + std::to_string(i) + " = %(k" + std::to_string(i - 1) + ")s\n";
  }
  EXPECT_EQ(value(text, "a", "k9"), "end");
  EXPECT_THAT(value(text, "a", "k10"), HasSubstr("more than 10 deep"));
}

TEST(IniReader, InterpolationIsBounded) {
  std::string wide = "[a]\nk0 = " + std::string(1000, 'x') + "\n";
  std::string empty = "[a]\nk0 =\n";
  for (int i = 1; i <= 8; ++i) {
    std::string references;
    for (int j = 0; j < 10; ++j) references += "%(k" + std::to_string(i - 1) + ")s";
    wide += "k" + std::to_string(i) + " = " + references + "\n";
    empty += "k" + std::to_string(i) + " = " + references + "\n";
  }
  EXPECT_THAT(value(wide, "a", "k8"), HasSubstr("expected a value of at most 65536 bytes"));
  EXPECT_THAT(value(empty, "a", "k8"), HasSubstr("10000 in all"));
}

TEST(IniReader, LineEndsAndByteOrderMark) {
  const auto document = parse("\xef\xbb\xbf[a]\r\nx = 1\r\n  2\r\n\r\ny = 3\rz = 4");
  EXPECT_EQ(value(document, "a", "x"), "1\n2");
  EXPECT_EQ(value(document, "a", "y"), "3");
  EXPECT_EQ(value(document, "a", "z"), "4");
  EXPECT_EQ(document.key_line("a", "z"), 6);
}

TEST(IniReader, EmptyFiles) {
  EXPECT_THAT(parse("").sections(), IsEmpty());
  EXPECT_THAT(parse("\n# nothing\n\n").sections(), IsEmpty());
}

TEST(IniReader, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(parse_error("\nx = 1\n[a]\n"),
            "tahoe.cfg:2: 'x = 1' stands before the first section; expected a section header such "
            "as [node]");
  EXPECT_EQ(parse_error("[a]\nno delimiter\n"),
            "tahoe.cfg:2: section [a]: 'no delimiter' is neither 'key = value' nor a section "
            "header nor a comment");
  EXPECT_THAT(parse_error("[a]\n= 1\n"), HasSubstr("tahoe.cfg:2: section [a]"));
  EXPECT_THAT(parse_error("[a]\n[b\n"), HasSubstr("tahoe.cfg:2: section [a]: '[b'"));
  EXPECT_THAT(parse_error("[a]\n[]\n"), HasSubstr("tahoe.cfg:2: section [a]: '[]'"));
  EXPECT_EQ(parse_error("[a]\nx = \xff\n"), "tahoe.cfg:2: expected text in UTF-8");
  EXPECT_EQ(parse_error(std::string_view("[a]\nx = \0\n", 10)),
            "tahoe.cfg:2: expected text in UTF-8");
}

TEST(IniReader, RefusesFilesBeyondTheLimit) {
  const std::string most = "[a]\nx=" + std::string(kMaxConfigFileBytes - 6, 'y');
  EXPECT_EQ(parse_error(most), "(accepted)");
  const auto more = IniDocument::parse(most + "y", "tahoe.cfg");
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code(), Errc::too_large);
}

TEST(IniReader, EscapedValuesReadBack) {
  for (const char* text : {"plain", "50%", "%(x)s", "%%", "a = b # c", ""}) {
    const auto escaped = escape_ini_value(text);
    ASSERT_TRUE(escaped.has_value()) << text;
    EXPECT_EQ(value("[a]\nk = " + *escaped + "\n", "a", "k"), text);
  }
  for (const char* text : {"two\nlines", " padded", "padded ", "\x01"}) {
    EXPECT_FALSE(escape_ini_value(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sharestore
