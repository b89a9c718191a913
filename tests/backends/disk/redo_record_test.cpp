// Batches of the redo log: what is written is read back, and nothing else passes for a batch.
#include <gtest/gtest.h>

#include "backends/disk/redo_record.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

const RedoLogId kId{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

RedoBatch two_records() {
  return {7,
          3,
          {{{test_index(1), 5},
            {FileMark{}, FileMark{true, 6, 0x12345678}},
            Bytes::copy_of("content of a share")},
           {{test_index(2), 1ULL << 40}, {}, std::nullopt}}};
}

TEST(RedoRecord, IsReadBack) {
  const RedoBatch batch = two_records();
  const std::string text = encode_redo_batch(kId, batch);
  EXPECT_EQ(text.size() % kRedoBlockBytes, 0u);
  const auto found = decode_redo_batch(kId, as_byte_span(text + "what follows"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->bytes, text.size());
  EXPECT_EQ(found->batch.number, 7u);
  EXPECT_EQ(found->batch.oldest_live, 3u);
  ASSERT_EQ(found->batch.records.size(), 2u);
  EXPECT_EQ(found->batch.records[0].share, batch.records[0].share);
  EXPECT_EQ(found->batch.records[0].before, batch.records[0].before);
  EXPECT_EQ(found->batch.records[0].content->text(), "content of a share");
  EXPECT_EQ(found->batch.records[1].share, batch.records[1].share);
  EXPECT_FALSE(found->batch.records[1].content);
}

TEST(RedoRecord, BatchesTakeWholeBlocks) {
  RedoBatch batch{1, 1, {{{test_index(1), 0}, {}, Bytes::copy_of(std::string(5000, 'x'))}}};
  const std::size_t record_bytes = redo_record_bytes(batch.records[0]);
  EXPECT_EQ(redo_batch_bytes(record_bytes), 2 * kRedoBlockBytes);
  EXPECT_EQ(encode_redo_batch(kId, batch).size(), 2 * kRedoBlockBytes);
  EXPECT_EQ(encode_redo_batch(kId, {2, 1, {}}).size(), kRedoBlockBytes);
}

TEST(RedoRecord, OneChangedBitMakesABatchVoid) {
  const std::string text = encode_redo_batch(kId, two_records());
  std::size_t used = text.find_last_not_of('\0') + 1;
  for (std::size_t at = 0; at < used; ++at) {
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(decode_redo_batch(kId, as_byte_span(damaged))) << at;
  }
  for (std::size_t length = 0; length < used; ++length) {
    EXPECT_FALSE(decode_redo_batch(kId, as_byte_span(text.substr(0, length)))) << length;
  }
}

TEST(RedoRecord, AClientWhoDoesNotKnowTheLogsIdCannotForgeABatch) {
  RedoLogId other = kId;
  other[15] ^= 1;
  EXPECT_FALSE(decode_redo_batch(kId, as_byte_span(encode_redo_batch(other, two_records()))));
}

TEST(RedoRecord, HeadIsReadBack) {
  const std::string block = encode_redo_head({kId, 1 << 20});
  EXPECT_EQ(block.size(), kRedoBlockBytes);
  const auto head = decode_redo_head(as_byte_span(block));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->id, kId);
  EXPECT_EQ(head->log_bytes, 1u << 20);
  for (std::size_t at = 0; at < 50; ++at) {
    std::string damaged = block;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(decode_redo_head(as_byte_span(damaged))) << at;
  }
}

}  // namespace
}  // namespace sharestore
