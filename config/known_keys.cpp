#include "config/known_keys.h"

#include <array>

namespace sharestore {

namespace {

using enum KeyUse;

constexpr KnownKey kNode[] = {
    {"log_gatherer.furl", ignored},   {"nickname", honoured},
    {"reveal-ip-address", guarded},   {"tempdir", ignored},
    {"timeout.disconnect", honoured}, {"timeout.keepalive", honoured},
    {"tub.location", honoured},       {"tub.port", guarded},
    {"web.port", honoured},           {"web.static", ignored},
};

constexpr KnownKey kClient[] = {
    {"helper.furl", ignored},
    {"introducer.furl", honoured},
    {"key_generator.furl", ignored},
    {"mutable.format", ignored},
    {"peers.preferred", ignored},
    {"shares.happy", ignored},
    {"shares.needed", ignored},
    {"shares.total", ignored},
    {"shares._max_immutable_segment_size_for_testing", ignored},
    {"storage.plugins", ignored},
    {"force_foolscap", ignored},
};

constexpr KnownKey kStorage[] = {
    {"debug_discard", guarded},
    {"enabled", guarded},
    {"anonymous", honoured},
    {"expire.cutoff_date", honoured},
    {"expire.enabled", honoured},
    {"expire.immutable", honoured},
    {"expire.mode", honoured},
    {"expire.mutable", honoured},
    {"expire.override_lease_duration", honoured},
    {"readonly", honoured},
    {"reserved_space", honoured},
    {"storage_dir", honoured},
    {"plugins", guarded},
    {"grid_management", honoured},
    {"force_foolscap", guarded},
    {"backend", honoured, true},
    {"sizelimit", honoured, true},
    {"memory_limit", honoured, true},
    {"max_mutable_request", honoured, true},
    {"expire.rate", honoured, true},
    {"s3.access_key_id", honoured, true},
    {"s3.bucket", honoured, true},
    {"s3.url", honoured, true},
    {"s3.region", honoured, true},
    {"s3.prefix", honoured, true},
    {"s3.signature", honoured, true},
    {"s3.addressing", honoured, true},
    {"s3.payload", honoured, true},
    {"s3.part_size", honoured, true},
    {"s3.storage_class", honoured, true},
    {"s3.server_side_encryption", honoured, true},
    {"s3.ca_file", honoured, true},
    {"s3.max_requests", honoured, true},
    {"s3.cache_size", honoured, true},
    {"openstack.provider", honoured, true},
    {"openstack.username", honoured, true},
    {"openstack.container", honoured, true},
    {"openstack.url", honoured, true},
    {"openstack.auth", honoured, true},
    {"openstack.project", honoured, true},
    {"openstack.user_domain", honoured, true},
    {"openstack.project_domain", honoured, true},
    {"openstack.application_credential_id", honoured, true},
    {"openstack.region", honoured, true},
    {"openstack.endpoint", honoured, true},
    {"openstack.prefix", honoured, true},
    {"openstack.part_size", honoured, true},
    {"openstack.ca_file", honoured, true},
    {"openstack.max_requests", honoured, true},
    {"openstack.cache_size", honoured, true},
};

constexpr KnownKey kConnections[] = {{"tcp", guarded}};
constexpr KnownKey kHelper[] = {{"enabled", ignored}};

constexpr KnownKey kSftpd[] = {
    {"accounts.file", ignored},    {"enabled", ignored}, {"host_privkey_file", ignored},
    {"host_pubkey_file", ignored}, {"port", ignored},
};

constexpr KnownKey kTor[] = {
    {"control.port", ignored},
    {"enabled", ignored},
    {"launch", ignored},
    {"socks.port", ignored},
    {"tor.executable", ignored},
    {"onion", guarded},
    {"onion.local_port", ignored},
    {"onion.external_port", ignored},
    {"onion.private_key_file", ignored},
};

constexpr KnownKey kI2p[] = {
    {"enabled", ignored},        {"i2p.configdir", ignored},
    {"i2p.executable", ignored}, {"launch", ignored},
    {"sam.port", ignored},       {"dest", guarded},
    {"dest.port", ignored},      {"dest.private_key_file", ignored},
};

constexpr std::array kSections = {
    KnownSection{"node", kNode},
    KnownSection{"client", kClient},
    KnownSection{"storage", kStorage},
    KnownSection{"connections", kConnections},
    KnownSection{"helper", kHelper},
    KnownSection{"sftpd", kSftpd},
    KnownSection{"tor", kTor},
    KnownSection{"i2p", kI2p},
    KnownSection{"grid_managers", {}, true, ignored},
    KnownSection{"grid_manager_certificates", {}, true, honoured},
    KnownSection{"storageserver.plugins.*", {}, true, ignored},
    KnownSection{"storageclient.plugins.*", {}, true, ignored},
};

}  // namespace

std::span<const KnownSection> known_sections() { return kSections; }

const KnownSection* find_known_section(std::string_view name) {
  for (const KnownSection& section : kSections) {
    if (section.name == name) return &section;
    if (!section.name.ends_with(".*")) continue;
    const std::string_view family = section.name.substr(0, section.name.size() - 1);
    if (name.starts_with(family) && name.size() > family.size()) return &section;
  }
  return nullptr;
}

const KnownKey* find_known_key(const KnownSection& section, std::string_view key) {
  for (const KnownKey& known : section.keys) {
    if (known.name == key) return &known;
  }
  return nullptr;
}

}  // namespace sharestore
