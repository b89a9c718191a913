// Writes metrics as text, in the OpenMetrics 1.0 form or in Prometheus' own (version 0.0.4).
//
// One text, one thread. Families are written whole, one after the other, each name once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sharestore::web {

enum class MetricsForm : std::uint8_t { openmetrics, prometheus };

std::string_view content_type(MetricsForm form);

enum class MetricType : std::uint8_t { counter, gauge, summary, info, unknown };

class MetricsText {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  explicit MetricsText(MetricsForm form) : form_(form) {}

  // Begins a family. `name` is without "_total" and "_info", which counters and infos get by
  // themselves. `help` is one sentence.
  void family(std::string_view name, MetricType type, std::string_view help);
  // A sample of the family begun last. `suffix` is "_sum" or "_count" in summaries, else empty.
  void sample(double value, Labels labels = {}, std::string_view suffix = {});
  void sample(std::uint64_t value, Labels labels = {}, std::string_view suffix = {});
  // A family of one sample.
  template <class Number>
  void single(std::string_view name, MetricType type, std::string_view help, Number value) {
    family(name, type, help);
    sample(value);
  }

  // The whole text. Once.
  std::string finish();

 private:
  void begin_sample(Labels labels, std::string_view suffix);

  const MetricsForm form_;
  std::string text_;
  std::string name_;         // of the family
  std::string_view ending_;  // of its samples
};

}  // namespace sharestore::web
