// A status in which everything that can be there is, with texts of strangers in it.
#pragma once

#include <chrono>
#include <string>

#include "storage_server/web/status.h"

namespace sharestore::test {

inline constexpr std::int64_t kNow = 1'700'000'000;
inline constexpr const char* kMarkup = "<script>alert('x')</script>&\"\n\\";

inline OperationFigures figures_of(std::uint64_t count) {
  OperationMeter meter;
  for (std::uint64_t i = 0; i < count; ++i) {
    meter.count(100);
    meter.time(std::chrono::milliseconds(i + 1));
  }
  return meter.read();
}

inline web::NodeStatus full_status() {
  web::NodeStatus status;
  status.node.version = "sharestore/0.1.0";
  status.node.nickname = kMarkup;
  status.node.node_id = "abcdefghijklmnopqrstuvwxyz234567";
  status.node.backend = "disk";
  status.node.process = 4711;
  status.node.started_at = kNow - 90'000;
  status.now = kNow;
  status.uptime_s = 90'000.5;
  status.cpu = {12.5, 0.25, 0.5, std::nullopt};
  status.backend = {-7, StoreTraffic{50, 4, 1, 1000, 2000}, CacheUse{30, 3}};
  status.backend_failure = BackendFailure{"commit", kMarkup, WallTime(std::chrono::seconds(kNow))};
  status.backend_operations = {{"open", figures_of(20)}, {"read_now", {}}};
  status.backend_operations[1].figures.count = 7;
  status.rebuild = web::RebuildStatus{500, 0.25};
  status.totals = {3, 2, 3'000'000, 2'000, 9, 1, 4};
  status.activity = {kNow - 60, kNow - 3600, 0};
  status.index_size = {1 << 20, 4096};
  status.advisories = {{ShareId{}, kNow - 5, kMarkup}};
  status.space = {50'000'000, 40'000'000, 30'000'000};
  status.store = {{100'000'000, 60'000'000, 55'000'000, 1ULL << 40}, 12'345, 2};
  status.sizelimit_bytes = 80'000'000;
  status.reserved_space_bytes = 1'000'000;
  status.ending = web::EndingShares{{1, 100, 0, 0}, {2, 200, 1, 10}, {3, 300, 2, 20}};
  status.expiry = {true, kMarkup, 5, 500, 1, kMarkup, web::EndingShares{{}, {4, 400, 0, 0}, {}}};
  status.introducers.push_back({kMarkup, false, kMarkup, std::nullopt, std::nullopt, 3, 0});
  status.http.answers = {{200, 10}, {404, 1}};
  for (std::size_t i = 0; i < kServedCalls; ++i) status.served[i] = figures_of(i * 10);
  return status;
}

}  // namespace sharestore::test
