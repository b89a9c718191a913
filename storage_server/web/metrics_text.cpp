#include "storage_server/web/metrics_text.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace sharestore::web {

namespace {

std::string_view type_name(MetricType type, MetricsForm form) {
  const bool openmetrics = form == MetricsForm::openmetrics;
  switch (type) {
    case MetricType::counter: return "counter";
    case MetricType::gauge: return "gauge";
    case MetricType::summary: return "summary";
    case MetricType::info: return openmetrics ? "info" : "gauge";
    case MetricType::unknown: return openmetrics ? "unknown" : "untyped";
  }
  return "unknown";
}

std::string_view ending_of(MetricType type) {
  if (type == MetricType::counter) return "_total";
  return type == MetricType::info ? "_info" : "";
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
}

}  // namespace

std::string_view content_type(MetricsForm form) {
  return form == MetricsForm::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsText::family(std::string_view name, MetricType type, std::string_view help) {
  name_ = name;
  ending_ = ending_of(type);
  // OpenMetrics describes the family, Prometheus the samples.
  const std::string_view described = form_ == MetricsForm::openmetrics ? "" : ending_;
  fmt::format_to(std::back_inserter(text_), "# HELP {}{} {}\n# TYPE {}{} {}\n", name, described,
                 help, name, described, type_name(type, form_));
}

void MetricsText::begin_sample(Labels labels, std::string_view suffix) {
  text_.append(name_).append(ending_).append(suffix);
  char before = '{';
  for (const auto& [label, value] : labels) {
    text_ += before;
    text_.append(label).append("=\"");
    append_escaped(text_, value);
    text_ += '"';
    before = ',';
  }
  text_.append(before == ',' ? "} " : " ");
}

void MetricsText::sample(double value, Labels labels, std::string_view suffix) {
  begin_sample(labels, suffix);
  if (std::isnan(value)) {
    text_ += "NaN\n";
  } else {
    fmt::format_to(std::back_inserter(text_), "{}\n", value);
  }
}

void MetricsText::sample(std::uint64_t value, Labels labels, std::string_view suffix) {
  begin_sample(labels, suffix);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

std::string MetricsText::finish() {
  // A comment to Prometheus.
  text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace sharestore::web
