// Shares as the earlier Python node kept them in a bucket (spec: cloud backends, section 2).
#include "backends/share_file/layout.h"
#include "tests/backends/object/object_fixture.h"

namespace sharestore {
namespace {

// The chunks are small here; their size is what the first one has.
constexpr std::size_t kChunk = 40'000;

std::string immutable_file(const std::string& data) {
  return put_u32(1) + put_u32(0) + put_u32(0) + data;
}
// As that program writes it: the offset of extra leases is never set anew.
std::string mutable_file(const std::string& data) {
  std::string header =
      encode_mutable_header(1, {}, std::string(32, 'W'), data.size(), kMutableDataOffset);
  return header + data + put_u32(0);
}

class OlderLayout : public ObjectTest {
 protected:
  void put_chunks(ShareId share, const std::string& file) {
    put_object(keys_.share(share), file.substr(0, kChunk));
    for (std::size_t chunk = 1; chunk * kChunk < file.size(); ++chunk) {
      put_object(chunk_key(share, chunk), file.substr(chunk * kChunk, kChunk));
    }
  }
  std::string chunk_key(ShareId share, std::size_t chunk) {
    return keys_.share(share) + "." + std::to_string(chunk);
  }
};

TEST_F(OlderLayout, SharesOfEverySizeAreWhole) {
  for (const std::size_t bytes :
       {1ul, 100ul, kChunk - 13, kChunk - 12, kChunk - 11, 2 * kChunk - 12, 13 * kChunk + 777}) {
    const std::string data = pattern_text(bytes);
    put_chunks(kOne, immutable_file(data));
    EXPECT_EQ(content(kOne), data) << bytes;
    const auto listed = run(backend_->list(context(), kOne.storage_index, {}));
    ASSERT_TRUE(listed && listed->size() == 1);
    EXPECT_EQ((*listed)[0].data_bytes, bytes);
    EXPECT_EQ((*listed)[0].stored_bytes, bytes + 12);
    for (const std::string& key : keys_below(keys_.shares_of(kOne.storage_index))) {
      ASSERT_TRUE(run(container_->remove(context(), key)));
    }
  }
}

TEST_F(OlderLayout, W2_TheChunksOfShareTenAreNotThoseOfShareOne) {
  const std::string one = pattern_text(3 * kChunk, 1);
  const std::string ten = pattern_text(15 * kChunk, 2);
  put_chunks(kTen, immutable_file(ten));
  put_chunks(kOne, immutable_file(one));
  EXPECT_EQ(content(kOne), one);
  EXPECT_EQ(content(kTen), ten);
  EXPECT_EQ(numbers(kOne.storage_index), (std::vector<ShareNumber>{1, 10}));
}

TEST_F(OlderLayout, W36_AnEmptyLastChunkIsNoMatter) {
  const std::string data = pattern_text(2 * kChunk - 12);
  put_chunks(kOne, immutable_file(data));
  put_object(chunk_key(kOne, 2), "");
  EXPECT_EQ(content(kOne), data);
}

TEST_F(OlderLayout, W1_AShareWithAGapIsDamagedNotShort) {
  const std::string file = immutable_file(pattern_text(5 * kChunk));
  put_chunks(kOne, file);
  ASSERT_TRUE(run(container_->remove(context(), chunk_key(kOne, 2))));
  EXPECT_EQ(content(kOne), "<corrupt>");
  put_chunks(kOne, file);
  put_object(chunk_key(kOne, 2), "short");
  EXPECT_EQ(content(kOne), "<corrupt>");
  put_object(chunk_key(kOne, 2), std::string(kChunk + 1, 'x'));
  EXPECT_EQ(content(kOne), "<corrupt>");
}

TEST_F(OlderLayout, W14_MutableSharesAreReadAndNotWritten) {
  for (const std::size_t bytes : {10ul, kChunk - 472, kChunk, 4 * kChunk + 5}) {
    const std::string data = pattern_text(bytes);
    put_chunks(kOne, mutable_file(data));
    EXPECT_EQ(content(kOne), data) << bytes;
    const auto written = write(kOne, "changed");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), Errc::forbidden);
    EXPECT_EQ(content(kOne), data);
    for (const std::string& key : keys_below(keys_.shares_of(kOne.storage_index))) {
      ASSERT_TRUE(run(container_->remove(context(), key)));
    }
  }
}

TEST_F(OlderLayout, AMutableShareCutShortIsDamaged) {
  put_chunks(kOne, mutable_file(pattern_text(3 * kChunk)));
  ASSERT_TRUE(run(container_->remove(context(), chunk_key(kOne, 3))));
  EXPECT_EQ(content(kOne), "<corrupt>");
}

TEST_F(OlderLayout, OtherSharesPayNoListing) {
  ASSERT_TRUE(upload(kOne, pattern_text(100'000)));
  ASSERT_TRUE(write({test_index(2), 0}, pattern_text(100'000)));
  // A version 1 share file of a disk node, with its length and a lease.
  put_object(keys_.share({test_index(3), 0}),
             encode_immutable_header(1, 5, 1) + "bytes" + std::string(72, 'l'));
  faults_->forget_calls();
  EXPECT_EQ(content(kOne).size(), 100'000u);
  EXPECT_EQ(content({test_index(2), 0}).size(), 100'000u);
  EXPECT_EQ(content({test_index(3), 0}), "bytes");
  EXPECT_EQ(faults_->count("list"), 0u);
}

}  // namespace
}  // namespace sharestore
