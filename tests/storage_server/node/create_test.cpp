#include "storage_server/node/create.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "config/ini_reader.h"
#include "config/known_keys.h"
#include "config/node_config.h"
#include "storage_server/node/keys.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class CreateNode : public testing::Test {
 protected:
  CreateOptions options() const {
    CreateOptions options;
    options.directory = directory_ / "node";
    options.hostname = "127.0.0.1";
    return options;
  }
  std::string refusal(const CreateOptions& wanted) const {
    const auto created = create_node(wanted, {});
    EXPECT_FALSE(fs::exists(directory_ / "node"));
    return created ? "accepted" : created.error().message();
  }
  TempDir directory_;
};

TEST_F(CreateNode, MakesADirectoryThatLoads) {
  CreateOptions wanted = options();
  wanted.nickname = "100% \xc3\xa4 ; # x";
  wanted.web_port = "tcp:3456:interface=127.0.0.1";
  wanted.storage_directory = "shares here";
  const auto created = create_node(wanted, {});
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_EQ(created->directory, directory_ / "node");
  EXPECT_EQ(created->still_needed, "");
  const auto config = load_node_config(created->directory, {});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->nickname, wanted.nickname);
  EXPECT_EQ(config->web_port.size(), 1U);
  EXPECT_EQ(config->storage.storage_directory, directory_ / "node/shares here");
  EXPECT_EQ(config->storage.reserved_space_bytes, 1'000'000'000U);
  ASSERT_TRUE(config->tub_port);
  // A loopback name means this machine only.
  EXPECT_EQ(config->tub_port->front().interface, "127.0.0.1");
  EXPECT_EQ(config->tub_port->front().port, config->tub_location.front().port);
  EXPECT_TRUE(read_keys(key_place(*config)));
  EXPECT_TRUE(fs::exists(directory_ / "node/tahoe-client.tac"));
  struct stat info{};
  ASSERT_EQ(::stat((directory_ / "node/private").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
}

TEST_F(CreateNode, WritesOnlyKeysOfThePythonNodeForDisk) {
  CreateOptions wanted = options();
  wanted.nickname = "x";
  wanted.storage_directory = "y";
  ASSERT_TRUE(create_node(wanted, {}));
  const fs::path file = directory_ / "node/tahoe.cfg";
  const auto document = IniDocument::parse(read_file(file), file.string());
  ASSERT_TRUE(document);
  std::size_t keys = 0;
  for (const std::string& section : document->sections()) {
    const KnownSection* known_section = find_known_section(section);
    ASSERT_NE(known_section, nullptr) << section;
    for (const std::string& key : document->keys(section)) {
      const KnownKey* known = find_known_key(*known_section, key);
      ASSERT_NE(known, nullptr) << key;
      EXPECT_FALSE(known->own) << key;
      ++keys;
    }
  }
  EXPECT_EQ(keys, 7U);
}

TEST_F(CreateNode, ListensOnAllAddressesForAPublicName) {
  CreateOptions wanted = options();
  wanted.hostname = "node.example.org";
  ASSERT_TRUE(create_node(wanted, {}));
  const auto config = load_node_config(directory_ / "node", {});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->tub_port->front().interface, "");
  EXPECT_EQ(config->tub_location.front().host, "node.example.org");
}

TEST_F(CreateNode, TakesIpv6Addresses) {
  for (const char* host : {"::1", "2001:db8::1"}) {
    CreateOptions wanted = options();
    wanted.hostname = host;
    ASSERT_TRUE(create_node(wanted, {})) << host;
    const auto config = load_node_config(directory_ / "node", {});
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->tub_port->front().kind, ListenEndpoint::Kind::tcp6);
    EXPECT_EQ(config->tub_location.front().host, host);
    fs::remove_all(directory_ / "node");
  }
}

TEST_F(CreateNode, TakesPortAndLocation) {
  CreateOptions wanted = options();
  wanted.hostname = "";
  wanted.port = "tcp:3457";
  wanted.location = "tor:abc.onion:80,tcp:h:1";
  ASSERT_TRUE(create_node(wanted, {}));
  const auto config = load_node_config(directory_ / "node", {});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->tub_port->front().port, 3457);
  EXPECT_EQ(config->tub_location.size(), 2U);
}

TEST_F(CreateNode, RecordsTheIntroducer) {
  CreateOptions wanted = options();
  wanted.introducer_furl = "pb://" + std::string(32, 'a') + "@tcp:h:1/introducer";
  ASSERT_TRUE(create_node(wanted, {}));
  const auto config = load_node_config(directory_ / "node", {});
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_EQ(config->introducers.size(), 1U);
  EXPECT_EQ(config->introducers[0].petname, "default");
  EXPECT_EQ(config->introducers[0].furl, wanted.introducer_furl);
}

TEST_F(CreateNode, SaysWhatAStoreStillNeeds) {
  CreateOptions wanted = options();
  wanted.backend = "cloud.openstack";
  const auto created = create_node(wanted, {});
  ASSERT_TRUE(created) << created.error().message();
  EXPECT_THAT(created->still_needed, HasSubstr("it is missing"));
  EXPECT_TRUE(fs::exists(directory_ / "node/private/node.pem"));
}

TEST_F(CreateNode, LeavesADirectoryInUseAlone) {
  write_file(directory_ / "node/precious", "x");
  const auto created = create_node(options(), {});
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), Errc::already_exists);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_ / "node"), fs::directory_iterator()),
            1);
}

TEST_F(CreateNode, TakesAnEmptyDirectory) {
  fs::create_directory(directory_ / "node");
  EXPECT_TRUE(create_node(options(), {}));
}

TEST_F(CreateNode, LeavesNothingBehindAfterAWrongOption) {
  CreateOptions wanted = options();
  wanted.hostname = "a b";
  EXPECT_THAT(refusal(wanted), HasSubstr("--hostname"));
  wanted = options();
  wanted.nickname = "two\nlines";
  EXPECT_THAT(refusal(wanted), HasSubstr("--nickname"));
  wanted = options();
  wanted.web_port = "tcp:0";
  EXPECT_THAT(refusal(wanted), HasSubstr("--webport"));
  wanted = options();
  wanted.introducer_furl = "pb://x";
  EXPECT_THAT(refusal(wanted), HasSubstr("--introducer"));
  wanted = options();
  wanted.nickname = std::string(2000, 'x');  // only the loader knows this limit
  EXPECT_THAT(refusal(wanted), HasSubstr("nickname"));
}

}  // namespace
}  // namespace sharestore
