// Any bytes as a share file: parsing must not read outside them, and what parses must be coherent;
// a change planned for a mutable one must leave a container that parses again.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "backends/share_file/slot_plan.h"

namespace {

using namespace sharestore;

void require(bool ok) {
  if (!ok) std::abort();
}

void change_and_reload(std::vector<std::byte> file, const MutableContainer& before) {
  ShareChange change;
  change.number = 1;
  const std::uint64_t offset = before.header.data_bytes > 8 ? before.header.data_bytes - 3 : 40;
  change.writes.push_back({offset, memory_source(Bytes::copy_of("fuzz-fuzz"))});
  change.leases.push_back(
      {Lease{1, blake2b_256("a"), blake2b_256("b"), 77},
       LeaseSecrets{Secret(std::string(32, 'a')), Secret(std::string(32, 'b'))}});
  const auto plan = plan_change(before, change, NodeId{});
  if (!plan || plan->after.header.file_bytes > (1u << 24)) return;
  require(apply_in_memory(*plan, file).has_value());
  const ReadAt read = [&file](std::uint64_t at, MutableByteSpan into) -> Status {
    require(at <= file.size() && into.size() <= file.size() - at);
    std::memcpy(into.data(), file.data() + at, into.size());
    return {};
  };
  const auto after = load_mutable_container(read, file.size());
  require(after.has_value() && after->header == plan->after.header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan input(reinterpret_cast<const std::byte*>(data), size);
  const ReadAt read = [&](std::uint64_t at, MutableByteSpan into) -> Status {
    require(at <= size && into.size() <= size - at);
    if (!into.empty()) std::memcpy(into.data(), data + at, into.size());
    return {};
  };
  const auto header = load_share_header(read, size);
  if (!header) return 0;
  require(header->data_offset + header->data_bytes <= size);
  const auto leases = load_leases(read, *header);
  if (header->kind == ShareKind::mutable_slot) {
    const auto container = load_mutable_container(read, size);
    require(container.has_value());
    change_and_reload({input.begin(), input.end()}, *container);
  } else if (leases) {
    require(leases->size() == header->lease_count);
    plan_immutable_leases(
        *header,
        as_text(input.subspan(header->lease_offset, leases->size() * kImmutableLeaseBytes)),
        {LeaseUpdate{Lease{1, blake2b_256("a"), blake2b_256("b"), 77}, {}}});
  }
  return 0;
}
