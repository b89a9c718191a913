#include "storage_server/state/state_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "backends/core/digest.h"
#include "backends/share_file/layout.h"
#include "storage_server/index/lease_pack.h"

namespace sharestore {

namespace {

constexpr std::string_view kMark = "sharestore state";
constexpr std::size_t kHeadBytes = 16 + 4 + 4 + 8 + 4;
constexpr std::string_view kBatch = "batch-";
constexpr std::string_view kSnapshot = "snapshot-";
constexpr std::string_view kEnd = "-end";
constexpr std::size_t kSequenceDigits = 16;
constexpr std::size_t kPartDigits = 6;

template <class Number>
std::optional<Number> number_in(std::string_view text, std::size_t digits, int base) {
  if (text.size() != digits) return std::nullopt;
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, base);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  return value;
}

std::string head_of(const StateName& name) {
  std::string head(kMark);
  head.append(put_u32(kStateFormat)).append(put_u32(static_cast<std::uint32_t>(name.kind)));
  return head.append(put_u64(name.sequence)).append(put_u32(name.part));
}

// Reads one record after the other; every take answers nothing at the end of the bytes.
class Cursor {
 public:
  explicit Cursor(std::string_view left) : left_(left) {}

  std::string_view take(std::size_t bytes) {
    if (bytes > left_.size()) {
      short_ = true;
      return {};
    }
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }
  unsigned u8() {
    const std::string_view bytes = take(1);
    return bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]);
  }
  std::uint32_t u32() {
    const std::string_view bytes = take(4);
    return bytes.empty() ? 0 : get_u32(bytes.data());
  }
  std::uint64_t u64() {
    const std::string_view bytes = take(8);
    return bytes.empty() ? 0 : get_u64(bytes.data());
  }
  bool is_short() const { return short_; }
  std::size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
  bool short_ = false;
};

// The part of a share's record behind its name; nothing: damaged.
bool take_share(Cursor& cursor, RememberedShare& share) {
  ShareRow row;
  const unsigned kind = cursor.u8();
  const unsigned state = cursor.u8();
  row.info.number = share.share.number;
  row.info.kind = static_cast<ShareKind>(kind);
  row.info.container_version = static_cast<int>(cursor.u8());
  const unsigned has_enabler = cursor.u8();
  row.state = static_cast<ShareState>(state);
  row.info.data_bytes = cursor.u64();
  row.info.stored_bytes = cursor.u64();
  row.first_write = static_cast<std::int64_t>(cursor.u64());
  row.last_write = static_cast<std::int64_t>(cursor.u64());
  if (has_enabler == 1) {
    Digest digest{};
    const std::string_view bytes = cursor.take(digest.size());
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    row.info.enabler_digest = digest;
  }
  const auto leases = index_db::unpack_leases(cursor.take(cursor.u32()));
  if (cursor.is_short() || !leases || has_enabler > 1) return false;
  if (kind > static_cast<unsigned>(ShareKind::mutable_slot) ||
      state > static_cast<unsigned>(ShareState::lost)) {
    return false;
  }
  share.row = row;
  share.leases = *leases;
  return true;
}

}  // namespace

std::string StateName::to_text() const {
  switch (kind) {
    case StateKind::snapshot_part: return fmt::format("{}{:016x}-{:06}", kSnapshot, sequence, part);
    case StateKind::snapshot_end: return fmt::format("{}{:016x}{}", kSnapshot, sequence, kEnd);
    case StateKind::batch: break;
  }
  return fmt::format("{}{:016x}", kBatch, sequence);
}

std::optional<StateName> StateName::from_text(std::string_view text) {
  StateName name;
  const std::string_view whole = text;
  const bool is_batch = text.starts_with(kBatch);
  if (!is_batch && !text.starts_with(kSnapshot)) return std::nullopt;
  text.remove_prefix(is_batch ? kBatch.size() : kSnapshot.size());
  const auto sequence =
      number_in<std::uint64_t>(text.substr(0, kSequenceDigits), kSequenceDigits, 16);
  if (!sequence) return std::nullopt;
  name.sequence = *sequence;
  text.remove_prefix(kSequenceDigits);
  if (is_batch) {
    if (!text.empty()) return std::nullopt;
  } else if (text == kEnd) {
    name.kind = StateKind::snapshot_end;
  } else {
    if (text.empty() || text[0] != '-') return std::nullopt;
    const auto part = number_in<std::uint32_t>(text.substr(1), kPartDigits, 10);
    if (!part) return std::nullopt;
    name.kind = StateKind::snapshot_part;
    name.part = *part;
  }
  // Upper-case digits and the like are nobody's we know.
  return name.to_text() == whole ? std::optional(name) : std::nullopt;
}

StateWriter::StateWriter(const StateName& name) : body_(head_of(name)) {}

void StateWriter::add(const ShareId& share, const ShareRow* row, const Leases& leases) {
  ++records_;
  body_.push_back(row == nullptr ? '\0' : '\1');
  body_.append(share.storage_index.byte_view()).append(put_u64(share.number));
  if (row == nullptr) return;
  const ShareInfo& info = row->info;
  body_.push_back(static_cast<char>(info.kind));
  body_.push_back(static_cast<char>(row->state));
  body_.push_back(static_cast<char>(info.container_version));
  body_.push_back(info.enabler_digest ? '\1' : '\0');
  body_.append(put_u64(info.data_bytes)).append(put_u64(info.stored_bytes));
  body_.append(put_u64(static_cast<std::uint64_t>(row->first_write)));
  body_.append(put_u64(static_cast<std::uint64_t>(row->last_write)));
  if (info.enabler_digest) body_.append(as_text(*info.enabler_digest));
  const std::string packed = index_db::pack_leases(leases);
  body_.append(put_u32(static_cast<std::uint32_t>(packed.size()))).append(packed);
}

Bytes StateWriter::finish() {
  body_.append(as_text(blake2b_256(body_)));
  return Bytes::copy_of(body_);
}

Result<StateReader> StateReader::open(const StateName& name, Bytes blob) {
  const std::string text = name.to_text();
  Cursor head(blob.text());
  if (head.take(kMark.size()) != kMark || blob.size() < kHeadBytes + kDigestBytes) {
    return fail(Errc::corrupt, text + " is no state blob");
  }
  const std::uint32_t format = head.u32();
  if (format > kStateFormat) {
    return fail(Errc::unsupported, fmt::format("{} has format {}; this program knows {} and older",
                                               text, format, kStateFormat));
  }
  const std::size_t end = blob.size() - kDigestBytes;
  if (blob.text().substr(end) != as_text(blake2b_256(blob.text().substr(0, end)))) {
    return fail(Errc::corrupt, text + " is damaged: its checksum differs");
  }
  const bool is_kind = head.u32() == static_cast<std::uint32_t>(name.kind);
  const bool is_sequence = head.u64() == name.sequence;
  const std::uint32_t part = head.u32();
  const bool is_part = name.kind != StateKind::snapshot_part || part == name.part;
  if (!is_kind || !is_sequence || !is_part) {
    return fail(Errc::corrupt, text + " holds what another blob should");
  }
  return StateReader(std::move(blob), kHeadBytes, end, part);
}

Result<std::optional<RememberedShare>> StateReader::next() {
  if (at_ == end_) return std::optional<RememberedShare>();
  Cursor cursor(blob_.text().substr(at_, end_ - at_));
  const unsigned type = cursor.u8();
  const auto storage_index = StorageIndex::from_bytes(cursor.take(StorageIndex::kBytes));
  RememberedShare share;
  share.share.number = cursor.u64();
  if (!storage_index || cursor.is_short() || type > 1) {
    return fail(Errc::corrupt, "a state blob with a good checksum has a record that is none");
  }
  share.share.storage_index = *storage_index;
  if (type == 1 && !take_share(cursor, share)) {
    return fail(Errc::corrupt, "a state blob has a damaged record of " + share.share.to_text());
  }
  at_ = end_ - cursor.left();
  return std::optional(std::move(share));
}

}  // namespace sharestore
