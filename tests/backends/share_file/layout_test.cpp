// What a share file's bytes tell, against the worked examples, and every kind of damage.
#include "backends/share_file/layout.h"

#include <gtest/gtest.h>

#include "backends/share_file/leases.h"
#include "tests/backends/share_file/share_file_fixtures.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

ReadAt reader_of(const std::string& file) {
  return [&file](std::uint64_t offset, MutableByteSpan into) -> Status {
    if (offset > file.size() || into.size() > file.size() - offset) {
      return fail(Errc::corrupt, "read past the end");
    }
    std::memcpy(into.data(), &file[offset], into.size());
    return {};
  };
}

Result<ShareHeader> header_of(const std::string& file) {
  return load_share_header(reader_of(file), file.size());
}

void expect_damaged(const std::string& file, std::string_view word) {
  const auto header = header_of(file);
  ASSERT_FALSE(header) << file.size();
  EXPECT_EQ(header.error().code(), Errc::corrupt);
  EXPECT_NE(header.error().message().find(word), std::string::npos) << header.error().message();
}

class BothVersions : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Containers, BothVersions, testing::Values(1, 2));

TEST_P(BothVersions, ReadsTheImmutableExample) {
  const std::string file = immutable_example(GetParam());
  ASSERT_EQ(file.size(), 161u);
  const auto header = header_of(file);
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header->kind, ShareKind::immutable);
  EXPECT_EQ(header->version, GetParam());
  EXPECT_EQ(header->data_bytes, 5u);
  EXPECT_EQ(header->lease_count, 2u);
  EXPECT_EQ(header->trailing_bytes, 0u);
  const auto leases = load_leases(reader_of(file), *header);
  ASSERT_TRUE(leases);
  EXPECT_EQ(*leases, (Leases{letter_lease('R', 'C', 1700000000, 0).lease,
                             letter_lease('r', 'c', 1700000001, 1).lease}));
}

TEST_P(BothVersions, ReadsTheMutableExample) {
  const std::string file = mutable_example(GetParam());
  ASSERT_EQ(file.size(), 476u);
  const auto header = header_of(file);
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header->kind, ShareKind::mutable_slot);
  EXPECT_EQ(header->version, GetParam());
  EXPECT_EQ(header->data_offset, 468u);
  EXPECT_EQ(header->data_bytes, 4u);
  EXPECT_EQ(header->enabler_digest, blake2b_256(std::string(32, 'W')));
  const auto leases = load_leases(reader_of(file), *header);
  ASSERT_TRUE(leases);
  EXPECT_EQ(*leases, Leases{letter_lease('R', 'C', 1700000000).lease});
  const ShareInfo info = to_share_info(7, *header);
  EXPECT_EQ(info.number, 7u);
  EXPECT_EQ(info.stored_bytes, 476u);
  EXPECT_EQ(info.enabler_digest, header->enabler_digest);
}

TEST(Layout, WritesTheImmutableExample) {
  EXPECT_EQ(encode_immutable_header(2, 5, 2) + "hello" +
                encode_immutable_leases({letter_lease('R', 'C', 1700000000, 0).lease,
                                         letter_lease('r', 'c', 1700000001, 1).lease}),
            immutable_example(2));
  EXPECT_EQ(immutable_file_bytes(5, 2), 161u);
}

TEST(Layout, SaturatesTheLengthFieldFromFourGibibytes) {
  const std::uint64_t size = (std::uint64_t{1} << 32) + 5;
  const std::string start = encode_immutable_header(2, size, 0);
  EXPECT_EQ(start, from_hex("00000002 ffffffff 00000000"));
  const auto header = parse_share_header(as_byte_span(start), size + 12);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->data_bytes, size);
  EXPECT_EQ(header->trailing_bytes, 0u);
  // The same header over a file that is too short for it.
  EXPECT_FALSE(parse_share_header(as_byte_span(start), 1000));
}

TEST(Layout, TakesALengthModuloTwoToThe32) {
  const std::uint64_t size = (std::uint64_t{1} << 32) + 5;
  const std::string start = from_hex("00000001 00000005 00000000");
  const auto header = parse_share_header(as_byte_span(start), size + 12);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->data_bytes, size);
}

TEST(Layout, SeesAnAppendThatWasNotCounted) {
  for (const std::size_t extra : {1u, 71u, 72u}) {
    const std::string file = immutable_example(2) + std::string(extra, 'x');
    const auto header = header_of(file);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->data_bytes, 5u);
    EXPECT_EQ(header->lease_offset, 17u);
    EXPECT_EQ(header->trailing_bytes, extra);
    EXPECT_EQ(load_leases(reader_of(file), *header)->size(), 2u);
  }
}

TEST(Layout, FindsEveryTruncationOfTheExamples) {
  for (const int version : {1, 2}) {
    for (const std::string& whole : {immutable_example(version), mutable_example(version)}) {
      for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string file = whole.substr(0, size);
        const auto header = header_of(file);
        EXPECT_FALSE(header) << version << " cut to " << size;
      }
    }
  }
}

TEST(Layout, SaysWhatIsWrong) {
  expect_damaged("", "empty");
  expect_damaged("ab", "truncated");
  expect_damaged("this is no share file at all", "not a share file");
  expect_damaged(from_hex("00000003 00000000 00000000"), "not a share file");
  expect_damaged(from_hex("00000002 00000000 00000001"), "truncated");
  std::string unknown = mutable_example(2);
  unknown[25] = '3';
  expect_damaged(unknown, "unknown version");
  std::string bad_tail = mutable_example(2);
  bad_tail[31] ^= 1;
  expect_damaged(bad_tail, "damaged magic");
}

TEST(Layout, RefusesMutableLengthsThatCannotBe) {
  const auto with = [](std::size_t at, std::uint64_t value) {
    std::string file = mutable_example(2);
    return file.replace(at, 8, put_u64(value));
  };
  expect_damaged(with(kMutableLengthOffset, 5), "damaged header");
  expect_damaged(with(kMutableLengthOffset, ~std::uint64_t{0}), "damaged header");
  expect_damaged(with(kMutableExtraOffsetOffset, 467), "inside the header");
  expect_damaged(with(kMutableExtraOffsetOffset, 473), "truncated");
  expect_damaged(with(kMutableExtraOffsetOffset, ~std::uint64_t{0}), "truncated");
  std::string many = mutable_example(2);
  many.replace(472, 4, put_u32(1));
  expect_damaged(many, "extra leases");
  many.replace(472, 4, put_u32(0xffffffff));
  expect_damaged(many, "extra leases");
}

}  // namespace
}  // namespace sharestore
