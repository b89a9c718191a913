// Intents and redo records: round trips, and no damage goes unseen.
#include "backends/disk/intent.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "backends/disk/crc32c.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

TEST(Crc32c, HasTheKnownValues) {
  EXPECT_EQ(crc32c(as_byte_span("")), 0u);
  EXPECT_EQ(crc32c(as_byte_span("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(as_byte_span(std::string(32, '\0'))), 0x8a9136aau);
  const std::string text = pattern_text(1000);
  EXPECT_EQ(crc32c(as_byte_span(text.substr(333)), crc32c(as_byte_span(text.substr(0, 333)))),
            crc32c(as_byte_span(text)));
}

TEST(Intent, ComesBackAsItWas) {
  const std::vector<IntentAction> actions{
      {IntentAction::Kind::move, 3, "name.3.1"},
      {IntentAction::Kind::remove, ~ShareNumber{0}, ""},
      {IntentAction::Kind::redo_inline, 0, std::string("\0binary\xff", 8)}};
  const std::string body = encode_intent(actions);
  EXPECT_TRUE(is_disk_intent(body));
  const auto back = decode_intent(body);
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*back)[i].kind, actions[i].kind);
    EXPECT_EQ((*back)[i].number, actions[i].number);
    EXPECT_EQ((*back)[i].detail, actions[i].detail);
  }
  EXPECT_FALSE(is_disk_intent("s3 something"));
  for (std::size_t cut = 6; cut < body.size(); ++cut) {
    const auto short_one = decode_intent(body.substr(0, cut));
    if (short_one) {
      EXPECT_LT(short_one->size(), 3u);
    }
  }
}

class Redo : public testing::Test {
 protected:
  Redo() {
    write_file(directory_ / "target", std::string(100, 'o'));
    auto file = File::open(system_files(), directory_ / "target", O_RDWR, "target");
    EXPECT_TRUE(file);
    target_ = std::move(*file);
    edits_ = {{10, 5, text_source("12345"), 0},
              {90, 20, nullptr, 0},
              {120, 3, text_source("xxabcxx"), 2}};
    EXPECT_TRUE(write_redo(edits_, 130, [this](ByteSpan bytes) {
      record_.append(as_text(bytes));
      return Status{};
    }));
  }
  Status apply(const std::string& record) {
    const ReadAt read = [&](std::uint64_t offset, MutableByteSpan into) -> Status {
      if (offset > record.size() || into.size() > record.size() - offset) {
        return fail(Errc::corrupt, "the record ends");
      }
      std::copy_n(as_byte_span(record).begin() + static_cast<std::ptrdiff_t>(offset), into.size(),
                  into.begin());
      return {};
    };
    return apply_redo(read, record.size(), target_);
  }

  TempDir directory_;
  File target_;
  std::vector<FileEdit> edits_;
  std::string record_;
};

TEST_F(Redo, MayBeRepeated) {
  std::string expected = std::string(10, 'o') + "12345" + std::string(75, 'o');
  expected += std::string(30, '\0') + "abc" + std::string(7, '\0');
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(apply(record_));
    EXPECT_EQ(read_file(directory_ / "target"), expected);
  }
}

TEST_F(Redo, IsRefusedWholeWhenDamagedAnywhere) {
  for (std::size_t at = 0; at < record_.size(); ++at) {
    std::string damaged = record_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    EXPECT_FALSE(apply(damaged)) << at;
    EXPECT_FALSE(apply(record_.substr(0, at))) << at;
  }
  EXPECT_EQ(read_file(directory_ / "target"), std::string(100, 'o'));
}

}  // namespace
}  // namespace sharestore
