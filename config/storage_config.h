// What `[storage]` says: which backend keeps the shares, with which limits, and when leases end.
//
// Plain immutable values after loading; any thread may read them. Secrets sit in `Secret`.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "backends/core/secret.h"

namespace sharestore {

inline constexpr std::uint64_t kKiB = std::uint64_t{1} << 10;
inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

inline constexpr std::uint64_t kDefaultMemoryLimitBytes = 256 * kMiB;
inline constexpr std::uint64_t kMinMemoryLimitBytes = 16 * kMiB;
inline constexpr std::uint64_t kDefaultMaxMutableRequestBytes = 4 * kGiB;
inline constexpr std::uint64_t kMinMaxMutableRequestBytes = kMiB;
inline constexpr std::uint64_t kDefaultPartSizeBytes = 8 * kMiB;
inline constexpr std::uint64_t kMinPartSizeBytes = 5 * kMiB;  // S3: every part but the last
inline constexpr std::uint64_t kMaxPartSizeBytes = 5 * kGiB;  // S3 and Swift: one object or part
inline constexpr std::uint64_t kDefaultCacheSizeBytes = 64 * kMiB;
inline constexpr std::uint32_t kDefaultMaxRequests = 64;
inline constexpr std::uint32_t kMaxMaxRequests = 1024;
inline constexpr std::uint32_t kDefaultExpireRatePerSecond = 1000;
inline constexpr std::uint32_t kMaxExpireRatePerSecond = 1'000'000;
inline constexpr std::size_t kMaxPrefixBytes = 256;

// An http or https URL that was checked: no user, no query, no fragment.
struct ServiceUrl {
  bool tls = true;
  std::string host;        // lower case, IPv6 without brackets
  std::uint16_t port = 0;  // always set: 80 or 443 when the URL names none
  std::string path;        // as written, without a trailing '/'; empty for the root
  bool port_was_given = false;

  // "https://host[:port][/path]", the port only where it is not the scheme's own.
  std::string to_string() const;
  // Whether plain http to it stays on this machine ("localhost", 127.0.0.0/8, ::1).
  bool is_loopback() const;

  bool operator==(const ServiceUrl&) const = default;
};

// Shares in RAM, lost at exit: for tests and trials.
struct MemoryConfig {};

// Share files below `StorageConfig::storage_directory`.
struct DiskConfig {};

struct S3Config {
  enum class Signature : std::uint8_t { v2, v4 };
  enum class Addressing : std::uint8_t { automatic, path, virtual_host };
  enum class Payload : std::uint8_t { signed_hash, unsigned_payload };
  enum class CredentialSource : std::uint8_t { tahoe_cfg, environment, profile };

  std::string access_key_id;
  Secret secret_access_key;
  // A temporary credential's token, from the environment or profile; empty when there is none.
  Secret session_token;
  // DevPay; both empty unless their private files were there. Never set beside `session_token`.
  Secret devpay_user_token;
  Secret devpay_product_token;
  CredentialSource credential_source = CredentialSource::tahoe_cfg;

  std::string bucket;
  ServiceUrl url;
  std::string region;
  // False when `region` is the default or was guessed from the URL: the store may correct it.
  bool region_was_given = false;
  std::string prefix;  // empty, or ends in '/'
  Signature signature = Signature::v4;
  Addressing addressing = Addressing::automatic;
  Payload payload = Payload::signed_hash;
  std::uint64_t part_size_bytes = kDefaultPartSizeBytes;
  std::string storage_class;           // empty: the bucket's own
  std::string server_side_encryption;  // empty, "AES256" or "aws:kms"
  std::filesystem::path ca_file;       // empty: the system's CAs
  std::uint32_t max_requests = kDefaultMaxRequests;
  std::uint64_t cache_size_bytes = kDefaultCacheSizeBytes;
};

struct OpenStackConfig {
  enum class Provider : std::uint8_t {
    rackspace_com,
    rackspace_co_uk,
    rackspace_com_v1,
    rackspace_co_uk_v1,
    swift,
  };
  enum class Auth : std::uint8_t {
    discover,  // ask the URL which versions it speaks
    rackspace,
    v1,
    v2,
    v3,
    v3_application_credential,
  };
  enum class Endpoint : std::uint8_t { public_url, internal_url };

  Provider provider = Provider::rackspace_com;
  Auth auth = Auth::rackspace;
  ServiceUrl url;        // the identity service, by provider unless tahoe.cfg names it
  std::string username;  // may be empty with `v3_application_credential` only
  Secret api_key;        // API key, password or the application credential's secret
  std::string container;
  std::string project;  // empty: the account's default
  std::string user_domain = "Default";
  std::string project_domain = "Default";
  std::string application_credential_id;
  std::string region;  // empty: the account's default region, else the only one
  Endpoint endpoint = Endpoint::public_url;
  std::string prefix;  // empty, or ends in '/'
  std::uint64_t part_size_bytes = kDefaultPartSizeBytes;
  std::filesystem::path ca_file;  // empty: the system's CAs
  std::uint32_t max_requests = kDefaultMaxRequests;
  std::uint64_t cache_size_bytes = kDefaultCacheSizeBytes;
};

using BackendConfig = std::variant<DiskConfig, MemoryConfig, S3Config, OpenStackConfig>;

struct ExpireConfig {
  enum class Mode : std::uint8_t { age, cutoff_date };

  bool enabled = false;
  Mode mode = Mode::age;
  // With `age`: how long after its grant a lease ends. None: a lease ends at its expiration time.
  std::optional<std::chrono::seconds> override_lease_duration;
  // With `cutoff_date`: leases granted before this moment (Unix time, midnight UTC) end.
  std::optional<std::chrono::sys_seconds> cutoff_date;
  bool immutable_shares = true;
  bool mutable_shares = true;
  std::uint32_t rate_per_second = kDefaultExpireRatePerSecond;  // most shares removed per second
};

struct StorageConfig {
  BackendConfig backend;
  // Absolute. Shares of the disk backend, and index, spool and advisories of every backend.
  std::filesystem::path storage_directory;
  bool readonly = false;
  // Bytes of the file system under `storage_directory` that stay free; 0 for none.
  std::uint64_t reserved_space_bytes = 0;
  // Most bytes of shares kept, on any backend.
  std::optional<std::uint64_t> sizelimit_bytes;
  // Every buffer, cache and SQLite together.
  std::uint64_t memory_limit_bytes = kDefaultMemoryLimitBytes;
  // A read-test-write body above it is refused as too large.
  std::uint64_t max_mutable_request_bytes = kDefaultMaxMutableRequestBytes;
  // False: nothing is announced, and no anonymous storage is offered.
  bool anonymous = true;
  // True: the grid manager certificates go into the announcement.
  bool grid_management = false;
  ExpireConfig expire;
};

// The values of `[storage] backend`; is_backend_name also knows their short forms.
std::span<const std::string_view> backend_names();
bool is_backend_name(std::string_view name);

// "disk", "memory", "cloud.s3" or "cloud.openstack".
const char* backend_name(const BackendConfig& backend);

// What the backend's cache may take, at most half of memory_limit; 0 for those without one.
std::uint64_t cache_size_bytes(const BackendConfig& backend);

}  // namespace sharestore
