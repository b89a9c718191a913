#include "storage_server/state/state_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/storage_server/index/index_fixture.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

ShareRow some_row(ShareInfo info, ShareState state = ShareState::present) {
  return {std::move(info), state, 1'700'000'000, 1'700'000'001};
}

Bytes some_blob(const StateName& name) {
  StateWriter writer(name);
  const ShareRow immutable = some_row(immutable_info(7));
  const ShareRow slot = some_row(mutable_info(8), ShareState::lost);
  writer.add(share_id(1, 7), &immutable, {client_lease(1, 2'000'000'000)});
  writer.add(share_id(2, 9), nullptr, {});
  writer.add(share_id(3, 8), &slot, {});
  return writer.finish();
}

TEST(StateName, IsItsText) {
  const std::vector<std::pair<std::string, StateName>> names = {
      {"batch-0000018bcfe56800", {0x18bcfe56800, StateKind::batch, 0}},
      {"snapshot-0000018bcfe56800-000012", {0x18bcfe56800, StateKind::snapshot_part, 12}},
      {"snapshot-0000018bcfe56800-end", {0x18bcfe56800, StateKind::snapshot_end, 0}},
  };
  for (const auto& [text, name] : names) {
    EXPECT_EQ(name.to_text(), text);
    ASSERT_TRUE(StateName::from_text(text)) << text;
    EXPECT_EQ(*StateName::from_text(text), name);
  }
  for (const char* text :
       {"", "batch-", "batch-18bcfe56800", "batch-0000018BCFE56800", "batch-0000018bcfe5680g",
        "batch-0000018bcfe56800-end", "snapshot-0000018bcfe56800", "snapshot-0000018bcfe56800-",
        "snapshot-0000018bcfe56800-12", "snapshot-0000018bcfe56800-00012x", "owner",
        "snapshot-0000018bcfe56800-END", "batch--000018bcfe56800"}) {
    EXPECT_FALSE(StateName::from_text(text)) << text;
  }
}

TEST(StateFile, GivesBackWhatItWasGiven) {
  const StateName name{42, StateKind::batch, 0};
  auto reader = StateReader::open(name, some_blob(name));
  ASSERT_TRUE(reader) << reader.error().message();
  auto first = reader->next();
  ASSERT_TRUE(first && first->has_value());
  EXPECT_EQ((*first)->share, share_id(1, 7));
  EXPECT_EQ((*first)->row->info, immutable_info(7));
  EXPECT_EQ((*first)->row->first_write, 1'700'000'000);
  EXPECT_EQ((*first)->row->last_write, 1'700'000'001);
  EXPECT_EQ((*first)->leases, (Leases{client_lease(1, 2'000'000'000)}));
  auto second = reader->next();
  ASSERT_TRUE(second && second->has_value());
  EXPECT_EQ((*second)->share, share_id(2, 9));
  EXPECT_FALSE((*second)->row);
  auto third = reader->next();
  ASSERT_TRUE(third && third->has_value());
  EXPECT_EQ((*third)->row->info, mutable_info(8));
  EXPECT_EQ((*third)->row->state, ShareState::lost);
  EXPECT_FALSE(reader->next()->has_value());
  EXPECT_FALSE(reader->next()->has_value());
}

TEST(StateFile, NotOneBitMayDiffer) {
  const StateName name{42, StateKind::snapshot_part, 3};
  const Bytes good = some_blob(name);
  ASSERT_TRUE(StateReader::open(name, good));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string text(good.text());
    text[at] = static_cast<char>(text[at] ^ 1);
    EXPECT_FALSE(StateReader::open(name, Bytes::copy_of(text))) << at;
    EXPECT_FALSE(StateReader::open(name, good.slice(0, at))) << at;
  }
}

TEST(StateFile, BelongsToItsName) {
  const StateName name{42, StateKind::snapshot_part, 3};
  for (const StateName& other :
       {StateName{43, StateKind::snapshot_part, 3}, StateName{42, StateKind::snapshot_part, 4},
        StateName{42, StateKind::batch, 0}}) {
    const auto reader = StateReader::open(other, some_blob(name));
    ASSERT_FALSE(reader) << other.to_text();
    EXPECT_EQ(reader.error().code(), Errc::corrupt);
  }
}

TEST(StateFile, ANewerFormatIsSaid) {
  std::string text(some_blob({42, StateKind::batch, 0}).text());
  text[19] = 2;
  const auto reader = StateReader::open({42, StateKind::batch, 0}, Bytes::copy_of(text));
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Errc::unsupported);
}

}  // namespace
}  // namespace sharestore
