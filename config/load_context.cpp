#include "config/load_context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "config/advice.h"
#include "config/grammar.h"
#include "config/private_files.h"
#include "config/text.h"

namespace sharestore {

std::optional<std::string> LoadContext::variable(std::string_view name) const {
  const auto found = environment.find(name);
  if (found == environment.end() || trim(found->second).empty()) return std::nullopt;
  return std::string(trim(found->second));
}

bool KeyReader::has(std::string_view key) const { return context_.document.has(section_, key); }

std::string KeyReader::cite(std::string_view key) const {
  return fmt::format("[{}] {} = {}", section_, key, trim(context_.document.raw(section_, key)));
}

void KeyReader::refuse(std::string_view key, std::string_view sentence, Errc code) {
  context_.refuse(Error(code, context_.document.locate(section_, key, sentence)));
}

void KeyReader::refuse_choice(std::string_view key, std::string_view word,
                              const std::vector<std::string_view>& words) {
  refuse(key, fmt::format("{} is not one of its values; expected {}{}", in_quotes(word),
                          fmt::join(words, ", "), did_you_mean(ascii_lower(word), words)));
}

std::optional<std::string> KeyReader::raw_text(std::string_view key) {
  const auto value = context_.document.get(section_, key);
  if (!value) {
    context_.refuse(value.error());
    return std::nullopt;
  }
  std::string content(trim(value->value_or("")));
  if (content.empty()) return std::nullopt;
  return content;
}

std::optional<std::string> KeyReader::text(std::string_view key) {
  auto value = raw_text(key);
  if (value && std::ranges::any_of(*value, is_ascii_control)) {
    refuse(key, fmt::format("{} has more than one line or control characters; expected one line "
                            "of text",
                            in_quotes(*value)));
    return std::nullopt;
  }
  return value;
}

std::string KeyReader::text_or(std::string_view key, std::string_view otherwise) {
  return text(key).value_or(std::string(otherwise));
}

std::string KeyReader::required(std::string_view key, std::string_view expected) {
  auto value = text(key);
  if (value) return std::move(*value);
  refuse(key, fmt::format("it is {}; expected {}", has(key) ? "empty" : "missing", expected));
  return {};
}

bool KeyReader::boolean(std::string_view key, bool otherwise) {
  if (!has(key)) return otherwise;
  return parse(key, raw_text(key).value_or(""), parse_boolean).value_or(otherwise);
}

std::uint32_t KeyReader::number(std::string_view key, std::uint32_t otherwise, std::uint32_t min,
                                std::uint32_t max) {
  const auto value = text(key);
  if (!value) return otherwise;
  const auto parser = [&](std::string_view digits) { return parse_number(digits, min, max); };
  return static_cast<std::uint32_t>(parse(key, *value, parser).value_or(otherwise));
}

std::optional<std::uint64_t> KeyReader::size(std::string_view key) {
  const auto value = text(key);
  if (!value) return std::nullopt;
  return parse(key, *value, parse_size).value_or(std::nullopt);
}

std::uint64_t KeyReader::size(std::string_view key, std::uint64_t otherwise, std::uint64_t min,
                              std::uint64_t max) {
  const auto value = size(key);
  if (!value) return otherwise;
  if (*value < min || *value > max) {
    refuse(key, fmt::format("{} bytes are out of range; expected from {} to {} bytes", *value, min,
                            max));
  }
  return *value;
}

std::optional<std::filesystem::path> KeyReader::path(std::string_view key) {
  const auto value = text(key);
  if (!value) return std::nullopt;
  if (!value->starts_with('~')) return (context_.node_directory / *value).lexically_normal();
  const auto home = context_.variable("HOME");
  if (!home || (value->size() > 1 && (*value)[1] != '/')) {
    refuse(key, fmt::format("{} cannot be expanded; expected a path from '/', from '~/' with HOME "
                            "set, or from the node directory",
                            in_quotes(*value)));
    return std::nullopt;
  }
  return std::filesystem::path(*home + value->substr(1)).lexically_normal();
}

std::filesystem::path KeyReader::existing_file(std::string_view key) {
  const auto file = path(key);
  if (!file) return {};
  std::error_code ignored;
  const bool usable = std::filesystem::is_regular_file(*file, ignored) && std::ifstream(*file);
  if (!usable) {
    refuse(key, fmt::format("{} is no file that this user can read", in_quotes(file->string())));
  }
  return *file;
}

Secret required_secret(LoadContext& context, std::string_view name, std::string_view why) {
  auto secret = read_private_file(context.private_directory, name);
  if (secret) return std::move(*secret);
  if (secret.error().code() != Errc::not_found) {
    context.refuse(secret.error());
  } else {
    context.refuse(Error(Errc::invalid_argument,
                         fmt::format("{}: the file is missing; expected {}",
                                     (context.private_directory / name).string(), why)));
  }
  return {};
}

Secret optional_secret(LoadContext& context, std::string_view name) {
  auto secret = read_optional_private_file(context.private_directory, name);
  if (!secret) context.refuse(secret.error());
  return secret ? std::move(*secret).value_or(Secret()) : Secret();
}

}  // namespace sharestore
