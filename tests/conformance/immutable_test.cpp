// Immutable shares: written in any order, visible and durable at commit or not at all.
#include "tests/conformance/backend_test_base.h"

namespace sharestore {
namespace {

class Immutable : public BackendConformance {};
INSTANTIATE_TEST_SUITE_P(Backends, Immutable, testing::ValuesIn(backend_cases()),
                         [](const auto& test) { return test.param.name; });

const ShareId kShare{kIndexA, 3};

TEST_P(Immutable, CommittedShareReadsBackAndIsListed) {
  const std::string text = pattern_text(1000);
  const auto info = upload(kShare, text, {letter_lease('R', 'C', 1800000000, 0).lease});
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->number, 3u);
  EXPECT_EQ(info->kind, ShareKind::immutable);
  EXPECT_EQ(info->container_version, 2);
  EXPECT_EQ(info->data_bytes, 1000u);
  EXPECT_GE(info->stored_bytes, 1000u);
  EXPECT_FALSE(info->enabler_digest);
  EXPECT_EQ(content(kShare), text);
  const auto listed = run_task(backend().list(context(), kIndexA, {}));
  ASSERT_TRUE(listed);
  EXPECT_EQ(*listed, std::vector<ShareInfo>{*info});
  const auto reader = open(kShare);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->info(), *info);
}

TEST_P(Immutable, IsInvisibleBeforeCommit) {
  const auto writer = create(kShare, 10);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(write(**writer, 0, "0123456789"));
  EXPECT_EQ(content(kShare), "<not_found>");
  EXPECT_TRUE(numbers(kIndexA).empty());
  EXPECT_TRUE(scan_all(10).empty());
}

TEST_P(Immutable, TakesWritesInAnyOrderAndReadsThemBack) {
  const std::string text = pattern_text(600'000);
  const auto writer = create(kShare, text.size());
  ASSERT_TRUE(writer);
  for (const std::size_t at : {400'000u, 0u, 200'000u}) {
    ASSERT_TRUE(write(**writer, at, std::string_view(text).substr(at, 200'000)));
    const auto back = run_task((*writer)->read_back(context(), at + 5, 1000));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text(), std::string_view(text).substr(at + 5, 1000));
  }
  ASSERT_TRUE(run_task((*writer)->commit(context(), {})));
  EXPECT_EQ(content(kShare), text);
}

TEST_P(Immutable, HasRoomForSomethingWheneverItIsAsked) {
  const std::string text = pattern_text(600'000);
  const auto writer = create(kShare, text.size());
  ASSERT_TRUE(writer);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t wanted = std::min<std::size_t>(100'000, text.size() - at);
    const auto room = run_task((*writer)->ready(context(), at, wanted));
    ASSERT_TRUE(room) << room.error().message();
    ASSERT_GE(*room, 1u);
    ASSERT_LE(*room, wanted);
    ASSERT_TRUE(write(**writer, at, std::string_view(text).substr(at, *room)));
    at += *room;
  }
  ASSERT_TRUE(run_task((*writer)->commit(context(), {})));
  EXPECT_EQ(content(kShare), text);
}

TEST_P(Immutable, OfNoBytes) {
  const auto info = upload(kShare, "");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->data_bytes, 0u);
  EXPECT_EQ(content(kShare), "");
  EXPECT_EQ(numbers(kIndexA), std::vector<ShareNumber>{3});
}

TEST_P(Immutable, AbandonedByDestructionOrAbortLeavesNothing) {
  {
    const auto writer = create(kShare, 10);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(write(**writer, 0, "0123456789"));
  }
  EXPECT_EQ(content(kShare), "<not_found>");
  const auto second = create(kShare, 4);
  ASSERT_TRUE(second) << second.error().message();
  ASSERT_TRUE(write(**second, 0, "abcd"));
  ASSERT_TRUE(run_task((*second)->abort(context())));
  EXPECT_EQ(content(kShare), "<not_found>");
  // The name is free again, and nothing of the earlier uploads shows through.
  ASSERT_TRUE(upload(kShare, "new"));
  EXPECT_EQ(content(kShare), "new");
}

TEST_P(Immutable, ASecondOneOfThatNameAlreadyExists) {
  ASSERT_TRUE(upload(kShare, "first"));
  const auto again = create(kShare, 5);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::already_exists);
  EXPECT_EQ(content(kShare), "first");
}

TEST_P(Immutable, SeveralSharesOfOneIndexAtOnce) {
  const auto one = create({kIndexA, 1}, 3);
  const auto ten = create({kIndexA, 10}, 3);
  const auto huge = create({kIndexA, ~ShareNumber{0}}, 3);
  ASSERT_TRUE(one && ten && huge);
  ASSERT_TRUE(write(**ten, 0, "ten"));
  ASSERT_TRUE(write(**one, 0, "one"));
  ASSERT_TRUE(write(**huge, 0, "max"));
  ASSERT_TRUE(run_task((*ten)->commit(context(), {})));
  ASSERT_TRUE(run_task((*one)->commit(context(), {})));
  ASSERT_TRUE(run_task((*huge)->commit(context(), {})));
  EXPECT_EQ(numbers(kIndexA), (std::vector<ShareNumber>{1, 10, ~ShareNumber{0}}));
  // Share 1 is matched exactly: 10 stays.
  ASSERT_TRUE(run_task(backend().remove(context(), {kIndexA, 1})));
  EXPECT_EQ(numbers(kIndexA), (std::vector<ShareNumber>{10, ~ShareNumber{0}}));
  EXPECT_EQ(content({kIndexA, 10}), "ten");
}

TEST_P(Immutable, ReadsAreClippedToTheShare) {
  ASSERT_TRUE(upload(kShare, "0123456789"));
  const auto reader = open(kShare);
  ASSERT_TRUE(reader);
  EXPECT_EQ(read(**reader, 8, 100), "89");
  EXPECT_EQ(read(**reader, 10, 5), "");
  EXPECT_EQ(read(**reader, ~std::uint64_t{0}, 5), "");
  EXPECT_EQ(read(**reader, 0, 0), "");
  EXPECT_EQ(read(**reader, 3, 4), "3456");
}

TEST_P(Immutable, ReadNowGivesTheSameBytesOrNothing) {
  const std::string text = pattern_text(300'000);
  ASSERT_TRUE(upload(kShare, text));
  const auto reader = open(kShare);
  ASSERT_TRUE(reader);
  read(**reader, 0, text.size());  // whatever cache there is knows it now
  const std::vector<std::pair<std::uint64_t, std::size_t>> ranges{
      {0, 10}, {262'140, 10}, {299'990, 100}, {300'000, 5}, {~std::uint64_t{0} - 3, 9}};
  for (const auto& [offset, size] : ranges) {
    std::string into(size, '?');
    const auto got = (*reader)->read_now(offset, std::as_writable_bytes(std::span(into)));
    if (!got) continue;
    const std::string expected = offset < text.size() ? text.substr(offset, size) : "";
    EXPECT_EQ(*got, expected.size());
    EXPECT_EQ(into.substr(0, *got), expected);
  }
}

TEST_P(Immutable, OpenReadersOutliveTheRemoval) {
  ASSERT_TRUE(upload(kShare, "still here"));
  const auto reader = open(kShare);
  ASSERT_TRUE(reader);
  ASSERT_TRUE(run_task(backend().remove(context(), kShare)));
  EXPECT_EQ(content(kShare), "<not_found>");
  EXPECT_EQ(read(**reader, 0, 100), "still here");
  ASSERT_TRUE(upload(kShare, "another"));
  EXPECT_EQ(read(**reader, 0, 100), "still here");
}

TEST_P(Immutable, SurvivesReopeningWhilePartialUploadsDoNot) {
  if (!persistent()) GTEST_SKIP() << "nothing outlives the process";
  ASSERT_TRUE(upload(kShare, "kept"));
  const auto partial = create({kIndexA, 4}, 4);
  ASSERT_TRUE(partial);
  ASSERT_TRUE(write(**partial, 0, "gone"));
  const_cast<std::unique_ptr<ShareWriter>&>(*partial).reset();
  reopen();
  EXPECT_EQ(content(kShare), "kept");
  EXPECT_EQ(numbers(kIndexA), std::vector<ShareNumber>{3});
}

TEST_P(Immutable, WritesBeyondTheSizeAreRefused) {
  const auto writer = create(kShare, 4);
  ASSERT_TRUE(writer);
  for (const std::uint64_t offset : {std::uint64_t{2}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    const Status wrote = write(**writer, offset, "abc");
    ASSERT_FALSE(wrote) << offset;
    EXPECT_EQ(wrote.error().code(), Errc::invalid_argument);
  }
  ASSERT_TRUE(write(**writer, 0, "good"));
  ASSERT_TRUE(run_task((*writer)->commit(context(), {})));
  EXPECT_EQ(content(kShare), "good");
}

}  // namespace
}  // namespace sharestore
