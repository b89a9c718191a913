#include "storage_server/node/create.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "config/endpoint.h"
#include "config/furl.h"
#include "config/node_config.h"
#include "config/text.h"
#include "storage_server/node/files.h"
#include "storage_server/node/keys.h"
#include "storage_server/node/location.h"

namespace sharestore {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDefaultStorageDirectory = "storage";

struct Addresses {
  std::string port;
  std::string location;
};

bool is_ipv6(const std::string& host) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// A loopback address to bind to, if that is what the name means.
std::optional<std::string> loopback_interface(const std::string& host) {
  if (host == "localhost") return "127.0.0.1";
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1 && (ntohl(four.s_addr) >> 24) == 127) {
    return host;
  }
  // A colon inside a field of an endpoint is escaped.
  if (host == "::1") return "\\:\\:1";
  return std::nullopt;
}

Result<Addresses> addresses_for(const std::string& hostname) {
  const auto port = free_port();
  if (!port) return fail(port.error());
  const bool six = is_ipv6(hostname);
  Addresses addresses;
  addresses.port = fmt::format("{}:{}", six ? "tcp6" : "tcp", *port);
  if (const auto interface = loopback_interface(hostname)) {
    addresses.port += ":interface=" + *interface;
  }
  addresses.location =
      six ? fmt::format("tcp:[{}]:{}", hostname, *port) : fmt::format("tcp:{}:{}", hostname, *port);
  return addresses;
}

Result<Addresses> choose_addresses(const CreateOptions& options) {
  Addresses addresses{options.port, options.location};
  if (!options.hostname.empty()) {
    auto chosen = addresses_for(options.hostname);
    if (!chosen) return chosen;
    addresses = std::move(*chosen);
  }
  if (auto port = parse_listen_endpoints(addresses.port); !port) {
    return fail(port.error().with_context("--port"));
  }
  if (auto location = parse_location_hints(addresses.location); !location) {
    return fail(
        location.error().with_context(options.hostname.empty() ? "--location" : "--hostname"));
  }
  return addresses;
}

// A value as tahoe.cfg holds it: '%' starts an interpolation there.
std::string config_value(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    escaped += c;
    if (c == '%') escaped += c;
  }
  return escaped;
}

Status check_options(const CreateOptions& options) {
  for (const auto& [name, value] : {std::pair{"--nickname", &options.nickname},
                                    {"--webport", &options.web_port},
                                    {"--port", &options.port},
                                    {"--location", &options.location},
                                    {"--hostname", &options.hostname},
                                    {"--storage-dir", &options.storage_directory}}) {
    if (!is_valid_utf8(*value) || std::ranges::any_of(*value, is_ascii_control)) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: expected UTF-8 text without control characters", name));
    }
    if (!value->empty() && trim(*value) != *value) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: expected no white space at its ends", name));
    }
  }
  if (!options.web_port.empty()) {
    if (auto parsed = parse_listen_endpoints(options.web_port); !parsed) {
      return fail(parsed.error().with_context("--webport"));
    }
  }
  if (!options.introducer_furl.empty()) {
    if (auto parsed = parse_furl(options.introducer_furl); !parsed) {
      return fail(parsed.error().with_context("--introducer"));
    }
  }
  return {};
}

std::string config_text(const CreateOptions& options, const Addresses& addresses) {
  std::string text =
      "# A storage node of a Tahoe-LAFS grid. Comments need a line of their own.\n"
      "# Check a change with: sharestore check-config NODEDIR\n\n[node]\n";
  if (!options.nickname.empty()) {
    text += fmt::format("nickname = {}\n", config_value(options.nickname));
  }
  text += fmt::format(
      "# Where the node listens, and where clients are told to find it.\n"
      "tub.port = {}\ntub.location = {}\n",
      config_value(addresses.port), config_value(addresses.location));
  text += fmt::format(
      "# Status pages for the operator, such as tcp:3456:interface=127.0.0.1; empty for none.\n"
      "web.port ={}{}\n",
      options.web_port.empty() ? "" : " ", config_value(options.web_port));
  text += "\n[storage]\nenabled = true\n";
  if (options.backend != "disk") text += fmt::format("backend = {}\n", options.backend);
  if (!options.storage_directory.empty()) {
    text += fmt::format("storage_dir = {}\n", config_value(options.storage_directory));
  }
  text += "# Space on this machine's disk that stays free.\nreserved_space = 1G\n";
  return text;
}

// Removes what was made unless told that all is well.
class Made {
 public:
  ~Made() {
    std::error_code ignored;
    for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) {
      fs::remove_all(*path, ignored);
    }
  }
  Made() = default;
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;

  void add(fs::path path) { paths_.push_back(std::move(path)); }
  void keep() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

Status make_node_directory(const fs::path& directory, Made& made) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(directory, error))) {
    if (!fs::is_directory(directory, error)) {
      return fail(Errc::already_exists,
                  fmt::format("{}: there is a file of this name", directory.string()));
    }
    const bool empty = fs::is_empty(directory, error);
    if (error) return fail(errno_error(error.value(), directory.string()));
    if (empty) return {};
    return fail(
        Errc::already_exists,
        fmt::format("{}: this directory is not empty; nothing was changed", directory.string()));
  }
  auto created = make_directory(directory, kPublicDirectoryMode);
  if (created) made.add(directory);
  return created;
}

Status write_files(const fs::path& directory, const CreateOptions& options,
                   const Addresses& addresses, Made& made) {
  const fs::path private_directory = directory / "private";
  if (auto status = make_directory(private_directory, kPrivateDirectoryMode); !status) {
    return status;
  }
  made.add(private_directory);
  struct File {
    fs::path path;
    std::string content;
    mode_t mode;
  };
  std::vector<File> files = {
      {directory / "tahoe.cfg", config_text(options, addresses), kPublicFileMode},
      // The Python node tells the kind of a directory by this file's name.
      {directory / "tahoe-client.tac",
       "# This file marks a directory of a client or storage node.\n", kPublicFileMode},
  };
  if (!options.introducer_furl.empty()) {
    files.push_back(
        {private_directory / "introducers.yaml",
         fmt::format("introducers:\n  default:\n    furl: \"{}\"\n", options.introducer_furl),
         kPrivateFileMode});
  }
  for (const File& file : files) {
    made.add(file.path);
    if (auto status = write_file_durably(file.path, file.content, file.mode); !status) {
      return status;
    }
  }
  for (const char* name : {"my_nodeid", "node.pubkey", "permutation-seed"}) {
    made.add(directory / name);
  }
  return {};
}

}  // namespace

Result<CreatedNode> create_node(const CreateOptions& options, const Environment& environment) {
  if (auto status = check_options(options); !status) return fail(status.error());
  const auto addresses = choose_addresses(options);
  if (!addresses) return fail(addresses.error());
  std::error_code error;
  fs::path directory = fs::absolute(options.directory, error).lexically_normal();
  if (error) return fail(errno_error(error.value(), options.directory.string()));
  if (!directory.has_filename()) directory = directory.parent_path();

  Made made;
  if (auto status = make_node_directory(directory, made); !status) return fail(status.error());
  if (auto status = write_files(directory, options, *addresses, made); !status) {
    return fail(status.error());
  }
  const auto config = load_node_config(directory, environment);
  const bool complete_by_itself = options.backend == "disk" || options.backend == "memory";
  // A store needs names and a secret that only its operator has.
  if (!config && complete_by_itself) return fail(config.error());
  const KeyPlace place{
      directory, directory / "private",
      config ? config->storage.storage_directory : directory / kDefaultStorageDirectory};
  if (auto keys = prepare_keys(place, addresses->location); !keys) return fail(keys.error());
  made.keep();
  return CreatedNode{directory, config ? std::string() : config.error().message()};
}

}  // namespace sharestore
