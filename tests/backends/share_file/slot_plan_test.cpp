// Plans for mutable containers, checked against the measured sizes and against a naive model.
#include "backends/share_file/slot_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "backends/core/limits.h"
#include "tests/backends/share_file/share_file_fixtures.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

const std::string kEnabler(32, 'W');

NodeId example_node() {
  NodeId node{};
  const std::string bytes = from_hex(kNodeIdHex);
  std::copy(bytes.begin(), bytes.end(), node.begin());
  return node;
}

std::vector<std::byte> to_bytes(std::string_view text) {
  const ByteSpan span = as_byte_span(text);
  return {span.begin(), span.end()};
}
std::string to_text(const std::vector<std::byte>& file) { return std::string(as_text(file)); }

MutableContainer load(const std::vector<std::byte>& file) {
  const ReadAt read = [&file](std::uint64_t offset, MutableByteSpan into) -> Status {
    if (offset > file.size() || into.size() > file.size() - offset) {
      return fail(Errc::io_error, "past the end");
    }
    std::memcpy(into.data(), &file[offset], into.size());
    return {};
  };
  auto container = load_mutable_container(read, file.size());
  EXPECT_TRUE(container) << container.error().message();
  return *container;
}

ShareChange change_of(std::vector<std::pair<std::uint64_t, std::string>> writes,
                      std::optional<std::uint64_t> truncate_to = std::nullopt,
                      std::vector<LeaseUpdate> leases = {}) {
  ShareChange change;
  for (auto& [offset, text] : writes) change.writes.push_back({offset, text_source(text)});
  change.truncate_to = truncate_to;
  change.leases = std::move(leases);
  return change;
}

std::vector<std::byte> create(const ShareChange& change) {
  const auto plan = plan_new_share(change, kEnabler, example_node());
  EXPECT_TRUE(plan);
  std::vector<std::byte> file;
  EXPECT_TRUE(apply_in_memory(*plan, file));
  EXPECT_EQ(file.size(), plan->after.header.file_bytes);
  return file;
}

SlotPlan change_file(std::vector<std::byte>& file, const ShareChange& change) {
  const auto plan = plan_change(load(file), change, example_node());
  EXPECT_TRUE(plan);
  EXPECT_TRUE(apply_in_memory(*plan, file));
  // Replaying must change nothing: that is what recovery relies on.
  std::vector<std::byte> again = file;
  EXPECT_TRUE(apply_in_memory(*plan, again));
  EXPECT_EQ(again, file);
  const MutableContainer after = load(file);
  EXPECT_EQ(after.header, plan->after.header);
  EXPECT_EQ(after.leases.extra, plan->after.leases.extra);
  return *plan;
}

std::string data_of(const std::vector<std::byte>& file) {
  const MutableContainer container = load(file);
  return to_text(file).substr(kMutableDataOffset, container.header.data_bytes);
}

TEST(SlotPlan, CreatesTheWorkedExample) {
  const auto file =
      create(change_of({{0, "data"}}, std::nullopt, {letter_lease('R', 'C', 1700000000)}));
  EXPECT_EQ(to_text(file), mutable_example(2));
}

TEST(SlotPlan, CreatesAnEmptyShareOf472Bytes) { EXPECT_EQ(create(change_of({})).size(), 472u); }

// W14: where the further leases lie is told right after every write.
TEST(SlotPlan, HasTheMeasuredSizes) {
  auto file = create(change_of({{0, "data"}}, std::nullopt, {letter_lease('0', 'C', 100)}));
  EXPECT_EQ(file.size(), 476u);
  for (const char letter : {'1', '2', '3', '4', '5'}) {
    change_file(file, change_of({}, std::nullopt, {letter_lease(letter, 'C', 100)}));
  }
  EXPECT_EQ(file.size(), 660u);
  change_file(file, change_of({{4, std::string(16, 'x')}}));
  EXPECT_EQ(file.size(), 676u);
  EXPECT_EQ(load(file).header.lease_offset, 0x1e8u);
  EXPECT_EQ(load(file).leases.extra.size(), 2 * kMutableLeaseBytes);
  change_file(file, change_of({}, 2));
  EXPECT_EQ(file.size(), 676u);
  EXPECT_EQ(data_of(file), "da");
}

TEST(SlotPlan, NeverShowsBytesBehindTheEndAgain) {
  auto file = create(change_of({{0, "secret-secret"}}));
  change_file(file, change_of({}, 2));
  EXPECT_EQ(data_of(file), "se");
  change_file(file, change_of({{6, "x"}}));
  EXPECT_EQ(data_of(file), std::string("se\0\0\0\0x", 7));
  change_file(file, change_of({{20, "end"}}));
  EXPECT_EQ(data_of(file), std::string("se\0\0\0\0x", 7) + std::string(13, '\0') + "end");
}

TEST(SlotPlan, AnEmptyWritePastTheEndExtendsWithZeros) {
  auto file = create(change_of({{0, "ab"}}));
  change_file(file, change_of({{5, ""}}));
  EXPECT_EQ(data_of(file), std::string("ab\0\0\0", 5));
  const SlotPlan nothing = change_file(file, change_of({{5, ""}, {1, ""}}));
  EXPECT_TRUE(nothing.empty());
}

TEST(SlotPlan, TruncationNeverExtends) {
  auto file = create(change_of({{0, "abc"}}));
  EXPECT_TRUE(change_file(file, change_of({}, 100)).empty());
  change_file(file, change_of({{0, "X"}}, 1));
  EXPECT_EQ(data_of(file), "X");
}

TEST(SlotPlan, KeepsVersionOneAndItsClearSecrets) {
  auto file = to_bytes(mutable_example(1));
  change_file(file, change_of({{0, "DATA"}}, std::nullopt, {letter_lease('r', 'c', 1700000001)}));
  const std::string text = to_text(file);
  EXPECT_EQ(text.substr(0, 32), mutable_example(1).substr(0, 32));
  EXPECT_EQ(text.substr(kMutableSlotsOffset + kMutableLeaseBytes + 8, 32), std::string(32, 'r'));
  // Without the secrets there is nothing a version 1 record could hold.
  LeaseUpdate digests_only{letter_lease('x', 'y', 5).lease, {}};
  EXPECT_TRUE(change_file(file, change_of({}, std::nullopt, {digests_only})).empty());
  // A renewal needs no secret.
  LeaseUpdate renewal{letter_lease('R', 'C', 1800000000).lease, {}};
  EXPECT_FALSE(change_file(file, change_of({}, std::nullopt, {renewal})).empty());
}

TEST(SlotPlan, ReusesEmptySlotsAndNeverShortensALease) {
  auto file = to_bytes(mutable_example(2));
  EXPECT_TRUE(
      change_file(file, change_of({}, std::nullopt, {letter_lease('R', 'C', 1600000000)})).empty());
  EXPECT_FALSE(
      change_file(file, change_of({}, std::nullopt, {letter_lease('R', 'C', 1700000009)})).empty());
  std::fill_n(file.begin() + kMutableSlotsOffset, kMutableLeaseBytes, std::byte{0});
  change_file(file, change_of({}, std::nullopt, {letter_lease('n', 'n', 5)}));
  EXPECT_EQ(load(file).leases.slots.substr(0, 8), put_u32(1) + put_u32(5));
  EXPECT_EQ(file.size(), 476u);
}

TEST(SlotPlan, RefusesWhatIsTooLargeOrOverflows) {
  for (const std::uint64_t offset : {limits::kMaxMutableShareBytes, ~std::uint64_t{0},
                                     ~std::uint64_t{0} - 1, std::uint64_t{1} << 63}) {
    const auto plan = plan_new_share(change_of({{offset, "x"}}), kEnabler, example_node());
    ASSERT_FALSE(plan) << offset;
    EXPECT_EQ(plan.error().code(), Errc::too_large);
  }
}

TEST(SlotPlan, AHugeHoleCostsNoBytes) {
  const auto plan =
      plan_new_share(change_of({{std::uint64_t{1} << 45, "x"}}), kEnabler, example_node());
  ASSERT_TRUE(plan);
  EXPECT_LT(plan->payload_bytes(), 2000u);
}

// Random writes, truncations and leases against a string and a map.
TEST(SlotPlan, AgreesWithANaiveModel) {
  std::mt19937_64 random(20);
  for (int round = 0; round < 200; ++round) {
    auto file = create(change_of({}));
    std::string model;
    std::map<char, std::int64_t> leases;
    for (int step = 0; step < 30; ++step) {
      ShareChange change;
      for (std::uint64_t w = random() % 4; w > 0; --w) {
        const std::uint64_t offset = random() % 300;
        const std::string text = pattern_text(random() % 100, static_cast<unsigned>(random()));
        change.writes.push_back({offset, text_source(text)});
        if (offset + text.size() > model.size()) model.resize(offset + text.size(), '\0');
        model.replace(offset, text.size(), text);
      }
      if (random() % 3 == 0) {
        change.truncate_to = random() % 300;
        if (*change.truncate_to < model.size()) model.resize(*change.truncate_to);
      }
      if (random() % 3 == 0) {
        const char letter = static_cast<char>('a' + random() % 8);
        const std::int64_t expires = static_cast<std::int64_t>(random() % 1000);
        change.leases.push_back(letter_lease(letter, letter, expires));
        leases[letter] = std::max(leases[letter], expires);
      }
      change_file(file, change);
      ASSERT_EQ(data_of(file), model) << "round " << round << " step " << step;
      const MutableContainer container = load(file);
      const Leases stored =
          decode_mutable_leases(container.header, container.leases.slots, container.leases.extra);
      ASSERT_EQ(stored.size(), leases.size());
      for (const Lease& lease : stored) {
        const auto it = std::find_if(leases.begin(), leases.end(), [&](const auto& entry) {
          return lease.renew_digest == blake2b_256(std::string(32, entry.first));
        });
        ASSERT_NE(it, leases.end());
        EXPECT_EQ(lease.expires_at, it->second);
      }
    }
  }
}

TEST(ImmutableLeases, RenewsLaterAppendsOthers) {
  const std::string file = immutable_example(2);
  const auto header = parse_share_header(as_byte_span(file), file.size());
  ASSERT_TRUE(header);
  const std::string records = file.substr(header->lease_offset);
  const auto plan =
      plan_immutable_leases(*header, records,
                            {letter_lease('R', 'C', 1700000005), letter_lease('r', 'c', 5),
                             letter_lease('n', 'm', 7), letter_lease('n', 'm', 9)});
  ASSERT_EQ(plan.renewals.size(), 1u);
  EXPECT_EQ(plan.renewals[0].file_offset, 17u + kImmutableExpiryOffset);
  EXPECT_EQ(plan.renewals[0].bytes, put_u32(1700000005));
  EXPECT_EQ(plan.appended, encode_immutable_lease(letter_lease('n', 'm', 9).lease));
  EXPECT_EQ(plan.lease_count, 3u);
}

TEST(ImmutableLeases, VersionOneTakesClearSecretsOnly) {
  const std::string file = immutable_example(1);
  const auto header = parse_share_header(as_byte_span(file), file.size());
  ASSERT_TRUE(header);
  const std::string records = file.substr(header->lease_offset);
  const LeaseUpdate digests_only{letter_lease('x', 'y', 5).lease, {}};
  EXPECT_TRUE(plan_immutable_leases(*header, records, {digests_only}).empty());
  const auto plan = plan_immutable_leases(*header, records, {letter_lease('x', 'y', 5)});
  EXPECT_EQ(plan.appended, put_u32(1) + std::string(32, 'x') + std::string(32, 'y') + put_u32(5));
}

}  // namespace
}  // namespace sharestore
