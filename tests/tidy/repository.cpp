#include "tests/tidy/repository.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <regex>

namespace sharestore::tidy {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 4> kNotOurs = {".git", "build", ".cache", "__pycache__"};
constexpr std::size_t kBinaryProbeBytes = 4096;

bool looks_binary(const std::string& text) {
  return text.substr(0, kBinaryProbeBytes).find('\0') != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    std::size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

}  // namespace

bool SourceFile::is_header() const { return path.ends_with(".h"); }
bool SourceFile::is_code() const { return is_header() || path.ends_with(".cpp"); }

std::vector<SourceFile> read_repository(const std::string& root) {
  std::vector<SourceFile> files;
  for (auto entry = fs::recursive_directory_iterator(root);
       entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string name = entry->path().filename().string();
    if (std::find(kNotOurs.begin(), kNotOurs.end(), name) != kNotOurs.end()) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file()) continue;
    std::ifstream in(entry->path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (looks_binary(text)) continue;
    const fs::path relative = fs::relative(entry->path(), root);
    files.push_back({relative.string(), relative.parent_path().string(), lines_of(text)});
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

Layers read_layers(const std::vector<SourceFile>& files) {
  std::string text;
  for (const SourceFile& file : files) {
    if (file.path != "CMakeLists.txt") continue;
    for (const std::string& line : file.lines) text += line + "\n";
  }
  Layers layers;
  const std::regex call(R"(sharestore_module\(([a-z0-9_/]+)([^)]*)\))");
  const std::regex word(R"([A-Za-z0-9_/:]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
    const std::string folder = (*it)[1];
    const std::string arguments = (*it)[2];
    std::set<std::string>& below = layers[folder];
    below.insert(folder);
    for (std::sregex_iterator w(arguments.begin(), arguments.end(), word); w != end; ++w) {
      const auto found = layers.find(w->str());
      if (found != layers.end()) below.insert(found->second.begin(), found->second.end());
    }
  }
  return layers;
}

std::string code_of(std::string_view line) {
  std::string code;
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != '\0') {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = '\0';
        code.push_back(c);
      }
      continue;
    }
    if (c == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    // A digit separator is no quote.
    const bool separator =
        c == '\'' && i > 0 && std::isxdigit(static_cast<unsigned char>(line[i - 1])) != 0;
    if ((c == '"' || c == '\'') && !separator) quote = c;
    code.push_back(c);
  }
  return code;
}

}  // namespace sharestore::tidy
