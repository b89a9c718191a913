#include "config/advice.h"

#include "config/known_keys.h"
#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::HasSubstr;

TEST(Advice, NearestForgivesSlips) {
  const std::vector<std::string_view> names = {"readonly", "reserved_space", "backend", "tcp"};
  EXPECT_EQ(nearest("redonly", names), "readonly");
  EXPECT_EQ(nearest("reserve_space", names), "reserved_space");
  EXPECT_EQ(nearest("bakcend", names), "backend");
  EXPECT_EQ(nearest("tpc", names), "tcp");
  EXPECT_EQ(nearest("read.only", names), "readonly");
  EXPECT_EQ(nearest("colour", names), std::nullopt);
  EXPECT_EQ(nearest("x", names), std::nullopt);
  EXPECT_EQ(nearest("", names), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'r'), names), std::nullopt);
}

TEST(Advice, UnknownKeys) {
  EXPECT_EQ(refusal_of("[node]\n\n[storage]\nreserved_spcae = 1G\n"),
            "NODE/tahoe.cfg:4: section [storage]: unknown key 'reserved_spcae'; did you mean "
            "'reserved_space'?");
  EXPECT_EQ(refusal_of("[storage]\ncolour = red\n"),
            "NODE/tahoe.cfg:2: section [storage]: unknown key 'colour'");
  EXPECT_EQ(refusal_of("[storage]\ntub.port = 3457\n"),
            "NODE/tahoe.cfg:2: section [storage]: unknown key 'tub.port'; it belongs into section "
            "[node]");
  EXPECT_EQ(refusal_of("[node]\nbackend = disk\n"),
            "NODE/tahoe.cfg:2: section [node]: unknown key 'backend'; it belongs into section "
            "[storage]");
}

TEST(Advice, SecretsDoNotBelongIntoTahoeCfg) {
  EXPECT_EQ(refusal_of("[storage]\ns3.secret_access_key = hunter2\n"),
            "NODE/tahoe.cfg:2: section [storage]: unknown key 's3.secret_access_key'; secrets are "
            "kept out of tahoe.cfg: put it into private/s3secret");
  EXPECT_THAT(refusal_of("[storage]\nopenstack.api_key = hunter2\n"),
              HasSubstr("private/openstack_api_key"));
  EXPECT_THAT(refusal_of("[storage]\nopenstack.tenant_id = 1\n"), HasSubstr("openstack.project"));
  EXPECT_THAT(refusal_of("[node]\nssh.port = 8022\n"), HasSubstr("never was a valid key"));
}

TEST(Advice, UnknownSections) {
  EXPECT_EQ(refusal_of("[Node]\n"),
            "NODE/tahoe.cfg:1: unknown section [Node]; did you mean "
            "'node'?");
  EXPECT_EQ(refusal_of("\n[ node ]\n"),
            "NODE/tahoe.cfg:2: unknown section [ node ]; did you mean "
            "'node'?");
  EXPECT_EQ(refusal_of("[storag]\n"),
            "NODE/tahoe.cfg:1: unknown section [storag]; did you mean "
            "'storage'?");
  EXPECT_EQ(refusal_of("[weather]\n"), "NODE/tahoe.cfg:1: unknown section [weather]");
  EXPECT_THAT(refusal_of("[storageserver.plugins.]\n"), HasSubstr("unknown section"));
  EXPECT_EQ(refusal_of("[storageserver.plugins.x]\nany = 1\n[storageclient.plugins.y]\n"
                       "[grid_managers]\nz = pub\n"),
            "(accepted)");
}

TEST(Advice, DefaultKeysAreCheckedInEverySection) {
  EXPECT_EQ(refusal_of("[DEFAULT]\nenabled = true\n[storage]\n[helper]\n"), "(accepted)");
  EXPECT_EQ(refusal_of("[DEFAULT]\nenabled = true\n[storage]\n[node]\n"),
            "NODE/tahoe.cfg:2: section [DEFAULT]: key 'enabled' counts in every section and is "
            "unknown in [node]");
}

// Every key of the table in a file of its own is accepted or refused for its value, never unknown.
TEST(KnownKeys, AreAllAccepted) {
  for (const KnownSection& section : known_sections()) {
    for (const KnownKey& key : section.keys) {
      const std::string text =
          "[" + std::string(section.name) + "]\n" + std::string(key.name) + " =\n";
      EXPECT_THAT(refusal_of(text), testing::Not(HasSubstr("unknown"))) << text;
    }
  }
}

}  // namespace
}  // namespace sharestore
