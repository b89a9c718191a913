#include "storage_server/node/grid_manager_notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sharestore {
namespace {

using std::chrono::sys_days;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(GridManagerNotices, NameWhatClientsWillNotTake) {
  const sys_days now = std::chrono::March / 3 / 2026;
  const auto certificate = [](const char* name, const char* key, sys_days expires) {
    return GridManagerCertificate{name, "/gm.cert", "", "", key, expires};
  };
  const std::vector good = {certificate("good", "pub-v0-ours", now + std::chrono::days(1))};
  EXPECT_THAT(grid_manager_notices(good, "ours", now), IsEmpty());
  const std::vector bad = {certificate("old", "pub-v0-ours", now),
                           certificate("stray", "pub-v0-other", now + std::chrono::days(1))};
  EXPECT_THAT(
      grid_manager_notices(bad, "ours", now),
      ElementsAre(HasSubstr("[grid_manager_certificates] old: /gm.cert ended on 2026-03-03: "),
                  HasSubstr("stray: /gm.cert is for the key pub-v0-other, not for this node")));
}

}  // namespace
}  // namespace sharestore
