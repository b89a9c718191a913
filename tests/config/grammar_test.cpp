#include "config/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sharestore {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Grammar, Booleans) {
  for (const char* text : {"1", "yes", "true", "on", "YES", "True", "oN"}) {
    EXPECT_EQ(parse_boolean(text).value(), true) << text;
  }
  for (const char* text : {"0", "no", "false", "off", "NO", "False", "oFF"}) {
    EXPECT_EQ(parse_boolean(text).value(), false) << text;
  }
  for (const char* text : {"", "2", "t", "y", "enabled", "true ", "yes no"}) {
    EXPECT_FALSE(parse_boolean(text).has_value()) << text;
  }
  EXPECT_EQ(parse_boolean("maybe").error().message(),
            "'maybe' is not a boolean; expected true or false (also yes, no, on, off, 1, 0)");
}

struct SizeCase {
  const char* text;
  std::uint64_t bytes;
};

class SizeGrammar : public testing::TestWithParam<SizeCase> {};

TEST_P(SizeGrammar, Accepts) {
  const auto size = parse_size(GetParam().text);
  ASSERT_TRUE(size.has_value()) << size.error().message();
  EXPECT_EQ(*size, GetParam().bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, SizeGrammar,
    testing::Values(SizeCase{"0", 0}, SizeCase{"123", 123}, SizeCase{"1B", 1}, SizeCase{"1i", 1},
                    SizeCase{"1ib", 1}, SizeCase{"1K", 1000}, SizeCase{"1kB", 1000},
                    SizeCase{"1Ki", 1024}, SizeCase{"1kib", 1024}, SizeCase{"1G", 1'000'000'000},
                    SizeCase{"1GiB", 1 << 30}, SizeCase{"2gi", std::uint64_t{2} << 30},
                    SizeCase{"3T", 3'000'000'000'000}, SizeCase{"1P", 1'000'000'000'000'000},
                    SizeCase{"8E", 8'000'000'000'000'000'000}, SizeCase{"100 M", 100'000'000},
                    SizeCase{"1048576 B", 1048576}, SizeCase{" 5 MiB ", 5 << 20},
                    SizeCase{"007", 7}, SizeCase{"7EiB", std::uint64_t{7} << 60},
                    SizeCase{"9223372036854775807", kMaxSizeBytes}));

TEST(Grammar, EmptySizeIsNotSet) {
  EXPECT_EQ(parse_size("").value(), std::nullopt);
  EXPECT_EQ(parse_size("  ").value(), std::nullopt);
}

TEST(Grammar, RefusesOtherSizes) {
  for (const char* text :
       {"K", "-1", "+1", "1.5G", "1 0", "1X", "1KK", "1BK", "1G i", "0x10", "1e3", "1,000", "١"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_THAT(size.error().message(), HasSubstr("is not a size; expected digits")) << text;
  }
  for (const char* text : {"9223372036854775808", "8EiB", "10E", "99999999999999999999999",
                           "18446744073709551617", "18446744073709551615K"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_THAT(size.error().message(), HasSubstr("expected at most 9223372036854775807 bytes"));
  }
}

TEST(Grammar, Durations) {
  EXPECT_EQ(parse_duration("1s").value(), seconds(1));
  EXPECT_EQ(parse_duration("2 second").value(), seconds(2));
  EXPECT_EQ(parse_duration("3 SECONDS").value(), seconds(3));
  EXPECT_EQ(parse_duration("1day").value(), seconds(86'400));
  EXPECT_EQ(parse_duration(" 60 days ").value(), seconds(60 * 86'400));
  for (const char* text : {"2mo", "2 month", "2 months"}) {
    EXPECT_EQ(parse_duration(text).value(), seconds(62 * 86'400)) << text;
  }
  EXPECT_EQ(parse_duration("1 year").value(), seconds(365 * 86'400));
  EXPECT_EQ(parse_duration("1000 years").value(), kMaxDuration);
  for (const char* text :
       {"", "60", "days", "1 week", "2 hours", "1.5 days", "-1 day", "1 d", "1 day 2"}) {
    EXPECT_THAT(parse_duration(text).error().message(), HasSubstr("is not a duration; expected"))
        << text;
  }
  for (const char* text : {"1001 years", "99999999999999999999 s", "18446744073709551615 days"}) {
    EXPECT_THAT(parse_duration(text).error().message(), HasSubstr("at most 1000 years")) << text;
  }
}

TEST(Grammar, Dates) {
  EXPECT_EQ(parse_date("1970-01-01").value().time_since_epoch(), seconds(0));
  EXPECT_EQ(parse_date("2026-01-31").value().time_since_epoch(), seconds(1'769'817'600));
  EXPECT_EQ(parse_date("2024-02-29").value().time_since_epoch(), seconds(1'709'164'800));
  for (const char* text : {"", "2026-1-31", "2026-02-29", "2026-13-01", "31-01-2026",
                           "2026-01-31T00", "2026/01/31", "20a6-01-31", "-026-01-31"}) {
    EXPECT_THAT(parse_date(text).error().message(), HasSubstr("expected YYYY-MM-DD")) << text;
  }
}

TEST(Grammar, Numbers) {
  EXPECT_EQ(parse_number("1", 1, 10).value(), 1U);
  EXPECT_EQ(parse_number("10", 1, 10).value(), 10U);
  for (const char* text : {"", "0", "11", "-1", "+1", "1 ", "0x1", "99999999999999999999"}) {
    EXPECT_THAT(parse_number(text, 1, 10).error().message(),
                HasSubstr("expected a whole number from 1 to 10"))
        << text;
  }
}

}  // namespace
}  // namespace sharestore
