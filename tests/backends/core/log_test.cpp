#include "backends/core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

namespace sharestore {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

// What `write` puts on standard error.
template <class Write>
std::string captured(Write write) {
  testing::internal::CaptureStderr();
  write();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, BeforeItsStartWarningsAreWrittenAtOnce) {
  EXPECT_THAT(captured([] { log::warning("{} of {}", 1, "two"); }),
              EndsWith("warning: 1 of two\n"));
  EXPECT_EQ(captured([] { log::info("not shown"); }), "");
}

TEST(Log, LinesOfTheLevelAndAboveAreWritten) {
  const std::string text = captured([] {
    log::start(log::Level::info);
    log::debug("hidden");
    log::info("shown");
    log::set_level(log::Level::debug);
    log::debug("now shown");
    spdlog::debug("of a library");
    log::set_level(log::Level::warning);
    log::info("hidden again");
    log::stop();
  });
  EXPECT_THAT(text, HasSubstr("info: shown\n"));
  EXPECT_THAT(text, HasSubstr("debug: now shown\n"));
  EXPECT_THAT(text, HasSubstr("debug: of a library\n"));
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
}

TEST(Log, NothingAPeerSendsCanForgeALine) {
  const std::string text =
      captured([] { log::warning("path {}", "/a\r\n2026 info: all is well\x1b[2J\x7f"); });
  EXPECT_THAT(text, HasSubstr("path /a\\x0d\\x0a2026 info: all is well\\x1b[2J\\x7f\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Log, LongLinesAreCut) {
  const std::string text = captured([] { log::warning("{}", std::string(100000, 'x')); });
  EXPECT_LT(text.size(), log::kMaxLineBytes + 100);
  EXPECT_THAT(text, EndsWith(" […]\n"));
}

TEST(Log, LevelsHaveNames) {
  for (const auto level : {log::Level::trace, log::Level::debug, log::Level::info,
                           log::Level::warning, log::Level::error}) {
    EXPECT_EQ(log::parse_level(log::to_string(level)), level);
  }
  EXPECT_EQ(log::parse_level("loud"), std::nullopt);
}

}  // namespace
}  // namespace sharestore
