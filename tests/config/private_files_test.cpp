#include "config/private_files.h"

#include "tests/config/node_fixture.h"

namespace sharestore {
namespace {

using testing::HasSubstr;

std::string read(const NodeFixture& node, PrivateForm form = PrivateForm::one_line) {
  const auto secret = read_private_file(node.path() / "private", "s3secret", form);
  return secret ? std::string(secret->reveal())
                : "error: " + node.shorten(secret.error().message());
}

TEST(PrivateFiles, StripsWhiteSpaceAtTheEnd) {
  NodeFixture node;
  node.secret("s3secret", " s3cret \t\r\n\n");
  EXPECT_EQ(read(node), " s3cret");
}

TEST(PrivateFiles, W39EmptySecretsAreRefused) {
  NodeFixture node;
  for (const char* content : {"", "\n", " \t\r\n"}) {
    node.secret("s3secret", content);
    EXPECT_EQ(read(node), "error: NODE/private/s3secret: the file is empty; expected a secret");
  }
}

TEST(PrivateFiles, ControlCharactersAreRefusedInOneLine) {
  NodeFixture node;
  node.secret("s3secret", "first\nsecond\n");
  EXPECT_EQ(read(node),
            "error: NODE/private/s3secret: expected one line of text without control "
            "characters");
  EXPECT_EQ(read(node, PrivateForm::any_text), "first\nsecond");
  node.secret("s3secret", "fir\x01st");
  EXPECT_THAT(read(node), HasSubstr("control characters"));
}

TEST(PrivateFiles, MissingFiles) {
  NodeFixture node;
  const auto secret = read_private_file(node.path() / "private", "s3secret");
  ASSERT_FALSE(secret.has_value());
  EXPECT_EQ(secret.error().code(), Errc::not_found);
  const auto optional = read_optional_private_file(node.path() / "private", "s3secret");
  ASSERT_TRUE(optional.has_value());
  EXPECT_FALSE(optional->has_value());
}

struct ModeCase {
  mode_t folder;
  mode_t file;
  bool accepted;
};

class PrivateModes : public testing::TestWithParam<ModeCase> {};

TEST_P(PrivateModes, W39OpenFilesNeedAClosedFolder) {
  NodeFixture node;
  node.secret("s3secret", "s3cret");
  node.chmod("private/s3secret", GetParam().file);
  node.chmod("private", GetParam().folder);
  const auto secret = read_private_file(node.path() / "private", "s3secret");
  EXPECT_EQ(secret.has_value(), GetParam().accepted);
  const auto optional = read_optional_private_file(node.path() / "private", "s3secret");
  EXPECT_EQ(optional.has_value(), GetParam().accepted);
  if (!secret) EXPECT_EQ(secret.error().code(), Errc::forbidden);
}

INSTANTIATE_TEST_SUITE_P(Config, PrivateModes,
                         testing::Values(ModeCase{0700, 0600, true}, ModeCase{0700, 0644, true},
                                         ModeCase{0700, 0666, true}, ModeCase{0755, 0600, true},
                                         ModeCase{0755, 0400, true}, ModeCase{0755, 0644, false},
                                         ModeCase{0755, 0640, false}, ModeCase{0750, 0640, false},
                                         ModeCase{0711, 0604, false}, ModeCase{0710, 0620, false}));

TEST(PrivateFiles, TheRefusalHasTheCommand) {
  NodeFixture node;
  node.secret("s3secret", "s3cret");
  node.chmod("private/s3secret", 0644);
  node.chmod("private", 0755);
  EXPECT_EQ(read(node),
            "error: NODE/private/s3secret: this secret is open to others (mode 0644, in "
            "a folder of mode 0755); run: chmod 700 'NODE/private' && chmod 600 "
            "'NODE/private/s3secret'");
}

TEST(PrivateFiles, SizeIsLimited) {
  NodeFixture node;
  node.secret("s3secret", std::string(kMaxPrivateFileBytes, 'x'));
  EXPECT_EQ(read(node).size(), kMaxPrivateFileBytes);
  node.secret("s3secret", std::string(kMaxPrivateFileBytes + 1, 'x'));
  EXPECT_EQ(read(node), "error: NODE/private/s3secret: expected a secret of at most 65536 bytes");
}

TEST(PrivateFiles, OnlyRegularFiles) {
  NodeFixture node;
  std::filesystem::create_directory(node.path() / "private/s3secret");
  EXPECT_EQ(read(node), "error: NODE/private/s3secret: expected a regular file");
  std::filesystem::remove(node.path() / "private/s3secret");
  ASSERT_EQ(::mkfifo(node.file("private/s3secret").c_str(), 0600), 0);
  EXPECT_EQ(read(node), "error: NODE/private/s3secret: expected a regular file");
}

TEST(PrivateFiles, LinksAreFollowed) {
  NodeFixture node;
  node.secret("elsewhere", "s3cret");
  std::filesystem::create_symlink("elsewhere", node.path() / "private/s3secret");
  EXPECT_EQ(read(node), "s3cret");
}

}  // namespace
}  // namespace sharestore
