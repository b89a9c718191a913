#include "tests/storage_server/web/openmetrics.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "config/text.h"

namespace sharestore::test {

namespace {

bool is_name(std::string_view text, bool colon) {
  if (text.empty() || is_ascii_digit(text[0])) return false;
  for (const char c : text) {
    if (!is_ascii_letter(c) && !is_ascii_digit(c) && c != '_' && !(colon && c == ':')) return false;
  }
  return true;
}

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  std::string key() const {
    std::string text = name;
    char before = '{';
    for (const auto& [label, label_value] : labels) {
      text += before + label + "=\"" + label_value + "\"";
      before = ',';
    }
    return before == ',' ? text + "}" : text;
  }
};

class Parser {
 public:
  Result<Metrics> parse(std::string_view text) {
    if (!is_valid_utf8(text)) return wrong("not UTF-8");
    if (!text.ends_with("\n# EOF\n")) return wrong("does not end in # EOF");
    text.remove_suffix(std::string_view("# EOF\n").size());
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      line_ = text.substr(0, end);
      text.remove_prefix(end + 1);
      if (auto taken = line_.starts_with('#') ? take_comment() : take_sample(); !taken) {
        return fail(taken.error());
      }
    }
    return std::move(metrics_);
  }

 private:
  std::unexpected<Error> wrong(std::string_view why) const {
    return fail(Errc::invalid_argument, std::string(why) + ": " + std::string(line_));
  }

  Status take_comment() {
    const auto words = split(line_, ' ');
    if (words.size() < 4) return wrong("neither HELP nor TYPE");
    const std::string name(words[2]);
    if (!is_name(name, true)) return wrong("bad name");
    if (words[1] == "HELP") {
      // A family begins with its HELP.
      if (!begun_.insert(name).second) return wrong("a family twice");
      family_ = name;
      type_.clear();
      return {};
    }
    static const std::set<std::string_view> kTypes = {"counter", "gauge", "summary", "info",
                                                      "unknown"};
    if (words[1] != "TYPE" || words.size() != 4 || !kTypes.contains(words[3])) {
      return wrong("neither HELP nor TYPE");
    }
    if (name != family_ || !type_.empty()) return wrong("TYPE without its HELP, or twice");
    type_ = words[3];
    metrics_.types[family_] = type_;
    return {};
  }

  Result<std::string> take_quoted(std::string_view& rest) const {
    std::string value;
    if (!rest.starts_with('"')) return wrong("a label's value is not quoted");
    for (rest.remove_prefix(1); !rest.empty(); rest.remove_prefix(1)) {
      if (rest[0] == '"') {
        rest.remove_prefix(1);
        return value;
      }
      if (rest[0] != '\\') {
        value += rest[0];
        continue;
      }
      rest.remove_prefix(1);
      if (rest.empty() || std::string_view("\\\"n").find(rest[0]) == std::string_view::npos) {
        return wrong("bad escape");
      }
      value += rest[0] == 'n' ? '\n' : rest[0];
    }
    return wrong("a label without its end");
  }

  Status take_labels(std::string_view& rest, Sample& sample) const {
    while (true) {
      rest.remove_prefix(1);  // '{' or ','
      const std::size_t equals = rest.find('=');
      if (equals == std::string_view::npos || !is_name(rest.substr(0, equals), false)) {
        return wrong("bad label");
      }
      const std::string label(rest.substr(0, equals));
      rest.remove_prefix(equals + 1);
      auto value = take_quoted(rest);
      if (!value) return fail(value.error());
      if (!sample.labels.emplace(label, std::move(*value)).second) return wrong("a label twice");
      if (rest.starts_with('}')) {
        rest.remove_prefix(1);
        return {};
      }
      if (!rest.starts_with(',')) return wrong("labels do not end");
    }
  }

  Status take_sample() {
    Sample sample;
    std::string_view rest = line_;
    const std::size_t end = rest.find_first_of("{ ");
    if (end == std::string_view::npos) return wrong("no value");
    sample.name = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!is_name(sample.name, true)) return wrong("bad name");
    if (rest.starts_with('{')) {
      if (auto taken = take_labels(rest, sample); !taken) return taken;
    }
    if (!rest.starts_with(' ')) return wrong("no value");
    rest.remove_prefix(1);
    const auto [stop, bad] = std::from_chars(rest.data(), rest.data() + rest.size(), sample.value);
    if (rest == "NaN") {
      sample.value = std::numeric_limits<double>::quiet_NaN();
    } else if (bad != std::errc() || stop != rest.data() + rest.size()) {
      return wrong("bad value");
    }
    if (!fits_family(sample)) return wrong("does not fit family " + family_ + " of " + type_);
    if (!metrics_.samples.emplace(sample.key(), sample.value).second) {
      return wrong("a sample twice");
    }
    return {};
  }

  bool fits_family(const Sample& sample) const {
    const bool counts = sample.value >= 0;
    if (type_ == "counter") return sample.name == family_ + "_total" && counts;
    if (type_ == "gauge" || type_ == "unknown") return sample.name == family_;
    if (type_ == "info") return sample.name == family_ + "_info" && sample.value == 1;
    if (type_ != "summary") return false;
    if (sample.labels.contains("quantile")) return sample.name == family_;
    return counts && (sample.name == family_ + "_sum" || sample.name == family_ + "_count");
  }

  std::string_view line_;
  std::string family_;
  std::string type_;
  std::set<std::string> begun_;
  Metrics metrics_;
};

}  // namespace

Result<Metrics> parse_openmetrics(std::string_view text) { return Parser().parse(text); }

}  // namespace sharestore::test
