#include "storage_server/protocol/cbor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace sharestore {
namespace {

using Kind = CborToken::Kind;

constexpr CborLimits kWide = {
    .max_depth = 16, .max_items = 1000, .max_text_bytes = 100, .max_byte_string_bytes = 1000};

std::string unhex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string name_of(const CborToken& token) {
  switch (token.kind) {
    case Kind::need_more: return "more";
    case Kind::end: return "end";
    case Kind::unsigned_int: return std::to_string(token.value);
    case Kind::negative_int: return "-1-" + std::to_string(token.value);
    case Kind::text: return "'" + std::string(token.text) + "'";
    case Kind::bytes_begin:
      return token.length ? "<" + std::to_string(*token.length) : std::string("<");
    case Kind::bytes_piece: return std::string(as_text(token.piece));
    case Kind::bytes_end: return ">";
    case Kind::array_begin: return "[";
    case Kind::map_begin: return "{";
    case Kind::container_end: return ".";
    case Kind::tag: return "#" + std::to_string(token.value);
    case Kind::boolean: return token.value == 1 ? "true" : "false";
    case Kind::null: return "null";
    case Kind::other: return "other";
  }
  return "?";
}

// The tokens of `input` fed in pieces of `piece_bytes`, in words; adjacent byte pieces are joined.
// An error ends it: "!invalid_argument".
std::string tokens(std::string_view input, CborLimits limits = kWide,
                   std::size_t piece_bytes = 1000) {
  CborDecoder decoder(limits);
  std::string words;
  std::size_t fed = 0;
  bool in_piece = false;
  for (;;) {
    const auto token = decoder.next();
    if (!token) return words + " !" + std::string(to_string(token.error().code()));
    if (token->kind == Kind::need_more || (token->kind == Kind::end && fed < input.size())) {
      if (fed == input.size()) return words + " more";
      const std::string_view piece = input.substr(fed, piece_bytes);
      fed += piece.size();
      decoder.feed(as_byte_span(piece));
      continue;
    }
    const bool is_piece = token->kind == Kind::bytes_piece;
    if (!words.empty() && !(is_piece && in_piece)) words += ' ';
    in_piece = is_piece;
    words += name_of(*token);
    if (token->kind == Kind::end) return words;
  }
}

std::string hex_tokens(std::string_view hex, CborLimits limits = kWide) {
  const std::string input = unhex(hex);
  const std::string whole = tokens(input, limits);
  // However the input is cut, the meaning is the same.
  EXPECT_EQ(tokens(input, limits, 1), whole) << hex;
  EXPECT_EQ(tokens(input, limits, 3), whole) << hex;
  return whole;
}

std::string written(auto write) {
  std::vector<std::byte> out;
  CborWriter writer(out);
  write(writer);
  return std::string(as_text(out));
}

TEST(CborWriter, WritesIntegersInTheirShortestForm) {
  const auto uint = [](std::uint64_t n) { return written([n](CborWriter& w) { w.uint(n); }); };
  EXPECT_EQ(uint(0), unhex("00"));
  EXPECT_EQ(uint(23), unhex("17"));
  EXPECT_EQ(uint(24), unhex("1818"));
  EXPECT_EQ(uint(255), unhex("18ff"));
  EXPECT_EQ(uint(256), unhex("190100"));
  EXPECT_EQ(uint(65535), unhex("19ffff"));
  EXPECT_EQ(uint(65536), unhex("1a00010000"));
  EXPECT_EQ(uint(4294967295U), unhex("1affffffff"));
  EXPECT_EQ(uint(4294967296U), unhex("1b0000000100000000"));
  EXPECT_EQ(uint(std::numeric_limits<std::uint64_t>::max()), unhex("1bffffffffffffffff"));
}

TEST(CborWriter, WritesEveryKind) {
  EXPECT_EQ(written([](CborWriter& w) {
              w.map(2);
              w.text("a");
              w.set(1);
              w.uint(7);
              w.bytes("xy");
              w.array(3);
              w.boolean(true);
              w.boolean(false);
              w.null();
            }),
            unhex("a26161d901028107427879"
                  "83f5f4f6"));
}

TEST(CborDecoder, ReadsEveryKind) {
  EXPECT_EQ(hex_tokens("00"), "0 end");
  EXPECT_EQ(hex_tokens("1bffffffffffffffff"), "18446744073709551615 end");
  EXPECT_EQ(hex_tokens("1b0000000000000005"), "5 end");  // longer than needed
  EXPECT_EQ(hex_tokens("3903e7"), "-1-999 end");
  EXPECT_EQ(hex_tokens("6449455446"), "'IETF' end");
  EXPECT_EQ(hex_tokens("60"), "'' end");
  EXPECT_EQ(hex_tokens("4449455446"), "<4 IETF > end");
  EXPECT_EQ(hex_tokens("40"), "<0 > end");
  EXPECT_EQ(hex_tokens("83010203"), "[ 1 2 3 . end");
  EXPECT_EQ(hex_tokens("80"), "[ . end");
  EXPECT_EQ(hex_tokens("a0"), "{ . end");
  EXPECT_EQ(hex_tokens("a26161016162820203"), "{ 'a' 1 'b' [ 2 3 . . end");
  EXPECT_EQ(hex_tokens("d901028107"), "#258 [ 7 . end");
  EXPECT_EQ(hex_tokens("82c101c202"), "[ #1 1 #2 2 . end");
  EXPECT_EQ(hex_tokens("83f4f5f6"), "[ false true null . end");
  EXPECT_EQ(hex_tokens("84f7f93c00fb3ff199999999999af8ff"), "[ other other other other . end");
}

TEST(CborDecoder, ReadsIndefiniteLengths) {
  EXPECT_EQ(hex_tokens("9fff"), "[ . end");
  EXPECT_EQ(hex_tokens("9f018202039f0405ffff"), "[ 1 [ 2 3 . [ 4 5 . . end");
  EXPECT_EQ(hex_tokens("bf6161019fff02ff"), "{ 'a' 1 [ . 2 . end");
  EXPECT_EQ(hex_tokens("5f42010243030405ff"), "< \x01\x02\x03\x04\x05 > end");
  EXPECT_EQ(hex_tokens("5fff"), "< > end");
  EXPECT_EQ(hex_tokens("5f40ff"), "< > end");
  EXPECT_EQ(hex_tokens("7f657374726561646d696e67ff"), "'streaming' end");
  EXPECT_EQ(hex_tokens("7fff"), "'' end");
}

TEST(CborDecoder, RefusesWhatIsNotCbor) {
  for (const char* hex :
       {"1c",           "1d",       "1e",       "3c",         "5c",
        "7c",           "9c",       "bc",       "dc",         "fc",  // reserved
        "1f",           "3f",       "df",    // no indefinite integers and tags
        "ff",           "81ff",     "c1ff",  // break where no container is open
        "bf01ff",                            // key without a value
        "f818",                              // simple value in the long form
        "5f6161ff",     "7f4161ff",          // chunk of the other kind
        "5f5f4101ffff",                      // chunk of chunks
        "61ff",         "62c080",   "63eda080", "64f4908080", "7f61c3",  // not UTF-8
        "7f61c361a9ff"}) {  // a character cut between chunks
    EXPECT_THAT(hex_tokens(hex), testing::EndsWith("!invalid_argument")) << hex;
  }
}

TEST(CborDecoder, RefusesBytesAfterTheItem) {
  EXPECT_EQ(hex_tokens("0000"), "0 !invalid_argument");
  EXPECT_EQ(hex_tokens("a000"), "{ . !invalid_argument");
}

TEST(CborDecoder, AsksForMoreWhereTheInputEnds) {
  for (const char* hex : {"", "18", "1b00", "82", "8201", "a1", "a101", "42", "4201", "6261", "5f",
                          "5f4101", "c1", "9f", "bf01"}) {
    EXPECT_THAT(hex_tokens(hex), testing::EndsWith("more")) << hex;
  }
  CborReader reader({}, kWide);
  EXPECT_FALSE(reader.next());
}

TEST(CborDecoder, RefusesHugeLengthsAtOnce) {
  EXPECT_EQ(hex_tokens("9bffffffffffffffff"), " !invalid_argument");
  EXPECT_EQ(hex_tokens("bbffffffffffffffff"), " !invalid_argument");
  EXPECT_EQ(hex_tokens("bb8000000000000000"), " !invalid_argument");  // twice that is 0
  EXPECT_EQ(hex_tokens("7bffffffffffffffff"), " !invalid_argument");
  EXPECT_EQ(hex_tokens("5bffffffffffffffff"), " !too_large");
  EXPECT_EQ(hex_tokens("5f41005bfffffffffffffffeff"), "< " + std::string(1, '\0') + " !too_large");
}

TEST(CborDecoder, KeepsItsLimits) {
  const CborLimits limits = {
      .max_depth = 2, .max_items = 2, .max_text_bytes = 2, .max_byte_string_bytes = 2};
  EXPECT_EQ(hex_tokens("828080", limits), "[ [ . [ . . end");
  EXPECT_EQ(hex_tokens("818180", limits), "[ [ !invalid_argument");
  EXPECT_EQ(hex_tokens("81c180", limits), "[ #1 !invalid_argument");  // a tag nests too
  EXPECT_EQ(hex_tokens("83010203", limits), " !invalid_argument");
  EXPECT_EQ(hex_tokens("9f010203ff", limits), "[ 1 2 !invalid_argument");
  EXPECT_EQ(hex_tokens("bf0102030405ff", limits), "{ 1 2 3 4 !invalid_argument");
  EXPECT_EQ(hex_tokens("626161", limits), "'aa' end");
  EXPECT_EQ(hex_tokens("63616161", limits), " !invalid_argument");
  EXPECT_EQ(hex_tokens("7f6161626161ff", limits), " !invalid_argument");
  EXPECT_EQ(hex_tokens("426161", limits), "<2 aa > end");
  EXPECT_EQ(hex_tokens("43616161", limits), " !too_large");
  EXPECT_EQ(hex_tokens("5f4161426161ff", limits), "< a !too_large");
}

TEST(CborDecoder, RefusesEndlessEmptyChunks) {
  EXPECT_EQ(tokens("\x5f" + std::string(1024, '\x40') + "\xff"), "< > end");
  EXPECT_EQ(tokens("\x5f" + std::string(1025, '\x40') + "\xff"), "< !invalid_argument");
  EXPECT_EQ(tokens("\x7f" + std::string(1025, '\x60') + "\xff"), " !invalid_argument");
}

TEST(CborDecoder, ReadsALongChunkedTextWithoutNesting) {
  std::string input = "\x7f";
  for (int i = 0; i < 30000; ++i) input += "\x61g";
  input += '\xff';
  CborLimits limits = kWide;
  limits.max_text_bytes = 30000;
  EXPECT_EQ(tokens(input, limits, 4096), "'" + std::string(30000, 'g') + "' end");
}

TEST(CborDecoder, StaysFailed) {
  CborDecoder decoder(kWide);
  const std::string bad = unhex("ff00");
  decoder.feed(as_byte_span(bad));
  EXPECT_FALSE(decoder.next());
  EXPECT_FALSE(decoder.next());
}

}  // namespace
}  // namespace sharestore
