#include "storage_server/node/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include "backends/core/base32.h"
#include "tests/storage_server/node/python_node_directory.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kLocation = "tcp:node.example.org:3457";

class Keys : public testing::Test {
 protected:
  KeyPlace place() const {
    return {directory_.path(), directory_ / "private", directory_ / "storage"};
  }
  // Every file with its content, to see that nothing was changed.
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      if (entry.is_regular_file()) files[entry.path().string()] = read_file(entry.path());
    }
    return files;
  }
  std::string refusal() const {
    const auto before = content();
    const auto keys = prepare_keys(place(), kLocation);
    EXPECT_EQ(content(), before);
    return keys ? "accepted" : keys.error().message();
  }
  static mode_t mode_of(const fs::path& file) {
    struct stat info{};
    return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  TempDir directory_;
};

TEST_F(Keys, ANewNodeGetsThemOnce) {
  const auto made = prepare_keys(place(), kLocation);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(mode_of(directory_ / "private"), 0700U);
  for (const char* name : {"node.pem", "node.privkey", "storage.furl"}) {
    EXPECT_EQ(mode_of(directory_ / "private" / name), 0600U) << name;
  }
  EXPECT_FALSE(fs::exists(directory_ / "private/making-keys"));
  const std::string tub_id = made->certificate.tub_id;
  EXPECT_EQ(read_file(directory_ / "my_nodeid"), tub_id + "\n");
  EXPECT_EQ(read_file(directory_ / "node.pubkey"), "pub-v0-" + made->public_key + "\n");
  EXPECT_EQ(made->server_id(), "v0-" + made->public_key);
  EXPECT_EQ(made->public_key.size(), 52U);
  EXPECT_EQ(made->swissnum.size(), 32U);
  EXPECT_EQ(read_file(directory_ / "private/storage.furl"),
            "pb://" + tub_id + "@" + kLocation + "/" + std::string(made->swissnum.reveal()) + "\n");
  EXPECT_EQ(read_file(directory_ / "private/node.privkey"),
            "priv-v0-" + base32_encode(made->signing_seed.reveal()) + "\n");

  const auto before = content();
  const auto again = prepare_keys(place(), kLocation);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->certificate.tub_id, tub_id);
  EXPECT_EQ(content(), before);
}

TEST_F(Keys, ThePermutationSeedOfANewNodeEncodesTheTextOfItsKey) {
  // The example of node-directory.md section 1.
  EXPECT_EQ(base32_encode("otexyz2kemwgase6b5lvufesqedbvnazowgxyxrzexgbw5we4njq"),
            "n52gk6dzpizgwzlno5twc43fgzrdk3dwovtgk43rmvsge5tomf5g653hpb4xq4t2mv4goytxgv3wkndonjyq");
  const auto made = prepare_keys(place(), kLocation);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->permutation_seed, base32_encode(made->public_key));
  EXPECT_EQ(read_file(directory_ / "permutation-seed"), made->permutation_seed + "\n");
}

TEST_F(Keys, ThePermutationSeedOfAnOldNodeIsItsTub) {
  const auto python = test::make_python_node_directory(directory_.path());
  fs::remove(directory_ / "permutation-seed");
  EXPECT_EQ(read_keys(place())->permutation_seed, base32_encode(python.public_key));
  fs::create_directories(directory_ / "storage/shares/aa");
  EXPECT_EQ(read_keys(place())->permutation_seed, python.tub_id);
  EXPECT_FALSE(fs::exists(directory_ / "permutation-seed"));
}

TEST_F(Keys, ThePermutationSeedNeverChanges) {
  test::make_python_node_directory(directory_.path());
  write_file(directory_ / "permutation-seed", "mfrgg\n");
  EXPECT_EQ(prepare_keys(place(), kLocation)->permutation_seed, "mfrgg");
  EXPECT_EQ(read_file(directory_ / "permutation-seed"), "mfrgg\n");
  write_file(directory_ / "permutation-seed", "not base32\n");
  EXPECT_THAT(refusal(), HasSubstr("permutation-seed: expected base32"));
}

TEST_F(Keys, ThePythonNodesAreTakenOver) {
  const auto python = test::make_python_node_directory(directory_.path());
  const auto before = content();
  const auto keys = prepare_keys(place(), kLocation);
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_EQ(keys->certificate.tub_id, python.tub_id);
  EXPECT_EQ(keys->swissnum.reveal(), python.swissnum);
  EXPECT_EQ(keys->public_key, python.public_key);
  auto expected = before;
  expected[(directory_ / "private/storage.furl").string()] =
      "pb://" + python.tub_id + "@" + kLocation + "/" + python.swissnum + "\n";
  EXPECT_EQ(content(), expected);
}

TEST_F(Keys, AMissingOneIsNamedAndNeverMadeAnew) {
  for (const char* name : {"node.pem", "node.privkey", "storage.furl"}) {
    fs::remove_all(directory_ / "private");
    test::make_python_node_directory(directory_.path());
    fs::remove(directory_ / "private" / name);
    EXPECT_THAT(refusal(), HasSubstr(std::string("private/") + name + " is missing")) << name;
    EXPECT_EQ(read_keys(place()).error().code(), Errc::not_found);
    EXPECT_FALSE(check_keys(place()));
  }
}

TEST_F(Keys, ANodeThatHadSomeGetsNoNewOnes) {
  const std::string all = "are missing, but ";
  write_file(directory_ / "my_nodeid", "x\n");
  EXPECT_THAT(refusal(), HasSubstr(all));
  fs::remove(directory_ / "my_nodeid");
  fs::create_directories(directory_ / "storage/shares/aa");
  EXPECT_THAT(refusal(), HasSubstr("shares are or were kept"));
  fs::remove_all(directory_ / "storage");
  write_file(directory_ / "storage/index.sqlite", "");
  EXPECT_THAT(refusal(), HasSubstr("shares are or were kept"));
  fs::remove_all(directory_ / "storage");
  fs::create_directories(directory_ / "storage/shares/incoming");
  EXPECT_TRUE(check_keys(place()));
  EXPECT_EQ(read_keys(place()).error().code(), Errc::not_found);
  EXPECT_TRUE(prepare_keys(place(), kLocation));
}

TEST_F(Keys, AVolumeThatIsNotMountedIsNoReasonForNewOnes) {
  fs::create_directories(directory_ / "private");
  fs::create_symlink("/nonexistent/node.pem", directory_ / "private/node.pem");
  EXPECT_NE(refusal(), "accepted");
  EXPECT_TRUE(fs::is_symlink(directory_ / "private/node.pem"));
}

TEST_F(Keys, AnInterruptedFirstStartIsRepeated) {
  test::make_python_node_directory(directory_.path());
  fs::remove(directory_ / "my_nodeid");
  fs::remove(directory_ / "permutation-seed");
  fs::remove(directory_ / "private/storage.furl");
  const std::string old = read_file(directory_ / "private/node.pem");
  EXPECT_NE(refusal(), "accepted");
  write_file(directory_ / "private/making-keys", "");
  ASSERT_TRUE(prepare_keys(place(), kLocation));
  EXPECT_NE(read_file(directory_ / "private/node.pem"), old);
  EXPECT_FALSE(fs::exists(directory_ / "private/making-keys"));
}

TEST_F(Keys, FilesOfTwoNodesAreNotMixed) {
  const auto python = test::make_python_node_directory(directory_.path());
  const std::string other(32, 'a');
  write_file(directory_ / "private/storage.furl", "pb://" + other + "@tcp:h:1/" + other + "\n");
  const std::string sentence = refusal();
  EXPECT_THAT(sentence, HasSubstr("private/storage.furl: it names the tub " + other));
  EXPECT_THAT(sentence, HasSubstr(python.tub_id));
}

TEST_F(Keys, MalformedFilesAreNamedAndNotRepeated) {
  test::make_python_node_directory(directory_.path());
  for (const char* text : {"priv-v0-aaaa", "garbage", "pub-v0-secretsecret"}) {
    write_file(directory_ / "private/node.privkey", text);
    const std::string sentence = refusal();
    EXPECT_THAT(sentence, HasSubstr("private/node.privkey: expected an Ed25519 key"));
    EXPECT_THAT(sentence, testing::Not(HasSubstr(std::string(text) + ":")));
    EXPECT_THAT(sentence, testing::Not(HasSubstr("secretsecret")));
  }
}

TEST_F(Keys, PrivateFilesMayBeOpenInAClosedFolderOnly) {
  test::make_python_node_directory(directory_.path());
  EXPECT_TRUE(read_keys(place()));
  fs::permissions(directory_ / "private", static_cast<fs::perms>(0755));
  const auto keys = read_keys(place());
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code(), Errc::forbidden);
  EXPECT_THAT(keys.error().message(), HasSubstr("chmod"));
}

}  // namespace
}  // namespace sharestore
