#include "config/node_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "config/advice.h"
#include "config/grammar.h"
#include "config/grid_manager.h"
#include "config/introducers.h"
#include "config/known_keys.h"
#include "config/load_context.h"
#include "config/storage_loader.h"
#include "config/text.h"

namespace sharestore {

namespace {

constexpr const char* kConfigFileName = "tahoe.cfg";
constexpr const char* kClientPortFileName = "client.port";
constexpr std::size_t kMaxPortFileBytes = 4096;
constexpr std::size_t kMaxNicknameBytes = 1024;
constexpr std::uint32_t kMaxTimeoutSeconds = 7 * 86'400;

// From before tahoe.cfg: the Python node refuses to start beside them, for they are not read.
constexpr std::array kOldFiles = {"nickname",           "webport",
                                  "keepalive_timeout",  "log_gatherer.furl",
                                  "disconnect_timeout", "advertised_ip_addresses",
                                  "introducer.furl",    "helper.furl",
                                  "key_generator.furl", "stats_gatherer.furl",
                                  "no_storage",         "readonly_storage",
                                  "sizelimit",          "debug_discard_storage",
                                  "run_helper"};

// Which *.tac files say what kind of node the directory is.
struct NodeKind {
  bool client = false;
  bool introducer = false;
};

Result<NodeKind> node_kind(const std::filesystem::path& directory) {
  NodeKind kind;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (!name.ends_with(".tac")) continue;
    kind.client = kind.client || name.contains("client");
    kind.introducer = kind.introducer || name.contains("introducer");
  }
  if (error) return fail(errno_error(error.value(), directory.string()));
  return kind;
}

Status check_directory(const std::filesystem::path& directory) {
  const auto kind = node_kind(directory);
  if (!kind) return fail(kind.error());
  std::error_code ignored;
  const bool has_config = std::filesystem::exists(directory / kConfigFileName, ignored);
  if (!has_config && !kind->client) {
    return fail(Errc::not_found,
                fmt::format("{}: this is no node directory, for it has neither tahoe.cfg nor "
                            "tahoe-client.tac; make one with: sharestore create-node",
                            directory.string()));
  }
  if (kind->introducer && !kind->client) {
    return fail(Errc::unsupported,
                fmt::format("{}: this is the directory of an introducer; expected a storage node's",
                            directory.string()));
  }
  std::vector<std::string> old_files;
  for (const char* name : kOldFiles) {
    if (std::filesystem::exists(directory / name, ignored)) old_files.emplace_back(name);
  }
  if (!old_files.empty()) {
    return fail(Errc::invalid_argument,
                fmt::format("{}: files of a very old node are here and not read any more: {}; "
                            "expected their content as keys of tahoe.cfg, and the files removed",
                            directory.string(), fmt::join(old_files, ", ")));
  }
  return {};
}

Result<IniDocument> read_document(const std::filesystem::path& file) {
  auto content = read_text_file(file, kMaxConfigFileBytes);
  if (!content && content.error().code() != Errc::not_found) return fail(content.error());
  return IniDocument::parse(content ? *content : std::string(), file.string());
}

// [connections], [tor], [i2p]: what this node cannot do for an operator's privacy.
void load_connections(LoadContext& context, NodeConfig& config) {
  KeyReader connections(context, "connections");
  const std::string tcp = ascii_lower(connections.text_or("tcp", "tcp"));
  if (tcp == "tor") {
    connections.refuse("tcp",
                       "this node makes no connections through Tor; expected tcp, or "
                       "disabled to contact no introducer",
                       Errc::unsupported);
  } else if (tcp != "tcp" && tcp != "disabled") {
    connections.refuse("tcp", fmt::format("{} is not one of its values; expected tcp or disabled",
                                          in_quotes(tcp)));
  }
  config.outbound_tcp = tcp == "tcp";
  constexpr std::string_view kNoService =
      "this node starts no {0} service; expected false, with a service run beside it that forwards "
      "to tub.port on 127.0.0.1 and is named in tub.location";
  KeyReader tor(context, "tor");
  if (tor.boolean("onion", false)) {
    tor.refuse("onion", fmt::format(fmt::runtime(kNoService), "onion"), Errc::unsupported);
  }
  KeyReader i2p(context, "i2p");
  if (i2p.boolean("dest", false)) {
    i2p.refuse("dest", fmt::format(fmt::runtime(kNoService), "I2P"), Errc::unsupported);
  }
}

// The file that keeps the port which the first start chose.
std::optional<std::vector<ListenEndpoint>> read_client_port(LoadContext& context) {
  const auto file = context.node_directory / kClientPortFileName;
  auto content = read_text_file(file, kMaxPortFileBytes);
  if (!content) {
    if (content.error().code() != Errc::not_found) context.refuse(content.error());
    return std::nullopt;
  }
  auto endpoints = parse_listen_endpoints(trim(*content));
  if (!endpoints) {
    context.refuse(endpoints.error().with_context(file.string() + ":1"));
    return std::nullopt;
  }
  return std::move(*endpoints);
}

void load_tub_port(LoadContext& context, KeyReader& node, NodeConfig& config) {
  if (!node.has("tub.port")) {
    config.tub_port = read_client_port(context);
    return;
  }
  const std::string port = node.raw_text("tub.port").value_or("");
  if (port.empty()) {
    node.refuse("tub.port",
                "it is empty; expected an endpoint such as tcp:3457, or no such key "
                "for a port chosen at the first start");
  } else if (port == "disabled") {
    node.refuse("tub.port",
                "storage needs a port to listen on; expected an endpoint such as "
                "tcp:3457",
                Errc::unsupported);
  } else {
    config.tub_port = node.parse("tub.port", port, parse_listen_endpoints);
  }
}

void load_tub_location(KeyReader& node, NodeConfig& config) {
  const auto location = node.raw_text("tub.location");
  if (node.has("tub.location") && !location) {
    node.refuse("tub.location",
                "it is empty; expected hints such as tcp:node.example.org:3457, "
                "or AUTO");
  } else if (location == "disabled") {
    node.refuse("tub.location",
                "it may be disabled only when tub.port is, and storage needs a "
                "port; expected hints such as tcp:node.example.org:3457, or AUTO");
  }
  const auto hints = node.parse("tub.location", location.value_or("AUTO"), parse_location_hints);
  if (hints) config.tub_location = *hints;
}

void check_privacy(LoadContext& context, KeyReader& node, const NodeConfig& config) {
  if (config.reveal_ip_address) return;
  for (const LocationHint& hint : config.tub_location) {
    const bool reveals =
        hint.kind == LocationHint::Kind::tcp || hint.kind == LocationHint::Kind::automatic;
    if (reveals) {
      node.refuse("reveal-ip-address",
                  fmt::format("false contradicts tub.location, where {} announces an address; "
                              "expected tor: or i2p: hints only",
                              hint.text.empty() ? "AUTO" : in_quotes(hint.text)));
      return;
    }
  }
  if (config.outbound_tcp) {
    node.refuse("reveal-ip-address",
                "false contradicts [connections] tcp = tcp, by which "
                "introducers see this node's address; expected "
                "[connections] tcp = disabled");
  }
  const BackendConfig& backend = config.storage.backend;
  if (std::holds_alternative<S3Config>(backend) ||
      std::holds_alternative<OpenStackConfig>(backend)) {
    context.notices.push_back(fmt::format(
        "[node] reveal-IP-address = false does not hide this node's address from the store of "
        "backend = {}, unless a proxy does",
        backend_name(backend)));
  }
}

std::optional<std::chrono::seconds> load_timeout(KeyReader& node, std::string_view key) {
  const std::uint32_t seconds = node.number(key, 0, 1, kMaxTimeoutSeconds);
  if (seconds == 0) return std::nullopt;
  return std::chrono::seconds(seconds);
}

void load_node(LoadContext& context, NodeConfig& config) {
  KeyReader node(context, "node");
  config.nickname = node.raw_text("nickname").value_or(config.nickname);
  if (config.nickname.size() > kMaxNicknameBytes) {
    node.refuse("nickname", fmt::format("expected at most {} bytes", kMaxNicknameBytes));
  }
  load_tub_port(context, node, config);
  load_tub_location(node, config);
  if (const auto port = node.raw_text("web.port")) {
    config.web_port =
        node.parse("web.port", *port, parse_listen_endpoints).value_or(config.web_port);
  }
  config.reveal_ip_address = node.boolean("reveal-ip-address", true);
  config.keepalive_timeout = load_timeout(node, "timeout.keepalive");
  config.disconnect_timeout = load_timeout(node, "timeout.disconnect");
}

// One line that names what is there for other kinds of node.
void notice_ignored(LoadContext& context) {
  std::vector<std::string> parts;
  for (const std::string& name : context.document.sections()) {
    const KnownSection* section = find_known_section(name);
    std::vector<std::string> keys;
    for (const std::string& key : context.document.keys(name)) {
      const KnownKey* known = find_known_key(*section, key);
      const KeyUse use = known == nullptr ? section->use : known->use;
      const bool has_value = !context.document.raw(name, key).empty();
      if (use == KeyUse::ignored && has_value) keys.push_back(key);
    }
    if (!keys.empty()) parts.push_back(fmt::format("[{}] {}", name, fmt::join(keys, ", ")));
  }
  if (parts.empty()) return;
  context.notices.push_back(
      fmt::format("ignored, for this is a storage node only: {}", fmt::join(parts, "; ")));
}

void notice_missing_services(LoadContext& context) {
  for (const char* section : {"helper", "sftpd"}) {
    const auto value = parse_boolean(trim(context.document.raw(section, "enabled")));
    if (value && *value) {
      context.notices.push_back(
          fmt::format("[{}] enabled = true: this program has no such service", section));
    }
  }
}

void load_certificates(LoadContext& context, NodeConfig& config) {
  const bool named = !context.document.keys("grid_manager_certificates").empty();
  if (config.storage.grid_management) {
    config.grid_manager_certificates = load_grid_manager_certificates(context);
    if (!named) {
      context.notices.emplace_back(
          "[storage] grid_management = true has no effect: [grid_manager_certificates] is empty");
    }
  } else if (named) {
    context.notices.emplace_back(
        "[grid_manager_certificates] has no effect without [storage] "
        "grid_management = true");
  }
}

}  // namespace

Result<NodeConfig> load_node_config(const std::filesystem::path& node_directory,
                                    const Environment& environment) {
  std::error_code error;
  const auto directory = std::filesystem::absolute(node_directory, error).lexically_normal();
  if (!error && !std::filesystem::is_directory(directory, error)) {
    return fail(Errc::not_found, fmt::format("{}: there is no such directory", directory.string()));
  }
  if (error) return fail(errno_error(error.value(), node_directory.string()));
  if (auto status = check_directory(directory); !status) return fail(status.error());

  NodeConfig config;
  config.node_directory = directory.has_filename() ? directory : directory.parent_path();
  config.config_file = config.node_directory / kConfigFileName;
  config.private_directory = config.node_directory / "private";
  const auto document = read_document(config.config_file);
  if (!document) return fail(document.error());
  if (auto status = check_known(*document); !status) return fail(status.error());

  LoadContext context{*document, environment, config.node_directory, config.private_directory,
                      {},        {}};
  notice_ignored(context);
  notice_missing_services(context);
  load_connections(context, config);
  load_node(context, config);
  config.storage = load_storage(context);
  KeyReader node(context, "node");
  check_privacy(context, node, config);
  config.introducers = load_introducers(context);
  if (!config.introducers.empty() && !config.outbound_tcp) {
    context.notices.emplace_back("introducers are not contacted: [connections] tcp = disabled");
  }
  load_certificates(context, config);
  if (context.fault) return fail(*context.fault);
  config.notices = std::move(context.notices);
  return config;
}

}  // namespace sharestore
