#include "backends/disk/redo_record.h"

#include <algorithm>
#include <string_view>

#include "backends/disk/crc32c.h"

namespace sharestore {
namespace {

constexpr std::string_view kBatchMagic = "ssredo1\n";
constexpr std::string_view kHeadMagic = "sharestore redo log 1\n";
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kBatchHeadBytes = kBatchMagic.size() + 16 + 8 + 8 + 4 + kCrcBytes;
constexpr std::size_t kCrcOffset = kBatchHeadBytes - kCrcBytes;
constexpr std::size_t kRecordHeadBytes = StorageIndex::kBytes + 8 + 1 + 1 + 4;
constexpr std::size_t kMarkBytes = 1 + 8 + 4;

std::string_view view_of(const RedoLogId& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

std::uint32_t crc_of_batch(std::string_view batch) {
  const std::uint32_t head = crc32c(as_byte_span(batch.substr(0, kCrcOffset)));
  return crc32c(as_byte_span(batch.substr(kBatchHeadBytes)), head);
}

void append_record(const RedoRecord& record, std::string& to) {
  to.append(record.share.storage_index.byte_view()).append(put_u64(record.share.number));
  to.push_back(static_cast<char>(record.before.size()));
  to.push_back(record.content ? 1 : 0);
  to.append(put_u32(record.content ? static_cast<std::uint32_t>(record.content->size()) : 0));
  for (const FileMark& mark : record.before) {
    to.push_back(mark.there ? 1 : 0);
    to.append(put_u64(mark.data_bytes)).append(put_u32(mark.data_crc));
  }
  if (record.content) to.append(record.content->text());
}

// Takes one record off the front of `text`; false if that is not one.
bool take_record(std::string_view& text, RedoRecord& record) {
  if (text.size() < kRecordHeadBytes) return false;
  const auto index = StorageIndex::from_bytes(text.substr(0, StorageIndex::kBytes));
  const char* at = text.data() + StorageIndex::kBytes;
  const std::size_t marks = static_cast<unsigned char>(at[8]);
  const bool has_content = at[9] != 0;
  const std::size_t content_bytes = get_u32(at + 10);
  if (!index || text.size() < kRecordHeadBytes + marks * kMarkBytes + content_bytes) return false;
  record.share = {*index, get_u64(at)};
  text.remove_prefix(kRecordHeadBytes);
  for (std::size_t i = 0; i < marks; ++i, text.remove_prefix(kMarkBytes)) {
    record.before.push_back({text[0] != 0, get_u64(&text[1]), get_u32(&text[9])});
  }
  if (has_content) record.content = Bytes::copy_of(text.substr(0, content_bytes));
  text.remove_prefix(content_bytes);
  return true;
}

}  // namespace

FileMark mark_of(const ShareHeader& header, ByteSpan file) {
  return {true, header.data_bytes, crc32c(file.subspan(header.data_offset, header.data_bytes))};
}

std::size_t redo_record_bytes(const RedoRecord& record) {
  return kRecordHeadBytes + record.before.size() * kMarkBytes +
         (record.content ? record.content->size() : 0);
}

std::size_t redo_batch_bytes(std::size_t record_bytes) {
  const std::size_t bytes = kBatchHeadBytes + record_bytes;
  return (bytes + kRedoBlockBytes - 1) / kRedoBlockBytes * kRedoBlockBytes;
}

std::string encode_redo_batch(const RedoLogId& id, const RedoBatch& batch) {
  std::size_t record_bytes = 0;
  for (const RedoRecord& record : batch.records) record_bytes += redo_record_bytes(record);
  const std::size_t whole_bytes = redo_batch_bytes(record_bytes);
  std::string text;
  text.reserve(whole_bytes);
  text.append(kBatchMagic).append(view_of(id));
  text.append(put_u64(batch.number)).append(put_u64(batch.oldest_live));
  text.append(put_u32(static_cast<std::uint32_t>(record_bytes))).append(kCrcBytes, '\0');
  for (const RedoRecord& record : batch.records) append_record(record, text);
  text.replace(kCrcOffset, kCrcBytes, put_u32(crc_of_batch(text)));
  text.resize(whole_bytes, '\0');
  return text;
}

std::optional<FoundRedoBatch> decode_redo_batch(const RedoLogId& id, ByteSpan bytes) {
  std::string_view text = as_text(bytes);
  if (text.size() < kBatchHeadBytes || !text.starts_with(kBatchMagic)) return std::nullopt;
  if (text.substr(kBatchMagic.size(), id.size()) != view_of(id)) return std::nullopt;
  const char* numbers = text.data() + kBatchMagic.size() + id.size();
  const std::size_t record_bytes = get_u32(numbers + 16);
  if (record_bytes > text.size() - kBatchHeadBytes) return std::nullopt;
  text = text.substr(0, kBatchHeadBytes + record_bytes);
  if (get_u32(&text[kCrcOffset]) != crc_of_batch(text)) return std::nullopt;
  FoundRedoBatch found{{get_u64(numbers), get_u64(numbers + 8), {}},
                       redo_batch_bytes(record_bytes)};
  std::string_view records = text.substr(kBatchHeadBytes);
  while (!records.empty()) {
    RedoRecord record;
    if (!take_record(records, record)) return std::nullopt;
    found.batch.records.push_back(std::move(record));
  }
  return found;
}

std::string encode_redo_head(const RedoHead& head) {
  std::string block(kHeadMagic);
  block.append(view_of(head.id)).append(put_u64(head.log_bytes));
  block.append(put_u32(crc32c(as_byte_span(block))));
  block.resize(kRedoBlockBytes, '\0');
  return block;
}

std::optional<RedoHead> decode_redo_head(ByteSpan block) {
  const std::string_view text = as_text(block);
  constexpr std::size_t kChecked = kHeadMagic.size() + std::tuple_size_v<RedoLogId> + 8;
  if (text.size() < kChecked + kCrcBytes || !text.starts_with(kHeadMagic)) return std::nullopt;
  if (get_u32(&text[kChecked]) != crc32c(block.first(kChecked))) return std::nullopt;
  RedoHead head;
  std::copy_n(text.begin() + kHeadMagic.size(), head.id.size(),
              reinterpret_cast<char*>(head.id.data()));
  head.log_bytes = get_u64(&text[kHeadMagic.size() + head.id.size()]);
  return head;
}

}  // namespace sharestore
