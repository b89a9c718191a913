// The samples and placeholders that operators start from load as they are.
#include <fstream>
#include <regex>

#include "config/known_keys.h"
#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

const std::filesystem::path kSamples = SHARESTORE_SOURCE_DIR "/config/samples";
const std::filesystem::path kPrivate = SHARESTORE_SOURCE_DIR "/private.example";

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void copy_placeholders(NodeFixture& node) {
  for (const auto& file : files_in(kPrivate)) {
    if (file.filename() != "README.md") node.secret(file.filename().string(), read_file(file));
  }
}

// The sample with its commented keys switched on, where that is one consistent choice.
std::string with_commented_keys(const std::string& text) {
  return std::regex_replace(text, std::regex("(^|\n)#([a-z0-9_.]+ = )"), "$1$2");
}

TEST(Samples, ThereIsOnePerBackend) {
  std::set<std::string> backends;
  for (const auto& file : files_in(kSamples)) {
    NodeFixture node(read_file(file));
    copy_placeholders(node);
    const auto config = node.load();
    ASSERT_TRUE(config.has_value()) << file << ": " << config.error().message();
    backends.insert(backend_name(config->storage.backend));
    EXPECT_TRUE(config->tub_port.has_value()) << file;
    EXPECT_EQ(config->introducers.size(), 1U) << file;
  }
  EXPECT_THAT(backends, testing::ElementsAre("cloud.openstack", "cloud.s3", "disk", "memory"));
}

TEST(Samples, CommentedKeysAreKnown) {
  for (const auto& file : files_in(kSamples)) {
    const std::string text = read_file(file);
    const std::regex key("\n#([a-z0-9_.]+ = [^\n]*)");
    for (std::sregex_iterator it(text.begin(), text.end(), key), end; it != end; ++it) {
      NodeFixture node("[storage]\n" + (*it)[1].str() + "\n");
      EXPECT_THAT(node.refusal(), testing::Not(testing::HasSubstr("unknown key")))
          << file << ": " << (*it)[1].str();
    }
  }
}

TEST(Samples, CommentedS3KeysLoad) {
  std::string text = with_commented_keys(read_file(kSamples / "s3.cfg"));
  NodeFixture node(std::regex_replace(text, std::regex("s3.ca_file = [^\n]*"), "s3.ca_file = ca"));
  node.write("ca", "");
  copy_placeholders(node);
  const auto config = node.loaded();
  const auto* s3 = std::get_if<S3Config>(&config.storage.backend);
  ASSERT_NE(s3, nullptr);
  EXPECT_EQ(s3->prefix, "node7/");
  EXPECT_EQ(s3->signature, S3Config::Signature::v2);
}

TEST(Samples, TheDiskSampleSuitsThePythonNode) {
  const NodeFixture node(read_file(kSamples / "disk.cfg"));
  EXPECT_EQ(node.loaded().storage.reserved_space_bytes, 10'000'000'000U);
  EXPECT_THAT(read_file(kSamples / "disk.cfg"), testing::Not(testing::HasSubstr("backend =")));
}

TEST(Samples, EveryPlaceholderIsExplained) {
  const std::string readme = read_file(kPrivate / "README.md");
  for (const auto& file : files_in(kPrivate)) {
    if (file.filename() == "README.md") continue;
    EXPECT_THAT(readme, testing::HasSubstr("`" + file.filename().string() + "`"));
  }
}

TEST(Documentation, NamesEveryKeyAndWhoseItIs) {
  const std::string page = read_file(SHARESTORE_SOURCE_DIR "/docs/configuration.md");
  for (const KnownSection& section : known_sections()) {
    EXPECT_THAT(page, testing::HasSubstr("[" + std::string(section.name) + "]"));
    for (const KnownKey& key : section.keys) {
      const std::string name = "`" + std::string(key.name) + "`";
      EXPECT_THAT(page, testing::HasSubstr(key.own ? "| " + name + " + |" : name));
    }
  }
}

// The README's table has every key but those of other kinds of node.
TEST(Documentation, TheReadmeNamesEveryKeyThatMatters) {
  const std::string page = read_file(SHARESTORE_SOURCE_DIR "/README.md");
  for (const KnownSection& section : known_sections()) {
    for (const KnownKey& key : section.keys) {
      if (key.use == KeyUse::ignored) continue;
      const std::string name(key.name);
      EXPECT_THAT(page, testing::AnyOf(testing::HasSubstr("`" + name + "`"),
                                       testing::HasSubstr("[" + std::string(section.name) + "] " +
                                                          name + "`")));
    }
  }
}

// What the README tells to append to a new node's tahoe.cfg.
TEST(Documentation, ExamplesOfTheReadmeLoad) {
  const std::string page = read_file(SHARESTORE_SOURCE_DIR "/README.md");
  const std::regex example(R"(--backend=(\S+)[^`]*?<<'END'\n([^`]*?)\nEND\n)");
  std::set<std::string> backends;
  for (std::sregex_iterator it(page.begin(), page.end(), example), end; it != end; ++it) {
    const std::string backend = (*it)[1].str();
    NodeFixture node("[storage]\nbackend = " + backend + "\n" + (*it)[2].str() + "\n");
    copy_placeholders(node);
    const auto config = node.load();
    ASSERT_TRUE(config.has_value()) << backend << ": " << config.error().message();
    backends.insert(backend_name(config->storage.backend));
  }
  EXPECT_THAT(backends, testing::ElementsAre("cloud.openstack", "cloud.s3"));
}

}  // namespace
}  // namespace sharestore
