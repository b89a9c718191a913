#include "bench/load/report.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>

namespace sharestore::load {
namespace {

constexpr double kMega = 1e6;

double per(double amount, double of) { return of > 0 ? amount / of : 0; }

}  // namespace

std::string to_text(std::string_view mode, const Report& report, const DriverOptions& options) {
  const Tally& t = report.tally;
  const auto operations = static_cast<double>(t.operations);
  std::string out = fmt::format(
      "{}: {} operations in {:.2f} s, {:.0f}/s, {:.1f} MB/s; p50 {:.0f} p99 {:.0f} p99.5 {:.0f} "
      "max {:.0f} us; {} errors\n",
      mode, t.operations, report.seconds, per(operations, report.seconds),
      per(static_cast<double>(t.payload_bytes) / kMega, report.seconds), t.latency.part_us(0.5),
      t.latency.part_us(0.99), t.latency.part_us(0.995), t.latency.max_us(), t.errors);
  if (t.errors > 0) out += fmt::format("first error: {}\n", t.first_error);
  if (!options.server.empty()) {
    out += fmt::format(
        "server: {:.3f} CPU-s, {:.2f} us per operation, {:.0f} MB per CPU-s; RSS {:.1f} MB, "
        "anonymous {:.1f} MB, peak {:.1f} MB\n",
        report.server_cpu_s, per(report.server_cpu_s * kMega, operations),
        per(static_cast<double>(t.payload_bytes) / kMega, report.server_cpu_s),
        static_cast<double>(report.server_rss_bytes) / kMega,
        static_cast<double>(report.server_anonymous_bytes) / kMega,
        static_cast<double>(report.server_peak_bytes) / kMega);
  }
  out += fmt::format("load: {:.3f} CPU-s, {} connections, {} handshakes ({} resumed)",
                     report.client_cpu_s, report.connected, t.connects, t.resumed);
  if (report.busiest_thread > kClientBound) {
    out += fmt::format("; THE LOAD WAS THE LIMIT: a thread was busy {:.0f} % of the time",
                       100 * report.busiest_thread);
  }
  return out + "\n";
}

std::string to_json(std::string_view mode, const Report& report, const Plan& plan,
                    const DriverOptions& options) {
  const Tally& t = report.tally;
  boost::json::object latency{{"p50", t.latency.part_us(0.5)},
                              {"p99", t.latency.part_us(0.99)},
                              {"p99_5", t.latency.part_us(0.995)},
                              {"max", t.latency.max_us()},
                              {"mean", t.latency.mean_us()}};
  boost::json::object all{
      {"mode", mode},
      {"connections", options.connections},
      {"threads", options.threads},
      {"share_bytes", plan.share_bytes},
      {"range_bytes", plan.range_bytes},
      {"piece_bytes", plan.piece_bytes},
      {"seconds", report.seconds},
      {"operations", t.operations},
      {"requests", t.requests},
      {"payload_bytes", t.payload_bytes},
      {"errors", t.errors},
      {"first_error", t.first_error},
      {"handshakes", t.connects},
      {"resumed", t.resumed},
      {"connected", report.connected},
      {"operations_per_s", per(static_cast<double>(t.operations), report.seconds)},
      {"latency_us", std::move(latency)},
      {"client_cpu_s", report.client_cpu_s},
      {"busiest_thread", report.busiest_thread},
      {"client_bound", report.busiest_thread > kClientBound},
      {"server_cpu_s", report.server_cpu_s},
      {"server_rss_bytes", report.server_rss_bytes},
      {"server_anonymous_bytes", report.server_anonymous_bytes},
      {"server_peak_bytes", report.server_peak_bytes},
  };
  return boost::json::serialize(all) + "\n";
}

}  // namespace sharestore::load
