// Secrets in memory: a type that cannot be printed and is wiped when it goes.
//
// Any thread; a value belongs to its holder. Copies are allowed (and wiped each on its own).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sharestore {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  // The bytes themselves, valid while this object lives and is not assigned to.
  // The name is meant to be searched for: every use is a place where a secret leaves its shell.
  std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }
  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }

  // Compares in a time that depends on the lengths only.
  bool equals(std::string_view other) const;

 private:
  void wipe();
  std::vector<char> bytes_;
};

// What logs and messages show in place of a secret.
inline std::string to_string(const Secret&) { return "***"; }

// Compares two byte strings in a time that depends on the lengths only.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace sharestore
