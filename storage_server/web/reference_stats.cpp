#include "storage_server/web/reference_stats.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/value.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sharestore::web {

namespace json = boost::json;

namespace {

// The reference's categories of requests.
struct Category {
  std::string_view name;
  ServedCall call;
};
constexpr std::array kCategories = {
    Category{"allocate", ServedCall::allocate},  Category{"write", ServedCall::write},
    Category{"close", ServedCall::close},        Category{"read", ServedCall::read_immutable},
    Category{"get", ServedCall::list_immutable}, Category{"writev", ServedCall::read_test_write},
    Category{"readv", ServedCall::read_mutable}, Category{"add-lease", ServedCall::add_lease},
};

// A percentile is told from so many samples on.
struct Percentile {
  std::string_view name;      // in keys
  std::string_view quantile;  // in metrics
  double fraction;
  std::size_t least_samples;
};
constexpr std::array kPercentiles = {
    Percentile{"01_0", "0.010", 0.01, 100},   Percentile{"10_0", "0.100", 0.1, 10},
    Percentile{"50_0", "0.500", 0.5, 10},     Percentile{"90_0", "0.900", 0.9, 10},
    Percentile{"95_0", "0.950", 0.95, 20},    Percentile{"99_0", "0.990", 0.99, 100},
    Percentile{"99_9", "0.999", 0.999, 1000},
};
constexpr std::size_t kSamplesOfReference = 1000;

const OperationFigures& figures(const NodeStatus& status, ServedCall call) {
  return status.served[static_cast<std::size_t>(call)];
}

std::optional<double> percentile(const OperationFigures& figures, const Percentile& wanted) {
  if (figures.samples.size() < wanted.least_samples) return std::nullopt;
  return figures.quantile(wanted.fraction);
}

std::optional<double> mean(const OperationFigures& figures) {
  if (figures.samples.size() < 2) return std::nullopt;
  double sum = 0;
  for (const float sample : figures.samples) sum += static_cast<double>(sample);
  return sum / static_cast<double>(figures.samples.size());
}

std::size_t sample_size(const OperationFigures& figures) {
  return std::min(figures.samples.size(), kSamplesOfReference);
}

using Named = std::vector<std::pair<std::string, std::uint64_t>>;

Named counters(const NodeStatus& status) {
  Named all;
  for (const Category& category : kCategories) {
    all.emplace_back(fmt::format("storage_server.{}", category.name),
                     figures(status, category.call).count);
  }
  all.emplace_back("storage_server.abort", figures(status, ServedCall::abort).count);
  all.emplace_back("storage_server.renew", 0);  // of clients that this node does not serve
  all.emplace_back("storage_server.bytes_added", figures(status, ServedCall::close).bytes);
  return all;
}

// What is one whole number each.
Named whole_stats(const NodeStatus& status) {
  const Space& space = status.store.backend_space;
  Named all = {
      {"storage_server.allocated", status.store.reserved_bytes},
      {"storage_server.reserved_space", status.reserved_space_bytes},
      {"storage_server.disk_avail", status.readonly ? 0 : status.space.available_bytes},
      {"storage_server.accepting_immutable_shares", status.accepts_shares() ? 1 : 0},
  };
  if (space.total_bytes != 0) {
    all.emplace_back("storage_server.disk_total", space.total_bytes);
    all.emplace_back("storage_server.disk_used", space.total_bytes - space.free_for_root_bytes);
    all.emplace_back("storage_server.disk_free_for_root", space.free_for_root_bytes);
    all.emplace_back("storage_server.disk_free_for_nonroot", space.free_bytes);
  }
  return all;
}

json::value or_null(std::optional<double> value) {
  return value ? json::value(*value) : json::value(nullptr);
}

void add_latencies(const NodeStatus& status, json::object& stats) {
  for (const Category& category : kCategories) {
    const OperationFigures& of_call = figures(status, category.call);
    if (of_call.samples.empty()) continue;
    const std::string before = fmt::format("storage_server.latencies.{}.", category.name);
    stats[before + "samplesize"] = sample_size(of_call);
    stats[before + "mean"] = or_null(mean(of_call));
    for (const Percentile& wanted : kPercentiles) {
      stats[fmt::format("{}{}_percentile", before, wanted.name)] =
          or_null(percentile(of_call, wanted));
    }
  }
}

void add_cpu(const CpuUse& cpu, json::object& stats) {
  stats["cpu_monitor.total"] = cpu.total_s;
  if (cpu.last_minute) stats["cpu_monitor.1min_avg"] = *cpu.last_minute;
  if (cpu.last_5_minutes) stats["cpu_monitor.5min_avg"] = *cpu.last_5_minutes;
  if (cpu.last_15_minutes) stats["cpu_monitor.15min_avg"] = *cpu.last_15_minutes;
}

json::object stats_object(const NodeStatus& status) {
  json::object stats;
  for (const auto& [name, value] : whole_stats(status)) stats[name] = value;
  stats["node.uptime"] = status.uptime_s;
  add_cpu(status.cpu, stats);
  add_latencies(status, stats);
  return stats;
}

// Dots and dashes may not stand in a metric's name.
std::string metric_name(std::string_view before, std::string_view key) {
  std::string name(before);
  for (const char c : key) name += c == '.' || c == '-' ? '_' : c;
  return name;
}

void write_latencies(const NodeStatus& status, MetricsText& text) {
  for (const Category& category : kCategories) {
    const OperationFigures& of_call = figures(status, category.call);
    if (of_call.samples.empty()) continue;
    const std::string name = metric_name("tahoe_stats_storage_server_latencies_", category.name);
    text.family(name, MetricType::summary,
                "Seconds that the newest requests of this kind took, by quantile.");
    for (const Percentile& wanted : kPercentiles) {
      text.sample(percentile(of_call, wanted).value_or(std::nan("")),
                  {{"quantile", wanted.quantile}});
    }
    text.single(name + "_mean", MetricType::gauge, "Mean of the newest requests, in seconds.",
                mean(of_call).value_or(std::nan("")));
    text.single(name + "_samplesize", MetricType::gauge, "Requests that the quantiles are of.",
                std::uint64_t{sample_size(of_call)});
  }
}

}  // namespace

json::object reference_statistics(const NodeStatus& status) {
  json::object counted;
  for (const auto& [name, value] : counters(status)) counted[name] = value;
  return {{"counters", std::move(counted)}, {"stats", stats_object(status)}};
}

json::object reference_storage(const NodeStatus& status) {
  return {{"stats", stats_object(status)},
          {"bucket-counter", json::object()},
          {"lease-checker", json::object()},
          {"lease-checker-progress", {{"cycle-in-progress", false}}}};
}

void write_reference_metrics(const NodeStatus& status, MetricsText& text) {
  // The names are the reference's, and not those that a counter has to have.
  for (const auto& [name, value] : counters(status)) {
    text.single(metric_name("tahoe_counters_", name), MetricType::unknown,
                "Since the start, as the Python node counts it.", value);
  }
  for (const auto& [name, value] : whole_stats(status)) {
    text.single(metric_name("tahoe_stats_", name), MetricType::unknown,
                "As the Python node reports it.", value);
  }
  text.single("tahoe_stats_node_uptime", MetricType::gauge, "Seconds since the start.",
              status.uptime_s);
  text.single("tahoe_stats_cpu_monitor", MetricType::counter, "Seconds of processor time used.",
              status.cpu.total_s);
  for (const auto& [name, value] :
       {std::pair("1min", status.cpu.last_minute), std::pair("5min", status.cpu.last_5_minutes),
        std::pair("15min", status.cpu.last_15_minutes)}) {
    if (!value) continue;
    text.single(fmt::format("tahoe_stats_cpu_monitor_{}_avg", name), MetricType::gauge,
                "Cores in use, on average over that time.", *value);
  }
  write_latencies(status, text);
}

}  // namespace sharestore::web
