#include "config/storage_loader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "config/advice.h"
#include "config/grammar.h"
#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::uint32_t kCacheShareOfMemory = 2;  // at most this part of memory_limit: the half
constexpr std::string_view kShortS3 = "s3";
constexpr std::array<std::string_view, 4> kBackends = {"disk", "memory", "cloud.s3",
                                                       "cloud.openstack"};

// Keys that guard privacy or data, with a value that this node cannot honour.
void check_guarded(KeyReader& storage) {
  if (!storage.boolean("enabled", true)) {
    storage.refuse("enabled", "a node of this program does nothing but storage; expected true",
                   Errc::unsupported);
  }
  if (storage.boolean("debug_discard", false)) {
    storage.refuse("debug_discard",
                   "this node never throws shares away; expected false, or no such key",
                   Errc::unsupported);
  }
  if (storage.boolean("force_foolscap", false)) {
    storage.refuse("force_foolscap",
                   "this node serves shares over HTTPS only; expected false, or no such key",
                   Errc::unsupported);
  }
  if (storage.raw_text("plugins")) {
    storage.refuse("plugins", "this node loads no storage plugins; expected no such key",
                   Errc::unsupported);
  }
}

ExpireConfig::Mode load_expire_mode(KeyReader& storage, bool enabled) {
  using Mode = ExpireConfig::Mode;
  constexpr std::array<std::pair<std::string_view, Mode>, 2> kModes{
      {{"age", Mode::age}, {"cutoff-date", Mode::cutoff_date}}};
  if (enabled && !storage.has("expire.mode")) {
    storage.refuse("expire.mode",
                   "it is missing, and needed by expire.enabled; expected age or cutoff-date");
  }
  return storage.choice<Mode>("expire.mode", Mode::age, kModes);
}

ExpireConfig load_expire(KeyReader& storage) {
  using Mode = ExpireConfig::Mode;
  ExpireConfig expire;
  expire.enabled = storage.boolean("expire.enabled", false);
  expire.mode = load_expire_mode(storage, expire.enabled);
  if (const auto text = storage.text("expire.override_lease_duration")) {
    expire.override_lease_duration =
        storage.parse("expire.override_lease_duration", *text, parse_duration);
    if (expire.override_lease_duration == std::chrono::seconds(0)) {
      storage.refuse("expire.override_lease_duration",
                     "zero would end every lease at once; expected at least one second");
    }
  }
  if (const auto text = storage.text("expire.cutoff_date")) {
    expire.cutoff_date = storage.parse("expire.cutoff_date", *text, parse_date);
  } else if (expire.mode == Mode::cutoff_date) {
    storage.required("expire.cutoff_date", "a date YYYY-MM-DD, because expire.mode is cutoff-date");
  }
  if (expire.mode == Mode::cutoff_date && expire.override_lease_duration) {
    storage.notice(fmt::format("{} has no effect with expire.mode = cutoff-date",
                               storage.cite("expire.override_lease_duration")));
    expire.override_lease_duration.reset();
  }
  if (expire.mode == Mode::age && expire.cutoff_date) {
    storage.notice(
        fmt::format("{} has no effect with expire.mode = age", storage.cite("expire.cutoff_date")));
    expire.cutoff_date.reset();
  }
  expire.immutable_shares = storage.boolean("expire.immutable", true);
  expire.mutable_shares = storage.boolean("expire.mutable", true);
  if (expire.enabled && !expire.immutable_shares && !expire.mutable_shares) {
    storage.notice(
        "[storage] expire.enabled = true has no effect: expire.immutable and "
        "expire.mutable are both false");
  }
  expire.rate_per_second =
      storage.number("expire.rate", kDefaultExpireRatePerSecond, 1, kMaxExpireRatePerSecond);
  return expire;
}

BackendConfig load_backend(LoadContext& context, KeyReader& storage, std::uint64_t memory_limit) {
  const std::string name = storage.text_or("backend", "disk");
  if (name == "disk") return DiskConfig{};
  if (name == "memory") {
    storage.notice("[storage] backend = memory: shares are lost when the node stops");
    return MemoryConfig{};
  }
  if (name == "cloud.s3" || name == kShortS3) return load_s3(context, memory_limit);
  if (name == "cloud.openstack") return load_openstack(context, memory_limit);
  storage.refuse("backend",
                 fmt::format("{} is not a backend of this program; expected {}{}", in_quotes(name),
                             fmt::join(kBackends, ", "), did_you_mean(name, kBackends)));
  return DiskConfig{};
}

// Keys of a provider that is not the one in use: harmless, and perhaps not meant so.
void notice_idle_keys(LoadContext& context, KeyReader& storage, const BackendConfig& backend) {
  std::vector<std::string> idle;
  for (const std::string& key : context.document.keys("storage")) {
    const bool of_s3 = key.starts_with("s3.") && !std::holds_alternative<S3Config>(backend);
    const bool of_openstack =
        key.starts_with("openstack.") && !std::holds_alternative<OpenStackConfig>(backend);
    if (of_s3 || of_openstack) idle.push_back(key);
  }
  if (idle.empty()) return;
  storage.notice(fmt::format("[storage] {}: no effect with backend = {}", fmt::join(idle, ", "),
                             backend_name(backend)));
}

}  // namespace

std::span<const std::string_view> backend_names() { return kBackends; }

bool is_backend_name(std::string_view name) {
  return name == kShortS3 || std::ranges::find(kBackends, name) != kBackends.end();
}

const char* backend_name(const BackendConfig& backend) {
  struct Namer {
    const char* operator()(const DiskConfig&) const { return "disk"; }
    const char* operator()(const MemoryConfig&) const { return "memory"; }
    const char* operator()(const S3Config&) const { return "cloud.s3"; }
    const char* operator()(const OpenStackConfig&) const { return "cloud.openstack"; }
  };
  return std::visit(Namer{}, backend);
}

std::uint64_t cache_size_bytes(const BackendConfig& backend) {
  if (const auto* s3 = std::get_if<S3Config>(&backend)) return s3->cache_size_bytes;
  if (const auto* swift = std::get_if<OpenStackConfig>(&backend)) return swift->cache_size_bytes;
  return 0;
}

std::string load_prefix(KeyReader& storage, const std::string& family) {
  const std::string key = family + ".prefix";
  const std::string prefix = storage.text_or(key, "");
  if (prefix.empty()) return prefix;
  const auto pieces = split(std::string_view(prefix).substr(0, prefix.size() - 1), '/');
  const bool clean = std::ranges::none_of(pieces, [](std::string_view piece) {
    return piece.empty() || piece == "." || piece == "..";
  });
  if (!prefix.ends_with('/') || !clean || prefix.size() > kMaxPrefixBytes) {
    storage.refuse(key, fmt::format("{} is not a prefix; expected at most {} bytes that end in "
                                    "'/', do not start with it and have no empty, '.' or '..' "
                                    "part, such as grid/node7/",
                                    in_quotes(prefix), kMaxPrefixBytes));
  }
  return prefix;
}

std::uint64_t load_cache_size(KeyReader& storage, const std::string& family,
                              std::uint64_t memory_limit_bytes) {
  const std::string key = family + ".cache_size";
  const std::uint64_t size = storage.size(key, kDefaultCacheSizeBytes, 0, kMaxSizeBytes);
  const std::uint64_t most = memory_limit_bytes / kCacheShareOfMemory;
  if (size <= most) return size;
  if (storage.has(key)) {
    storage.notice(fmt::format("{} is more than half of memory_limit: the cache gets {} bytes",
                               storage.cite(key), most));
  }
  return most;
}

void check_transport(KeyReader& storage, const std::string& key, const ServiceUrl& url,
                     const char* carries) {
  if (url.tls || url.is_loopback()) return;
  storage.notice(fmt::format("{} is plain http to another machine ({}): {} travel unencrypted", key,
                             url.host, carries));
}

StorageConfig load_storage(LoadContext& context) {
  KeyReader storage(context, "storage");
  check_guarded(storage);
  StorageConfig config;
  config.storage_directory =
      storage.path("storage_dir").value_or(context.node_directory / "storage");
  config.readonly = storage.boolean("readonly", false);
  config.reserved_space_bytes = storage.size("reserved_space").value_or(0);
  config.sizelimit_bytes = storage.size("sizelimit");
  if (config.sizelimit_bytes == 0U) {
    storage.refuse("sizelimit",
                   "zero leaves no room for any share; expected a size, no such key "
                   "for no limit, or readonly = true to take no new shares");
  }
  config.memory_limit_bytes =
      storage.size("memory_limit", kDefaultMemoryLimitBytes, kMinMemoryLimitBytes, kMaxSizeBytes);
  config.max_mutable_request_bytes =
      storage.size("max_mutable_request", kDefaultMaxMutableRequestBytes,
                   kMinMaxMutableRequestBytes, kMaxSizeBytes);
  config.anonymous = storage.boolean("anonymous", true);
  config.grid_management = storage.boolean("grid_management", false);
  config.expire = load_expire(storage);
  config.backend = load_backend(context, storage, config.memory_limit_bytes);
  notice_idle_keys(context, storage, config.backend);
  return config;
}

}  // namespace sharestore
