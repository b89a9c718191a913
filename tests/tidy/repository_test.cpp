// Rules of the repository that no compiler checks. Each test lists every breach it finds.
#include "tests/tidy/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace sharestore::tidy {
namespace {

constexpr std::size_t kMaxFileLines = 500;
constexpr std::size_t kMaxReadmeLines = 20;

const std::vector<SourceFile>& repository() {
  static const std::vector<SourceFile> files = read_repository(SHARESTORE_SOURCE_DIR);
  return files;
}

bool is_under(const std::string& path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool is_project_code(const SourceFile& file) {
  return file.is_code() && (is_under(file.path, "backends") || is_under(file.path, "config") ||
                            is_under(file.path, "storage_server"));
}

std::string at(const SourceFile& file, std::size_t line_index, const std::string& what) {
  return file.path + ":" + std::to_string(line_index + 1) + ": " + what;
}

// The path of a project include on this line, or empty.
std::string included_path(const std::string& line) {
  static const std::regex include(R"(^\s*#\s*include\s+"([^"]+)\")");
  std::smatch match;
  return std::regex_search(line, match, include) ? match[1].str() : std::string();
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

using Breaches = std::vector<std::string>;

TEST(Repository, IsThere) {
  EXPECT_GT(repository().size(), 20U);
  EXPECT_TRUE(read_layers(repository()).contains("backends/core"));
}

// backends/ itself holds two things: contracts that every backend and the server include, and the
// factory, which stands above the backends.
bool may_include(const Layers& layers, const SourceFile& from, const std::string& to) {
  const std::string to_folder = folder_of(to);
  const auto known = layers.find(from.folder);
  if (known == layers.end()) return true;
  if (known->second.contains(to_folder)) return true;
  const bool contract = to_folder == "backends" && !to.ends_with("/backend_factory.h");
  return contract && from.folder != "backends/core" && !is_under(from.path, "config");
}

TEST(Repository, IncludesPointDownwards) {
  const Layers layers = read_layers(repository());
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (!is_project_code(file) || file.path == "storage_server/main.cpp") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string included = included_path(file.lines[i]);
      if (included.empty()) continue;
      if (!layers.contains(folder_of(included))) {
        breaches.push_back(at(file, i, "include written from the root, of a module: " + included));
      } else if (!may_include(layers, file, included)) {
        breaches.push_back(at(file, i, "includes upwards or sideways: " + included));
      }
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, ConfigStandsOnCoreOnly) {
  const Layers layers = read_layers(repository());
  EXPECT_THAT(layers.at("config"), testing::UnorderedElementsAre("config", "backends/core"));
  EXPECT_THAT(layers.at("backends/core"), testing::UnorderedElementsAre("backends/core"));
}

TEST(Repository, EveryModuleIsDeclared) {
  const Layers layers = read_layers(repository());
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (is_project_code(file) && !layers.contains(file.folder) &&
        file.path != "storage_server/main.cpp") {
      breaches.push_back(file.path + ": no sharestore_module(" + file.folder +
                         ") in CMakeLists.txt");
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, ProviderNamesStayInTheirFolders) {
  // Comments and string literals may name a provider to give a reason or an example.
  const std::regex provider(R"(rackspace|openstack|(^|[^a-z0-9])s3([^0-9]|$))", std::regex::icase);
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (!is_project_code(file) || is_under(file.path, "config") ||
        is_under(file.path, "backends/s3") || is_under(file.path, "backends/openstack") ||
        file.path.starts_with("backends/backend_factory")) {
      continue;
    }
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      const std::string searched = included_path(line).empty() ? code_of(line) : line;
      if (std::regex_search(searched, provider)) breaches.push_back(at(file, i, line));
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, FilesAreShort) {
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    const bool script = is_under(file.path, "scripts") || file.path.ends_with(".py") ||
                        file.path.ends_with(".sh") || file.path.ends_with(".cmake");
    if ((file.is_code() || script) && file.lines.size() > kMaxFileLines) {
      breaches.push_back(file.path + ": " + std::to_string(file.lines.size()) + " lines");
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, HeadersHavePragmaOnce) {
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (file.is_header() &&
        std::find(file.lines.begin(), file.lines.end(), "#pragma once") == file.lines.end()) {
      breaches.push_back(file.path);
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, SkippedTestsSayWhy) {
  const std::regex skip(R"(GTEST_SKIP\(\)\s*(;|$))");
  const std::regex disabled(R"(TEST(_F|_P)?\([^)]*DISABLED_)");
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (!file.is_code()) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string code = code_of(file.lines[i]);
      const bool continued = i + 1 < file.lines.size() && file.lines[i + 1].find_first_not_of(
                                                              ' ') == file.lines[i + 1].find("<<");
      if ((std::regex_search(code, skip) && (code.find(';') != std::string::npos || !continued)) ||
          std::regex_search(code, disabled)) {
        breaches.push_back(at(file, i, file.lines[i]));
      }
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

// Waiting for real time makes a suite slow and flaky. Where a test is about real processes or
// sockets and polls with a bound, the line says so: "// real time: <why>".
TEST(Repository, TestsDoNotSleep) {
  const std::regex sleeping(R"(sleep_for|\busleep\b|\bnanosleep\b|this_thread::sleep_until)");
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    if (!file.is_code() || !is_under(file.path, "tests")) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const bool reasoned = file.lines[i].find("// real time:") != std::string::npos ||
                            (i > 0 && file.lines[i - 1].find("// real time:") != std::string::npos);
      if (!reasoned && std::regex_search(code_of(file.lines[i]), sleeping)) {
        breaches.push_back(at(file, i, file.lines[i]));
      }
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, CodeFoldersHaveShortReadmes) {
  std::map<std::string, std::size_t> readme_lines;
  std::set<std::string> code_folders;
  for (const SourceFile& file : repository()) {
    if (file.path.ends_with("README.md")) readme_lines[file.folder] = file.lines.size();
    if (is_project_code(file)) code_folders.insert(file.folder);
  }
  Breaches breaches;
  for (const std::string& folder : code_folders) {
    const auto found = readme_lines.find(folder);
    if (found == readme_lines.end()) {
      breaches.push_back(folder + ": no README.md");
    } else if (found->second > kMaxReadmeLines && folder != "config" && folder != "backends") {
      // config/ has the table of keys, backends/ the guide to a new provider.
      breaches.push_back(folder + "/README.md: " + std::to_string(found->second) + " lines");
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(Repository, NamesNoMachine) {
  // Written in two pieces so that this file does not find itself.
  const std::vector<std::string> places = {
      std::string("/wo") + "rk/", std::string("/tmp/te") + "am", std::string("/ro") + "ot/",
      std::string("deb.deb") + "ian.org"};
  Breaches breaches;
  for (const SourceFile& file : repository()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string& place : places) {
        const std::size_t found = file.lines[i].find(place);
        // "$tmp/work/x" and "build/work/" are relative to something: only a path's start counts.
        if (found == std::string::npos) continue;
        const char before = found == 0 ? ' ' : file.lines[i][found - 1];
        if (std::isalnum(static_cast<unsigned char>(before)) != 0 ||
            std::string_view("}_)-.").find(before) != std::string_view::npos) {
          continue;
        }
        breaches.push_back(at(file, i, file.lines[i]));
      }
    }
  }
  EXPECT_THAT(breaches, testing::IsEmpty());
}

TEST(CodeOf, DropsCommentsAndLiterals) {
  EXPECT_EQ(code_of("int a;  // s3"), "int a;  ");
  EXPECT_EQ(code_of(R"(f("s3 // \" x", 'c', 1'000);  // y)"), R"(f("", '', 1'000);  )");
}

}  // namespace
}  // namespace sharestore::tidy
