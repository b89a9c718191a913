#include "config/yaml_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>

#include "config/text.h"

namespace sharestore {

namespace {

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
  }
}

class YamlParser {
 public:
  YamlParser(std::string_view text, const std::string& file_name)
      : text_(text), file_name_(file_name) {}

  Result<YamlNode> document() {
    skip_blank();
    if (text_.substr(at_).starts_with("---")) {
      at_ += 3;
      skip_blank();
    }
    YamlNode root;
    if (!fault_) root = node(-1, 0);
    if (root.is_null) root.line = 1;
    if (!fault_ && skip_blank() && column() == 0 && text_.substr(at_).starts_with("...")) {
      at_ += 3;
      skip_blank();
    }
    if (!fault_ && at_ < text_.size()) refuse("expected a mapping 'name: value' at this place");
    if (fault_) return fail(*fault_);
    return root;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool at_end_of_line() const { return at_ >= text_.size() || peek() == '\n'; }
  int column() const { return static_cast<int>(at_ - line_start_); }

  void refuse(std::string_view sentence) {
    if (!fault_) {
      fault_ = Error(Errc::invalid_argument, fmt::format("{}:{}: {}", file_name_, line_, sentence));
    }
  }

  void next() {
    if (text_[at_++] == '\n') {
      ++line_;
      line_start_ = at_;
    }
  }

  // Past spaces, comments and line ends. False after a tab in the indentation, which YAML forbids.
  bool skip_blank() {
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == '#' && (at_ == line_start_ || is_ascii_space(text_[at_ - 1]))) {
        while (!at_end_of_line()) next();
      } else if (c == ' ' || c == '\n') {
        next();
      } else if (c == '\t') {
        refuse("a tab; expected spaces");
        return false;
      } else {
        break;
      }
    }
    return true;
  }

  void skip_spaces() {
    while (peek() == ' ') next();
  }

  // The value that starts here or on a later line that is indented deeper than `parent_indent`.
  YamlNode node(int parent_indent, int depth) {
    const int written_line = line_;
    YamlNode result;
    result.line = written_line;
    if (!skip_blank()) return result;
    const bool deeper = line_ == written_line || column() > parent_indent;
    if (at_ >= text_.size() || !deeper || is_document_end()) {
      result.is_null = true;
      return result;
    }
    result.line = line_;
    if (depth > kMaxYamlDepth) {
      refuse(fmt::format("nested more than {} deep", kMaxYamlDepth));
      return result;
    }
    if (peek() == '{') return flow_mapping(depth);
    const bool same_line = line_ == written_line && parent_indent >= 0;
    if (!same_line && looks_like_key()) return block_mapping(column(), depth);
    scalar(result, false);
    if (fault_) return result;
    skip_spaces();
    if (peek() == '#' && is_ascii_space(text_[at_ - 1])) {
      while (!at_end_of_line()) next();
    }
    if (!at_end_of_line()) refuse("unexpected text after a value");
    return result;
  }

  bool is_document_end() const {
    return column() == 0 &&
           (text_.substr(at_).starts_with("...") || text_.substr(at_).starts_with("---"));
  }

  // Whether "name:" follows; leaves the position as it was.
  bool looks_like_key() {
    const std::size_t at = at_;
    const int line = line_;
    const std::size_t line_start = line_start_;
    YamlNode ignored;
    const bool had_fault = fault_.has_value();
    scalar(ignored, false);
    skip_spaces();
    const bool is_key = !fault_ && line_ == line && peek() == ':' && ends_word(peek(1));
    if (!had_fault) fault_.reset();
    at_ = at;
    line_ = line;
    line_start_ = line_start;
    return is_key;
  }

  static bool ends_word(char c) { return c == '\0' || c == ' ' || c == '\n'; }

  YamlNode block_mapping(int indent, int depth) {
    YamlNode result;
    result.is_mapping = true;
    result.line = line_;
    while (!fault_ && at_ < text_.size() && column() == indent && !is_document_end()) {
      const int key_line = line_;
      if (!looks_like_key()) {
        refuse("expected 'name: value'");
        break;
      }
      YamlNode key;
      scalar(key, false);
      skip_spaces();
      next();  // the colon
      YamlNode value = node(indent, depth + 1);
      add(result, key.scalar, std::move(value), key_line);
      if (!fault_) skip_blank();
    }
    if (!fault_ && at_ < text_.size() && column() > indent) refuse("unexpected indentation");
    return result;
  }

  YamlNode flow_mapping(int depth) {
    YamlNode result;
    result.is_mapping = true;
    result.line = line_;
    next();  // the brace
    while (!fault_) {
      if (!skip_blank()) break;
      if (peek() == '}') break;
      const int key_line = line_;
      YamlNode key;
      scalar(key, true);
      if (fault_ || !skip_blank()) break;
      if (peek() != ':') {
        refuse("expected ':' after a name inside braces");
        break;
      }
      next();
      add(result, key.scalar, flow_value(depth + 1), key_line);
      if (fault_ || !skip_blank()) break;
      if (peek() == ',') {
        next();
      } else if (peek() != '}') {
        refuse("expected ',' or '}' inside braces");
      }
    }
    if (!fault_) next();  // the closing brace
    return result;
  }

  YamlNode flow_value(int depth) {
    YamlNode result;
    if (!skip_blank()) return result;
    result.line = line_;
    if (depth > kMaxYamlDepth) {
      refuse(fmt::format("nested more than {} deep", kMaxYamlDepth));
    } else if (peek() == '{') {
      return flow_mapping(depth);
    } else if (peek() == ',' || peek() == '}') {
      result.is_null = true;
    } else {
      scalar(result, true);
    }
    return result;
  }

  void add(YamlNode& mapping, const std::string& name, YamlNode value, int line) {
    if (fault_) return;
    if (mapping.find(name) != nullptr) {
      line_ = line;
      refuse(fmt::format("the name {} appears twice", in_quotes(name)));
      return;
    }
    if (mapping.members.size() == kMaxYamlMembers) {
      refuse(fmt::format("more than {} names in one mapping", kMaxYamlMembers));
      return;
    }
    value.name = name;
    mapping.members.push_back(std::move(value));
  }

  void scalar(YamlNode& out, bool in_flow) {
    const char first = peek();
    if (first == '\'') return single_quoted(out.scalar);
    if (first == '"') return double_quoted(out.scalar);
    constexpr std::string_view kReserved = "&*!|>%@`[]{},#";
    const bool list = first == '-' && ends_word(peek(1));
    const bool complex = first == '?' && ends_word(peek(1));
    if (first == '\0' || list || complex || kReserved.contains(first)) {
      refuse(
          fmt::format("{} is not supported here; expected a mapping 'name: value' with plain "
                      "or quoted text",
                      in_quotes({&first, 1})));
      return;
    }
    const std::size_t start = at_;
    while (!at_end_of_line()) {
      const char c = peek();
      if (c == ':' &&
          (ends_word(peek(1)) || (in_flow && std::string_view(",{}[]").contains(peek(1))))) {
        break;
      }
      if (c == '#' && at_ > start && is_ascii_space(text_[at_ - 1])) break;
      if (in_flow && std::string_view(",{}[]").contains(c)) break;
      next();
    }
    out.scalar = trim_end(text_.substr(start, at_ - start));
    out.is_null = out.scalar == "~" || ascii_lower(out.scalar) == "null";
    if (out.scalar.empty()) refuse("expected a name or a value");
  }

  void single_quoted(std::string& out) {
    next();
    while (!at_end_of_line()) {
      if (peek() == '\'') {
        next();
        if (peek() != '\'') return;
      }
      out += peek();
      next();
    }
    refuse("a quoted text has no end on its line");
  }

  void double_quoted(std::string& out) {
    next();
    while (!at_end_of_line()) {
      const char c = peek();
      next();
      if (c == '"') return;
      if (c != '\\') {
        out += c;
      } else if (!at_end_of_line() && !escape(out)) {
        refuse("unknown escape in a quoted text");
        return;
      }
    }
    refuse("a quoted text has no end on its line");
  }

  bool escape(std::string& out) {
    const char c = peek();
    next();
    constexpr std::string_view kNames = "0abtnvfre\"/\\ ";
    constexpr std::string_view kValues("\0\a\b\t\n\v\f\r\x1b\"/\\ ", 13);
    if (const auto found = kNames.find(c); found != std::string_view::npos) {
      out += kValues[found];
      return true;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0 || at_ + digits > text_.size()) return false;
    std::uint32_t code = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + digits, code, 16);
    if (error != std::errc() || end != begin + digits) return false;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    at_ += digits;
    append_utf8(code, out);
    return true;
  }

  std::string_view text_;
  const std::string& file_name_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  std::optional<Error> fault_;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view member) const {
  for (const YamlNode& candidate : members) {
    if (candidate.name == member) return &candidate;
  }
  return nullptr;
}

Result<YamlNode> parse_yaml(std::string_view bytes, const std::string& file_name) {
  if (bytes.size() > kMaxYamlFileBytes) {
    return fail(Errc::too_large, fmt::format("{}: expected a file of at most {} bytes", file_name,
                                             kMaxYamlFileBytes));
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  std::string text;
  for (const std::string_view line : split_lines(bytes)) (text += line) += '\n';
  if (!is_valid_utf8(text) || text.contains('\0')) {
    return fail(Errc::invalid_argument, file_name + ": expected text in UTF-8");
  }
  // Line ends to YAML 1.1, and to nobody else: neither reading would be what everyone expects.
  for (const char* separator : {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"}) {
    if (text.contains(separator)) {
      return fail(Errc::invalid_argument,
                  file_name + ": expected no line separators of Unicode (U+0085, U+2028, U+2029)");
    }
  }
  return YamlParser(text, file_name).document();
}

}  // namespace sharestore
