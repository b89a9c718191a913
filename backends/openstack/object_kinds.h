// What lies under keys that were used of late: spares a look before an object is replaced or
// removed, because only one whose segments must go with it needs more than one request.
//
// Any thread. True as long as no one else writes to the container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace sharestore::openstack {

enum class ObjectKind : std::uint8_t { absent, plain, manifest };

class ObjectKinds {
 public:
  static constexpr std::size_t kMaxKeys = 4096;

  std::optional<ObjectKind> of(const std::string& key) const {
    const std::lock_guard hold(mutex_);
    const auto found = kinds_.find(key);
    if (found == kinds_.end()) return std::nullopt;
    return found->second.first;
  }

  void set(const std::string& key, ObjectKind kind) {
    const std::lock_guard hold(mutex_);
    drop(key);
    if (kinds_.size() >= kMaxKeys) drop(std::string(order_.front()));
    order_.push_back(key);
    kinds_.emplace(key, std::pair(kind, std::prev(order_.end())));
  }

  void forget(const std::string& key) {
    const std::lock_guard hold(mutex_);
    drop(key);
  }

 private:
  void drop(const std::string& key) {
    const auto found = kinds_.find(key);
    if (found == kinds_.end()) return;
    order_.erase(found->second.second);
    kinds_.erase(found);
  }

  mutable std::mutex mutex_;
  std::list<std::string> order_;  // oldest first
  std::unordered_map<std::string, std::pair<ObjectKind, std::list<std::string>::iterator>> kinds_;
};

}  // namespace sharestore::openstack
