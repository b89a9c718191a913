#include <gtest/gtest.h>

#include <array>
#include <string>

#include "backends/core/base32.h"
#include "backends/core/storage_index.h"

namespace sharestore {
namespace {

TEST(StorageIndexText, TheLastCharacterMayCarrySpareBits) {
  const auto canonical = StorageIndex::from_text("u5vgfpug7qhkxdtj76tcfh6bma");
  ASSERT_TRUE(canonical);
  EXPECT_EQ(canonical->to_text(), "u5vgfpug7qhkxdtj76tcfh6bma");
  EXPECT_EQ(StorageIndex::from_text("u5vgfpug7qhkxdtj76tcfh6bmc"), canonical);
  EXPECT_FALSE(StorageIndex::from_text("u5vgfpug7qhkxdtj76tcfh6bmb"));
  EXPECT_NE(StorageIndex::from_text("u5vgfpug7qhkxdtj76tcfh6bme"), canonical);
}

TEST(StorageIndexText, NothingElseIsOne) {
  for (const std::string text :
       {"", "u5vgfpug7qhkxdtj76tcfh6bm", "u5vgfpug7qhkxdtj76tcfh6bmaa",
        "U5vgfpug7qhkxdtj76tcfh6bma", "u5vgfpug7qhkxdtj76tcfh6b1a", "u5vgfpug7qhkxdtj76tcfh6bm="}) {
    EXPECT_FALSE(StorageIndex::from_text(text)) << text;
  }
}

TEST(Base32, DecodesIntoMemoryOfExactlyTheSize) {
  std::array<unsigned char, 3> bytes{};
  EXPECT_TRUE(base32_decode("mfrgg", bytes));
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "abc");
  EXPECT_EQ(base32_decode("mfrgg"), "abc");
  std::array<unsigned char, 2> short_of_one{};
  EXPECT_FALSE(base32_decode("mfrgg", short_of_one));
  EXPECT_FALSE(base32_decode("mfrgh", bytes)) << "spare bits";
}

}  // namespace
}  // namespace sharestore
