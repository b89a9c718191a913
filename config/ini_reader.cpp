#include "config/ini_reader.h"

#include <fmt/format.h>

#include <boost/property_tree/ptree.hpp>
#include <charconv>
#include <utility>

#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::string_view kDefaultSection = "DEFAULT";
// Below a section or key: where it stands in the file. Sections have it beside their keys, so it
// must be no possible key: those are never empty and never hold a newline.
constexpr const char* kLineNode = "\n";

using Tree = boost::property_tree::ptree;

const Tree* child_of(const Tree& tree, std::string_view name) {
  const auto found = tree.find(std::string(name));
  return found == tree.not_found() ? nullptr : &found->second;
}

Tree& child_or_new(Tree& tree, const std::string& name) {
  const auto found = tree.find(name);
  if (found != tree.not_found()) return found->second;
  return tree.push_back({name, Tree()})->second;
}

void set_line(Tree& node, int line) { child_or_new(node, kLineNode).data() = std::to_string(line); }

int line_of(const Tree* node) {
  const Tree* line = node == nullptr ? nullptr : child_of(*node, kLineNode);
  if (line == nullptr) return 0;
  int value = 0;
  std::from_chars(line->data().data(), line->data().data() + line->data().size(), value);
  return value;
}

std::vector<std::string> child_names(const Tree* tree, std::string_view without) {
  std::vector<std::string> names;
  if (tree == nullptr) return names;
  for (const auto& [name, child] : *tree) {
    if (name != kLineNode && name != without) names.push_back(name);
  }
  return names;
}

}  // namespace

// One pass over the lines; what it knows between them is which section and key are open.
class IniParser {
 public:
  explicit IniParser(IniDocument& document) : document_(document) {}

  Status feed(std::string_view line, int number) {
    const std::string_view content = trim(line);
    const bool is_comment = !content.empty() && (content[0] == '#' || content[0] == ';');
    if (is_comment) return {};
    if (content.empty()) {
      if (key_ != nullptr) ++blank_lines_;
      return {};
    }
    const auto indent = static_cast<std::size_t>(content.data() - line.data());
    if (key_ != nullptr && indent > key_indent_) {
      continue_value(content);
      return {};
    }
    key_indent_ = indent;
    const auto closing = content[0] == '[' ? content.find(']') : std::string_view::npos;
    if (closing != std::string_view::npos && closing > 1) {
      open_section(content.substr(1, closing - 1), number);
      return {};
    }
    return open_key(content, number);
  }

 private:
  void open_section(std::string_view name, int number) {
    section_ = &child_or_new(*document_.tree_, std::string(name));
    if (line_of(section_) == 0) set_line(*section_, number);
    section_name_ = name;
    key_ = nullptr;
  }

  Status open_key(std::string_view content, int number) {
    if (section_ == nullptr) {
      return fault(number, fmt::format("{} stands before the first section; expected a section "
                                       "header such as [node]",
                                       in_quotes(content)));
    }
    const auto delimiter = content.find_first_of("=:");
    const std::string key = ascii_lower(trim(content.substr(0, delimiter)));
    if (delimiter == std::string_view::npos || key.empty()) {
      return fault(number, fmt::format("section [{}]: {} is neither 'key = value' nor a section "
                                       "header nor a comment",
                                       section_name_, in_quotes(content)));
    }
    key_ = &child_or_new(*section_, key);
    key_->data() = trim(content.substr(delimiter + 1));
    set_line(*key_, number);
    blank_lines_ = 0;
    return {};
  }

  void continue_value(std::string_view content) {
    key_->data().append(static_cast<std::size_t>(blank_lines_) + 1, '\n').append(content);
    blank_lines_ = 0;
  }

  std::unexpected<Error> fault(int number, std::string_view sentence) const {
    return fail(Errc::invalid_argument,
                fmt::format("{}:{}: {}", document_.file_name_, number, sentence));
  }

  IniDocument& document_;
  Tree* section_ = nullptr;
  Tree* key_ = nullptr;
  std::string section_name_;
  std::size_t key_indent_ = 0;
  int blank_lines_ = 0;  // since the open key's last line: kept only if the value goes on
};

IniDocument::IniDocument(std::string file_name)
    : file_name_(std::move(file_name)), tree_(std::make_unique<Tree>()) {}
IniDocument::IniDocument(IniDocument&&) noexcept = default;
IniDocument& IniDocument::operator=(IniDocument&&) noexcept = default;
IniDocument::~IniDocument() = default;

Result<IniDocument> IniDocument::parse(std::string_view bytes, std::string file_name) {
  if (bytes.size() > kMaxConfigFileBytes) {
    return fail(Errc::too_large, fmt::format("{}: expected a file of at most {} bytes", file_name,
                                             kMaxConfigFileBytes));
  }
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  IniDocument document(std::move(file_name));
  IniParser parser(document);
  int number = 0;
  for (const std::string_view line : split_lines(bytes)) {
    ++number;
    if (!is_valid_utf8(line) || line.find('\0') != std::string_view::npos) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}:{}: expected text in UTF-8", document.file_name_, number));
    }
    if (auto status = parser.feed(line, number); !status) return fail(status.error());
  }
  return document;
}

std::vector<std::string> IniDocument::sections() const {
  return child_names(tree_.get(), kDefaultSection);
}

std::vector<std::string> IniDocument::keys(std::string_view section) const {
  return child_names(child_of(*tree_, section), "");
}

std::vector<std::string> IniDocument::default_keys() const { return keys(kDefaultSection); }

const IniDocument::Tree* IniDocument::find(std::string_view section, std::string_view key) const {
  for (const std::string_view name : {section, kDefaultSection}) {
    const Tree* node = child_of(*tree_, name);
    const Tree* found = node == nullptr ? nullptr : child_of(*node, key);
    if (found != nullptr) return found;
  }
  return nullptr;
}

bool IniDocument::has(std::string_view section, std::string_view key) const {
  return find(section, key) != nullptr;
}

std::string IniDocument::raw(std::string_view section, std::string_view key) const {
  const Tree* node = find(section, key);
  return node == nullptr ? std::string() : node->data();
}

int IniDocument::section_line(std::string_view section) const {
  return line_of(child_of(*tree_, section));
}

int IniDocument::key_line(std::string_view section, std::string_view key) const {
  return line_of(find(section, key));
}

std::string IniDocument::locate(std::string_view section, std::string_view key,
                                std::string_view sentence) const {
  const int line = key_line(section, key);
  const std::string where = line == 0 ? file_name_ : fmt::format("{}:{}", file_name_, line);
  return fmt::format("{}: section [{}]: key '{}': {}", where, section, key, sentence);
}

struct IniDocument::Expansion {
  std::string out;
  int depth = 0;
  int steps = 0;  // references followed: empty values would never reach the limit on bytes
};

Result<std::optional<std::string>> IniDocument::get(std::string_view section,
                                                    std::string_view key) const {
  const Tree* node = find(section, key);
  if (node == nullptr) return std::nullopt;
  Expansion state;
  if (auto status = expand(section, node->data(), state); !status) {
    return fail(status.error().code(), locate(section, key, status.error().message()));
  }
  return std::move(state.out);
}

Status IniDocument::expand(std::string_view section, const std::string& raw,
                           Expansion& state) const {
  if (++state.depth > kMaxInterpolationDepth || ++state.steps > kMaxInterpolationSteps) {
    return fail(
        Errc::invalid_argument,
        fmt::format("its references %(name)s are endless, or more than {} deep or {} in all",
                    kMaxInterpolationDepth, kMaxInterpolationSteps));
  }
  std::string_view rest = raw;
  while (!rest.empty()) {
    const auto percent = rest.find('%');
    state.out += rest.substr(0, percent);
    rest.remove_prefix(percent == std::string_view::npos ? rest.size() : percent);
    if (rest.starts_with("%%")) {
      state.out += '%';
      rest.remove_prefix(2);
    } else if (!rest.empty()) {
      const auto end = rest.starts_with("%(") ? rest.find(')') : std::string_view::npos;
      if (end == std::string_view::npos || end == 2 || rest.substr(end + 1, 1) != "s") {
        return fail(Errc::invalid_argument,
                    "'%' must be doubled (%%) or be part of a reference %(name)s");
      }
      const std::string name = ascii_lower(rest.substr(2, end - 2));
      const Tree* node = find(section, name);
      if (node == nullptr) {
        return fail(Errc::invalid_argument,
                    fmt::format("%({})s refers to no key of [{}] or [DEFAULT]", name, section));
      }
      if (auto status = expand(section, node->data(), state); !status) return status;
      rest.remove_prefix(end + 2);
    }
    if (state.out.size() > kMaxConfigValueBytes) {
      return fail(Errc::invalid_argument,
                  fmt::format("expected a value of at most {} bytes", kMaxConfigValueBytes));
    }
  }
  --state.depth;
  return {};
}

}  // namespace sharestore
