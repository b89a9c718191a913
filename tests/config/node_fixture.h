// A node directory made of strings, for tests of the configuration.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "config/node_config.h"
#include "tests/support/temp_dir.h"

namespace sharestore {

class NodeFixture {
 public:
  explicit NodeFixture(std::string_view tahoe_cfg = "") {
    write("tahoe.cfg", tahoe_cfg);
    std::filesystem::create_directory(path() / "private");
    chmod("private", 0700);
  }

  std::filesystem::path path() const { return directory_.path(); }
  std::string file(std::string_view name) const { return (path() / name).string(); }
  void write(std::string_view name, std::string_view content) {
    write_file(path() / name, content);
  }
  void secret(std::string_view name, std::string_view content) {
    write(std::string("private/").append(name), content);
  }
  void chmod(std::string_view name, mode_t mode) {
    ASSERT_EQ(::chmod(file(name).c_str(), mode), 0) << file(name);
  }

  Result<NodeConfig> load() const { return load_node_config(path(), environment); }

  // The configuration, or a failed test and the defaults.
  NodeConfig loaded() const {
    auto config = load();
    EXPECT_TRUE(config.has_value()) << config.error().message();
    return config ? std::move(*config) : NodeConfig{};
  }

  // The sentence of the refusal, with the node directory written as NODE.
  std::string refusal() const {
    const auto config = load();
    if (config) return "(accepted)";
    return shorten(config.error().message());
  }
  Errc refusal_code() const {
    const auto config = load();
    EXPECT_FALSE(config.has_value());
    return config ? Errc::io_error : config.error().code();
  }

  std::string shorten(std::string text) const {
    const std::string directory = path().string();
    for (auto at = text.find(directory); at != std::string::npos; at = text.find(directory)) {
      text.replace(at, directory.size(), "NODE");
    }
    return text;
  }

  Environment environment;

 private:
  TempDir directory_;
};

inline std::string refusal_of(std::string_view tahoe_cfg) {
  return NodeFixture(tahoe_cfg).refusal();
}

}  // namespace sharestore
