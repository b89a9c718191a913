// What the loaders of `NodeConfig`'s parts share. For the files of this folder only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/core/error.h"
#include "backends/core/secret.h"
#include "config/environment.h"
#include "config/ini_reader.h"

namespace sharestore {

// The inputs, and what loading has found so far. The first fault stays; what is read after it is
// of no consequence, which keeps the loaders free of a check after each key.
struct LoadContext {
  const IniDocument& document;
  const Environment& environment;
  std::filesystem::path node_directory;
  std::filesystem::path private_directory;
  std::vector<std::string> notices;
  std::optional<Error> fault;

  void refuse(Error error) {
    if (!fault) fault = std::move(error);
  }
  // A variable's value; empty ones count as not set.
  std::optional<std::string> variable(std::string_view name) const;
};

// Reads the typed values of one section and turns whatever is wrong into the context's fault,
// with file, line, section and key.
class KeyReader {
 public:
  KeyReader(LoadContext& context, std::string_view section)
      : context_(context), section_(section) {}

  bool has(std::string_view key) const;
  // "[section] key = value" as a notice names it, with the value as written.
  std::string cite(std::string_view key) const;

  // The trimmed value; none when the key is absent or empty. `text` refuses control characters.
  std::optional<std::string> raw_text(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::string text_or(std::string_view key, std::string_view otherwise);
  // Refuses when the key is absent or empty; `expected` describes the value.
  std::string required(std::string_view key, std::string_view expected);

  bool boolean(std::string_view key, bool otherwise);
  std::uint32_t number(std::string_view key, std::uint32_t otherwise, std::uint32_t min,
                       std::uint32_t max);
  // None when the key is absent or empty.
  std::optional<std::uint64_t> size(std::string_view key);
  std::uint64_t size(std::string_view key, std::uint64_t otherwise, std::uint64_t min,
                     std::uint64_t max);
  // Relative to the node directory, '~' expanded. None when the key is absent or empty.
  std::optional<std::filesystem::path> path(std::string_view key);
  // The path of a file that can be opened; empty when the key is absent or empty.
  std::filesystem::path existing_file(std::string_view key);

  // The key's value by name, exact.
  template <class T>
  T choice(std::string_view key, T otherwise,
           std::span<const std::pair<std::string_view, T>> names) {
    if (!has(key)) return otherwise;
    const std::string word = raw_text(key).value_or("");
    std::vector<std::string_view> words;
    for (const auto& [name, value] : names) {
      if (name == word) return value;
      words.push_back(name);
    }
    refuse_choice(key, word, words);
    return otherwise;
  }

  // Runs a parser of config/grammar.h or the like over a value and locates its error.
  template <class Parser>
  auto parse(std::string_view key, const std::string& value, Parser parser)
      -> std::optional<typename decltype(parser(std::string_view()))::value_type> {
    auto result = parser(std::string_view(value));
    if (result) return std::move(*result);
    refuse(key, result.error().message(), result.error().code());
    return std::nullopt;
  }

  void refuse(std::string_view key, std::string_view sentence, Errc code = Errc::invalid_argument);
  void notice(std::string sentence) { context_.notices.push_back(std::move(sentence)); }

  LoadContext& context() { return context_; }

 private:
  void refuse_choice(std::string_view key, std::string_view word,
                     const std::vector<std::string_view>& words);

  LoadContext& context_;
  std::string section_;
};

// private/<name>, which `why` says the node needs; refuses when it is not there.
Secret required_secret(LoadContext& context, std::string_view name, std::string_view why);
// private/<name>, or an empty secret when it is not there.
Secret optional_secret(LoadContext& context, std::string_view name);

}  // namespace sharestore
