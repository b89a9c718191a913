#include "storage_server/node/announcement_seqnum.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

TEST(AnnouncementSeqnum, GrowsFromOneAndAcrossRestarts) {
  const TempDir node;
  EXPECT_EQ(AnnouncementSeqnum(node.path()).next(), 1U);
  AnnouncementSeqnum again(node.path());
  EXPECT_EQ(again.next(), 2U);
  EXPECT_EQ(again.next(), 3U);
  EXPECT_EQ(read_file(node / "announcement-seqnum"), "3\n");
}

TEST(AnnouncementSeqnum, GoesOnWhereThePythonNodeStopped) {
  const TempDir node;
  write_file(node / "announcement-seqnum", "41\n");
  EXPECT_EQ(AnnouncementSeqnum(node.path()).next(), 42U);
}

TEST(AnnouncementSeqnum, RefusesAFileThatIsNoNumberAndLeavesIt) {
  for (const char* text : {"", "x", "-1", "1 2", "9007199254740991", "99999999999999999999"}) {
    const TempDir node;
    write_file(node / "announcement-seqnum", text);
    const auto next = AnnouncementSeqnum(node.path()).next();
    ASSERT_FALSE(next) << text;
    EXPECT_EQ(next.error().code(), Errc::invalid_argument) << text;
    EXPECT_EQ(read_file(node / "announcement-seqnum"), text);
  }
}

TEST(AnnouncementSeqnum, GivesNoNumberThatIsNotDurable) {
  const TempDir node;
  EXPECT_FALSE(AnnouncementSeqnum(node / "missing").next());
}

}  // namespace
}  // namespace sharestore
