#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;

StorageConfig storage(std::string_view keys) {
  return NodeFixture("[storage]\n" + std::string(keys)).loaded().storage;
}

std::string refused(std::string_view keys) { return refusal_of("[storage]\n" + std::string(keys)); }

std::vector<std::string> notices(std::string_view keys) {
  return NodeFixture("[storage]\n" + std::string(keys)).loaded().notices;
}

TEST(StorageConfig, Defaults) {
  const NodeFixture node;
  const auto config = node.loaded().storage;
  EXPECT_TRUE(std::holds_alternative<DiskConfig>(config.backend));
  EXPECT_EQ(config.storage_directory, node.path() / "storage");
  EXPECT_FALSE(config.readonly);
  EXPECT_EQ(config.reserved_space_bytes, 0U);
  EXPECT_FALSE(config.sizelimit_bytes.has_value());
  EXPECT_EQ(config.memory_limit_bytes, 256 * kMiB);
  EXPECT_EQ(config.max_mutable_request_bytes, 4 * kGiB);
  EXPECT_TRUE(config.anonymous);
  EXPECT_FALSE(config.grid_management);
  EXPECT_FALSE(config.expire.enabled);
  EXPECT_EQ(config.expire.mode, ExpireConfig::Mode::age);
  EXPECT_FALSE(config.expire.override_lease_duration.has_value());
  EXPECT_FALSE(config.expire.cutoff_date.has_value());
  EXPECT_TRUE(config.expire.immutable_shares);
  EXPECT_TRUE(config.expire.mutable_shares);
  EXPECT_EQ(config.expire.rate_per_second, kDefaultExpireRatePerSecond);
}

TEST(StorageConfig, CommonKeys) {
  const auto config = storage(
      "readonly = yes\nreserved_space = 100 M\nsizelimit = 2TiB\nmemory_limit = 64MiB\n"
      "max_mutable_request = 1GiB\nanonymous = false\ngrid_management = false\n"
      "debug_discard = false\nforce_foolscap = no\nplugins =\n");
  EXPECT_TRUE(config.readonly);
  EXPECT_EQ(config.reserved_space_bytes, 100'000'000U);
  EXPECT_EQ(config.sizelimit_bytes, std::uint64_t{2} << 40);
  EXPECT_EQ(config.memory_limit_bytes, 64 * kMiB);
  EXPECT_EQ(config.max_mutable_request_bytes, kGiB);
  EXPECT_FALSE(config.anonymous);
}

TEST(StorageConfig, Backends) {
  EXPECT_STREQ(backend_name(storage("backend = disk\n").backend), "disk");
  EXPECT_STREQ(backend_name(storage("backend = memory\n").backend), "memory");
  EXPECT_THAT(notices("backend = memory\n"), Contains(HasSubstr("shares are lost")));
  EXPECT_EQ(refused("backend = cloud.msazure\n"),
            "NODE/tahoe.cfg:2: section [storage]: key 'backend': 'cloud.msazure' is not a backend "
            "of this program; expected disk, memory, cloud.s3, cloud.openstack");
  for (const char* name : {"cloud", "cloud.googlestorage", "mock_cloud", "DISK", "debug_discard"}) {
    EXPECT_THAT(refused(std::string("backend = ") + name + "\n"),
                HasSubstr("is not a backend of this program; expected disk, memory"))
        << name;
  }
  EXPECT_THAT(refused("backend = cloud.openstak\n"), HasSubstr("did you mean 'cloud.openstack'?"));
}

TEST(StorageConfig, W40DiskWithASuffixIsRefused) {
  EXPECT_THAT(refused("backend = disk.foo\n"),
              HasSubstr("NODE/tahoe.cfg:2: section [storage]: key 'backend': 'disk.foo' is not a "
                        "backend"));
}

TEST(StorageConfig, KeysOfAnotherBackendAreNoticed) {
  EXPECT_THAT(notices("s3.bucket = b\nopenstack.region = r\n"),
              Contains("[storage] s3.bucket, openstack.region: no effect with backend = disk"));
}

TEST(StorageConfig, StorageDirectory) {
  NodeFixture node("[storage]\nstorage_dir = a/../b\n");
  EXPECT_EQ(node.loaded().storage.storage_directory, node.path() / "b");
  node.write("tahoe.cfg", "[storage]\nstorage_dir = /srv/shares\n");
  EXPECT_EQ(node.loaded().storage.storage_directory, "/srv/shares");
  node.write("tahoe.cfg", "[storage]\nstorage_dir = ~/shares\n");
  EXPECT_EQ(
      node.refusal(),
      "NODE/tahoe.cfg:2: section [storage]: key 'storage_dir': '~/shares' cannot be expanded; "
      "expected a path from '/', from '~/' with HOME set, or from the node directory");
  node.environment["HOME"] = "/home/me";
  EXPECT_EQ(node.loaded().storage.storage_directory, "/home/me/shares");
  node.write("tahoe.cfg", "[storage]\nstorage_dir = ~other/shares\n");
  EXPECT_THAT(node.refusal(), HasSubstr("cannot be expanded"));
}

TEST(StorageConfig, DataKeysStopTheStart) {
  const std::pair<const char*, const char*> cases[] = {
      {"enabled = false\n", "key 'enabled': a node of this program does nothing but storage"},
      {"debug_discard = true\n", "key 'debug_discard': this node never throws shares away"},
      {"force_foolscap = true\n", "key 'force_foolscap': this node serves shares over HTTPS only"},
      {"plugins = x\n", "key 'plugins': this node loads no storage plugins"},
  };
  for (const auto& [keys, sentence] : cases) {
    const NodeFixture node("[storage]\n" + std::string(keys));
    EXPECT_THAT(node.refusal(),
                HasSubstr("NODE/tahoe.cfg:2: section [storage]: " + std::string(sentence)));
    EXPECT_EQ(node.refusal_code(), Errc::unsupported) << keys;
  }
}

TEST(StorageConfig, BadValues) {
  EXPECT_EQ(refused("reserved_space = 1.5G\n"),
            "NODE/tahoe.cfg:2: section [storage]: key 'reserved_space': '1.5G' is not a size; "
            "expected digits with an optional unit K, M, G, T, P, E (powers of 1000) or Ki, Mi, "
            "Gi, Ti, Pi, Ei (powers of 1024), such as 100M or 1GiB");
  EXPECT_THAT(refused("readonly = maybe\n"), HasSubstr("key 'readonly': 'maybe' is not a boolean"));
  EXPECT_THAT(refused("readonly = true # comment\n"), HasSubstr("is not a boolean"));
  EXPECT_THAT(refused("sizelimit = 0\n"), HasSubstr("key 'sizelimit': zero leaves no room"));
  EXPECT_THAT(refused("sizelimit = 99E\n"), HasSubstr("at most 9223372036854775807 bytes"));
  EXPECT_THAT(refused("memory_limit = 1MiB\n"),
              HasSubstr("key 'memory_limit': 1048576 bytes are out of range; expected from "
                        "16777216 to"));
  EXPECT_THAT(refused("max_mutable_request = 1\n"), HasSubstr("expected from 1048576 to"));
  EXPECT_THAT(refused("backend = di\n  sk\n"), HasSubstr("expected one line of text"));
}

TEST(StorageConfig, OnlyTheFirstFaultIsTold) {
  const std::string sentence = refused("readonly = maybe\nreserved_space = much\n");
  EXPECT_THAT(sentence, HasSubstr("readonly"));
  EXPECT_THAT(sentence, testing::Not(HasSubstr("reserved_space")));
}

TEST(ExpireConfig, Modes) {
  const auto age = storage("expire.enabled = true\nexpire.mode = age\n").expire;
  EXPECT_TRUE(age.enabled);
  EXPECT_FALSE(age.override_lease_duration.has_value());
  const auto shorter = storage(
      "expire.enabled = true\nexpire.mode = age\nexpire.override_lease_duration = 60 days\n"
      "expire.mutable = false\nexpire.rate = 50\n");
  EXPECT_EQ(shorter.expire.override_lease_duration, seconds(60 * 86'400));
  EXPECT_FALSE(shorter.expire.mutable_shares);
  EXPECT_EQ(shorter.expire.rate_per_second, 50U);
  const auto cutoff =
      storage("expire.enabled = true\nexpire.mode = cutoff-date\nexpire.cutoff_date = 2026-01-31\n")
          .expire;
  EXPECT_EQ(cutoff.mode, ExpireConfig::Mode::cutoff_date);
  EXPECT_EQ(cutoff.cutoff_date->time_since_epoch(), seconds(1'769'817'600));
}

TEST(ExpireConfig, W40RejectsWhatTheDocumentationRejects) {
  EXPECT_EQ(refused("expire.enabled = true\n"),
            "NODE/tahoe.cfg: section [storage]: key 'expire.mode': it is missing, and needed by "
            "expire.enabled; expected age or cutoff-date");
  EXPECT_EQ(refused("expire.mode = cutoff_date\n"),
            "NODE/tahoe.cfg:2: section [storage]: key 'expire.mode': 'cutoff_date' is not one of "
            "its values; expected age, cutoff-date; did you mean 'cutoff-date'?");
  EXPECT_EQ(
      refused("expire.mode = cutoff-date\n"),
      "NODE/tahoe.cfg: section [storage]: key 'expire.cutoff_date': it is missing; expected a "
      "date YYYY-MM-DD, because expire.mode is cutoff-date");
  EXPECT_THAT(
      refused("expire.mode = cutoff-date\nexpire.cutoff_date =\n"),
      HasSubstr("NODE/tahoe.cfg:3: section [storage]: key 'expire.cutoff_date': it is empty"));
}

TEST(ExpireConfig, W40PairsWithoutEffectAreNoticed) {
  const NodeFixture cutoff(
      "[storage]\nexpire.enabled = true\nexpire.mode = cutoff-date\n"
      "expire.cutoff_date = 2026-01-31\nexpire.override_lease_duration = 60 days\n");
  EXPECT_THAT(cutoff.loaded().notices,
              testing::ElementsAre("[storage] expire.override_lease_duration = 60 days has no "
                                   "effect with expire.mode = cutoff-date"));
  EXPECT_FALSE(cutoff.loaded().storage.expire.override_lease_duration.has_value());
  const NodeFixture age(
      "[storage]\nexpire.enabled = true\nexpire.mode = age\nexpire.cutoff_date = 2026-01-31\n");
  EXPECT_THAT(age.loaded().notices,
              testing::ElementsAre("[storage] expire.cutoff_date = 2026-01-31 has no effect with "
                                   "expire.mode = age"));
  EXPECT_FALSE(age.loaded().storage.expire.cutoff_date.has_value());
  EXPECT_THAT(notices("expire.enabled = true\nexpire.mode = age\nexpire.immutable = false\n"
                      "expire.mutable = false\n"),
              Contains(HasSubstr("has no effect: expire.immutable and expire.mutable are both")));
}

TEST(ExpireConfig, BadValues) {
  EXPECT_THAT(refused("expire.override_lease_duration = 60\n"),
              HasSubstr("key 'expire.override_lease_duration': '60' is not a duration; expected"));
  EXPECT_THAT(refused("expire.override_lease_duration = 0 days\n"),
              HasSubstr("zero would end every lease at once"));
  EXPECT_THAT(refused("expire.cutoff_date = tomorrow\n"), HasSubstr("expected YYYY-MM-DD"));
  for (const char* rate : {"0", "1000001", "many"}) {
    EXPECT_THAT(refused(std::string("expire.rate = ") + rate + "\n"),
                HasSubstr("expected a whole number from 1 to 1000000"))
        << rate;
  }
}

}  // namespace
}  // namespace sharestore
