// A new directory below $TMPDIR (or /tmp), removed with its content when the object goes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace sharestore {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Whole files, for fixtures. Missing parents are made; failures throw.
std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace sharestore
