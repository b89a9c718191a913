#include "backends/share_file/slot_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/core/limits.h"

namespace sharestore {
namespace {

FileEdit put_text(std::uint64_t offset, std::string_view text) {
  const std::uint64_t length = text.size();
  return {offset, length, memory_source(Bytes::copy_of(text)), 0};
}

// The data's length and the place of the extra leases while writes are planned one by one.
class Layout {
 public:
  Layout(const MutableContainer& before, SlotPlan& plan)
      : plan_(plan),
        data_bytes_(before.header.data_bytes),
        extra_offset_(before.header.lease_offset),
        first_extra_offset_(extra_offset_),
        extra_block_bytes_(kExtraCountBytes + before.leases.extra.size()) {}

  Status write(const ShareChange::Write& write) {
    const std::uint64_t length = write.data ? write.data->size() : 0;
    if (write.offset > limits::kMaxMutableShareBytes ||
        length > limits::kMaxMutableShareBytes - write.offset) {
      return fail(Errc::too_large,
                  fmt::format("a mutable share of {} bytes at {} would be too large", length,
                              write.offset));
    }
    const std::uint64_t end = write.offset + length;
    if (end > data_bytes_) grow(write.offset, end);
    if (length > 0) {
      plan_.edits.push_back({kMutableDataOffset + write.offset, length, write.data, 0});
    }
    return {};
  }

  void truncate(std::uint64_t length) { data_bytes_ = std::min(data_bytes_, length); }

  std::uint64_t data_bytes() const { return data_bytes_; }
  std::uint64_t extra_offset() const { return extra_offset_; }

 private:
  void grow(std::uint64_t offset, std::uint64_t end) {
    if (kMutableDataOffset + end > extra_offset_) {
      // Only the first move leaves bytes of the file behind: later places were never written.
      if (extra_offset_ == first_extra_offset_) {
        plan_.edits.push_back({first_extra_offset_, extra_block_bytes_, nullptr, 0});
      }
      extra_offset_ = kMutableDataOffset + end;
    }
    if (offset > data_bytes_) {
      plan_.edits.push_back({kMutableDataOffset + data_bytes_, offset - data_bytes_, nullptr, 0});
    }
    data_bytes_ = end;
  }

  SlotPlan& plan_;
  std::uint64_t data_bytes_;
  std::uint64_t extra_offset_;
  std::uint64_t first_extra_offset_;
  std::uint64_t extra_block_bytes_;
};

// Applies writes, truncation and leases to `plan.after`, whose edits begin with what is there.
Status plan_into(const MutableContainer& before, const ShareChange& change, const NodeId& node_id,
                 SlotPlan& plan) {
  Layout layout(before, plan);
  for (const ShareChange::Write& write : change.writes) {
    if (Status ok = layout.write(write); !ok) return ok;
  }
  if (change.truncate_to) layout.truncate(*change.truncate_to);

  MutableContainer& after = plan.after;
  merge_mutable_leases(before.header.version, node_id, change.leases, after.leases);
  after.header.data_bytes = layout.data_bytes();
  after.header.lease_offset = layout.extra_offset();
  const bool moved = layout.extra_offset() != before.header.lease_offset;
  const bool extra_changed = after.leases.extra != before.leases.extra;
  if (moved || extra_changed) {
    const auto count = static_cast<std::uint32_t>(after.leases.extra.size() / kMutableLeaseBytes);
    plan.edits.push_back(put_text(layout.extra_offset(), put_u32(count) + after.leases.extra));
  }
  if (after.leases.slots != before.leases.slots) {
    plan.edits.push_back(put_text(kMutableSlotsOffset, after.leases.slots));
  }
  if (moved || layout.data_bytes() != before.header.data_bytes) {
    plan.edits.push_back(put_text(kMutableLengthOffset,
                                  put_u64(layout.data_bytes()) + put_u64(layout.extra_offset())));
  }
  after.header.file_bytes =
      std::max(moved ? 0 : before.header.file_bytes,
               layout.extra_offset() + kExtraCountBytes + after.leases.extra.size());
  return {};
}

}  // namespace

Result<MutableContainer> load_mutable_container(const ReadAt& read, std::uint64_t file_bytes) {
  auto header = load_share_header(read, file_bytes);
  if (!header) return fail(header.error());
  if (header->kind != ShareKind::mutable_slot) {
    return fail(Errc::conflict, "the share is immutable");
  }
  MutableContainer container;
  container.header = *header;
  container.leases.slots.resize(kMutableLeaseSlots * kMutableLeaseBytes);
  if (Status ok =
          read(kMutableSlotsOffset, std::as_writable_bytes(std::span(container.leases.slots)));
      !ok) {
    return fail(ok.error());
  }
  std::string count(kExtraCountBytes, '\0');
  if (Status ok = read(header->lease_offset, std::as_writable_bytes(std::span(count))); !ok) {
    return fail(ok.error());
  }
  if (Status ok = check_extra_leases(*header, get_u32(count.data())); !ok) return fail(ok.error());
  container.leases.extra.resize(get_u32(count.data()) * kMutableLeaseBytes);
  if (!container.leases.extra.empty()) {
    if (Status ok = read(header->lease_offset + kExtraCountBytes,
                         std::as_writable_bytes(std::span(container.leases.extra)));
        !ok) {
      return fail(ok.error());
    }
  }
  return container;
}

std::uint64_t SlotPlan::payload_bytes() const {
  std::uint64_t bytes = 0;
  for (const FileEdit& edit : edits) bytes += edit.source ? edit.length : 0;
  return bytes;
}

Result<SlotPlan> plan_new_share(const ShareChange& change, std::string_view write_enabler,
                                const NodeId& node_id) {
  const std::string start =
      encode_mutable_header(2, node_id, write_enabler, 0, kMutableDataOffset) + put_u32(0);
  MutableContainer fresh;
  auto header = parse_share_header(as_byte_span(start), start.size());
  if (!header) return fail(header.error());
  fresh.header = *header;
  fresh.leases.slots.assign(kMutableLeaseSlots * kMutableLeaseBytes, '\0');

  SlotPlan plan;
  plan.after = fresh;
  plan.edits.push_back(put_text(0, start));
  if (Status ok = plan_into(fresh, change, node_id, plan); !ok) return fail(ok.error());
  return plan;
}

Result<SlotPlan> plan_change(const MutableContainer& before, const ShareChange& change,
                             const NodeId& node_id) {
  SlotPlan plan;
  plan.after = before;
  if (Status ok = plan_into(before, change, node_id, plan); !ok) return fail(ok.error());
  return plan;
}

Status apply_in_memory(const SlotPlan& plan, std::vector<std::byte>& file) {
  file.resize(plan.after.header.file_bytes);
  for (const FileEdit& edit : plan.edits) {
    if (edit.offset >= file.size()) continue;
    const std::uint64_t length = std::min<std::uint64_t>(edit.length, file.size() - edit.offset);
    const MutableByteSpan place = std::span(file).subspan(edit.offset, length);
    if (!edit.source) {
      std::fill(place.begin(), place.end(), std::byte{0});
    } else if (Status ok = edit.source->read(edit.source_offset, place); !ok) {
      return ok;
    }
  }
  return {};
}

}  // namespace sharestore
