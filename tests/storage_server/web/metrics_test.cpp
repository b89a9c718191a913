// The metrics as text, read by a strict parser.
#include "storage_server/web/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/value.hpp>
#include <cmath>
#include <string>

#include "storage_server/web/reference_stats.h"
#include "tests/storage_server/web/full_status.h"
#include "tests/storage_server/web/openmetrics.h"

namespace sharestore::web {
namespace {

using test::full_status;
using test::parse_openmetrics;
using testing::HasSubstr;

TEST(OpenMetricsParser, RefusesWhatIsWrong) {
  const std::string good =
      "# HELP a_b Help.\n# TYPE a_b gauge\na_b{x=\"1\",y=\"\\\\\\\"\\n\"} 1.5\na_b NaN\n# EOF\n";
  EXPECT_TRUE(parse_openmetrics(good)) << parse_openmetrics(good).error().message();
  const auto family = [](const std::string& type, const std::string& lines) {
    return "# HELP a A.\n# TYPE a " + type + "\n" + lines + "# EOF\n";
  };
  const std::vector<std::string> all_bad = {
      "# HELP a A.\n# TYPE a gauge\na 1\n",
      "a 1\n# EOF\n",
      "# TYPE a gauge\na 1\n# EOF\n",
      family("gauge", "a-b 1\n"),
      family("gauge", "a\n"),
      family("gauge", "a x\n"),
      family("gauge", "a 1\na 1\n"),
      family("gauge", "a{x=\"1\",x=\"2\"} 1\n"),
      family("gauge", "a{x=\"\\t\"} 1\n"),
      family("gauge", "a{x=1} 1\n"),
      family("gauge", "a{x=\"1\" 1\n"),
      family("gauge", "b 1\n"),
      family("gauge", "\n"),
      family("gauge", "a 1\n# HELP a A.\n"),
      family("counter", "a 1\n"),
      family("counter", "a_total -1\n"),
      family("untyped", "a 1\n"),
      family("info", "a_info 2\n"),
      family("summary", "a 1\n"),
  };
  for (const std::string& bad : all_bad) EXPECT_FALSE(parse_openmetrics(bad)) << bad;
}

TEST(Metrics, AreWellFormedWithEverythingAndWithNothing) {
  for (const NodeStatus& status : {NodeStatus(), full_status()}) {
    const auto parsed = parse_openmetrics(render_metrics(status, MetricsForm::openmetrics));
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_GT(parsed->samples.size(), 50U);
  }
}

TEST(Metrics, KeepTheReferencesNames) {
  const auto parsed = parse_openmetrics(render_metrics(full_status(), MetricsForm::openmetrics));
  ASSERT_TRUE(parsed);
  const auto& samples = parsed->samples;
  EXPECT_EQ(samples.at("tahoe_counters_storage_server_allocate"), 10);
  EXPECT_EQ(samples.at("tahoe_counters_storage_server_add_lease"), 100);
  EXPECT_EQ(samples.at("tahoe_counters_storage_server_bytes_added"), 30 * 100);
  EXPECT_EQ(samples.at("tahoe_stats_storage_server_disk_total"), 100'000'000);
  EXPECT_EQ(samples.at("tahoe_stats_storage_server_disk_used"), 40'000'000);
  EXPECT_EQ(samples.at("tahoe_stats_storage_server_accepting_immutable_shares"), 1);
  EXPECT_EQ(samples.at("tahoe_stats_node_uptime"), 90'000.5);
  EXPECT_EQ(samples.at("tahoe_stats_cpu_monitor_total"), 12.5);
  EXPECT_EQ(samples.at("tahoe_stats_cpu_monitor_1min_avg"), 0.25);
  EXPECT_FALSE(samples.contains("tahoe_stats_cpu_monitor_15min_avg"));
  EXPECT_EQ(samples.at("tahoe_stats_storage_server_latencies_add_lease_samplesize"), 100);
  const std::string median = "tahoe_stats_storage_server_latencies_add_lease{quantile=\"0.500\"}";
  EXPECT_NEAR(samples.at(median), 0.05, 1e-6);
  // 50 samples are too few for it.
  const std::string rare = "tahoe_stats_storage_server_latencies_get{quantile=\"0.990\"}";
  EXPECT_TRUE(std::isnan(samples.at(rare)));
}

// W41: bytes and corruption reports are counted and shown.
TEST(Metrics, TellOursWithLabels) {
  const auto parsed = parse_openmetrics(render_metrics(full_status(), MetricsForm::openmetrics));
  ASSERT_TRUE(parsed);
  const auto& samples = parsed->samples;
  EXPECT_EQ(samples.at("sharestore_shares{kind=\"mutable\"}"), 2);
  EXPECT_EQ(samples.at("sharestore_shares_stored_bytes{kind=\"mutable\"}"), 2'000);
  EXPECT_EQ(samples.at("sharestore_corruption_advisories_total"), 4);
  EXPECT_EQ(samples.at("sharestore_ending_shares{kind=\"mutable\",within=\"30d\"}"), 2);
  EXPECT_EQ(samples.at("sharestore_index_rebuild_scanned_shares"), 500);
  EXPECT_EQ(samples.at("sharestore_index_rebuild_done_ratio"), 0.25);
  EXPECT_EQ(samples.at("sharestore_expiry_enabled"), 1);
  EXPECT_EQ(samples.at("sharestore_expiry_held"), 1);
  EXPECT_EQ(samples.at("sharestore_expiry_removed_shares_total"), 5);
  EXPECT_EQ(samples.at("sharestore_expiry_failures_total"), 1);
  EXPECT_EQ(samples.at("sharestore_expiry_going_shares{kind=\"immutable\",within=\"7d\"}"), 4);
  EXPECT_EQ(samples.at("sharestore_backend_operations_total{operation=\"open\"}"), 20);
  EXPECT_EQ(samples.at("sharestore_backend_clock_offset_seconds"), -7);
  EXPECT_EQ(samples.at("sharestore_store_retries_total"), 4);
  EXPECT_EQ(samples.at("sharestore_cache_hits_total"), 30);
  const std::string duration = "sharestore_backend_operation_duration_seconds";
  EXPECT_NEAR(samples.at(duration + "{operation=\"open\",quantile=\"1\"}"), 0.02, 1e-6);
  EXPECT_EQ(samples.at(duration + "_count{operation=\"open\"}"), 20);
  EXPECT_EQ(samples.at("sharestore_http_answers_total{status=\"404\"}"), 1);
  EXPECT_EQ(samples.at("sharestore_last_upload_timestamp_seconds"), test::kNow - 60);
  EXPECT_FALSE(samples.contains("sharestore_last_download_timestamp_seconds"));
  // The stranger's text came through as a label, whole.
  const std::string label = std::string("{introducer=\"") + test::kMarkup + "\"}";
  EXPECT_EQ(samples.at("sharestore_introducer_connected" + label), 0);
}

TEST(Metrics, PrometheusFormDescribesSamples) {
  const std::string text = render_metrics(full_status(), MetricsForm::prometheus);
  EXPECT_THAT(text, HasSubstr("# TYPE sharestore_http_answers_total counter\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE sharestore_info gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE tahoe_counters_storage_server_read untyped\n"));
}

TEST(ReferenceStatistics, HaveTheReferencesKeys) {
  const boost::json::object statistics = reference_statistics(full_status());
  const auto& counters = statistics.at("counters").as_object();
  for (const char* name : {"allocate", "write", "close", "abort", "read", "get", "writev", "readv",
                           "add-lease", "renew", "bytes_added"}) {
    EXPECT_TRUE(counters.contains(std::string("storage_server.") + name)) << name;
  }
  const auto& stats = statistics.at("stats").as_object();
  for (const char* name :
       {"storage_server.allocated", "storage_server.reserved_space", "storage_server.disk_total",
        "storage_server.disk_used", "storage_server.disk_free_for_root",
        "storage_server.disk_free_for_nonroot", "storage_server.disk_avail",
        "storage_server.accepting_immutable_shares", "node.uptime", "cpu_monitor.total",
        "storage_server.latencies.add-lease.mean", "storage_server.latencies.add-lease.samplesize",
        "storage_server.latencies.add-lease.01_0_percentile",
        "storage_server.latencies.add-lease.99_9_percentile"}) {
    EXPECT_TRUE(stats.contains(name)) << name;
  }
  EXPECT_TRUE(stats.at("storage_server.latencies.add-lease.99_9_percentile").is_null());
  EXPECT_FALSE(stats.at("storage_server.latencies.add-lease.01_0_percentile").is_null());
  // Categories that were never used are not there.
  const boost::json::object unused = reference_statistics(NodeStatus());
  EXPECT_FALSE(unused.at("stats").as_object().contains("storage_server.latencies.get.mean"));
}

TEST(ReferenceStatistics, AReadonlyNodeTakesNothing) {
  NodeStatus status = full_status();
  status.readonly = true;
  const boost::json::object storage = reference_storage(status);
  const auto& stats = storage.at("stats").as_object();
  EXPECT_EQ(stats.at("storage_server.disk_avail").to_number<int>(), 0);
  EXPECT_EQ(stats.at("storage_server.accepting_immutable_shares").to_number<int>(), 0);
  EXPECT_EQ(storage.at("lease-checker-progress").at("cycle-in-progress").as_bool(), false);
}

}  // namespace
}  // namespace sharestore::web
