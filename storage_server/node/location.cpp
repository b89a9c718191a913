#include "storage_server/node/location.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <random>

#include "storage_server/node/files.h"

namespace sharestore {

namespace {

constexpr const char* kClientPortFile = "client.port";
// Below Linux' default range for outgoing connections (32768 and up), above most services.
constexpr std::uint16_t kFirstPort = 20000;
constexpr std::uint16_t kLastPort = 32767;
constexpr int kPortAttempts = 100;

// Every IPv4 address of an interface that is up, loopback last.
Result<std::vector<std::string>> local_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return fail(errno_error(errno, "cannot list local addresses"));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
  std::vector<std::string> addresses;
  std::vector<std::string> loopback;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(entry->ifa_addr, sizeof(sockaddr_in), text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    auto& list = (entry->ifa_flags & IFF_LOOPBACK) != 0 ? loopback : addresses;
    list.emplace_back(text.data());
  }
  addresses.insert(addresses.end(), loopback.begin(), loopback.end());
  return addresses;
}

LocationHint tcp_hint(std::string host, std::uint16_t port) {
  const bool six = host.contains(':');
  std::string text = fmt::format("tcp:{}{}{}:{}", six ? "[" : "", host, six ? "]" : "", port);
  return {LocationHint::Kind::tcp, std::move(host), port, std::move(text)};
}

Result<std::vector<LocationHint>> automatic_hints(std::span<const ListenEndpoint> listeners) {
  const auto found = std::ranges::find_if(listeners, [](const ListenEndpoint& endpoint) {
    return endpoint.kind != ListenEndpoint::Kind::unix_socket;
  });
  if (found == listeners.end()) {
    return fail(Errc::invalid_argument,
                "[node] tub.location = AUTO needs a TCP port in tub.port; expected hints such as "
                "tcp:node.example.org:3457");
  }
  const bool every =
      found->interface.empty() || found->interface == "0.0.0.0" || found->interface == "::";
  if (!every) return std::vector{tcp_hint(found->interface, found->port)};
  const auto addresses = local_addresses();
  if (!addresses) return fail(addresses.error());
  if (addresses->empty()) {
    return fail(Errc::invalid_argument,
                "[node] tub.location = AUTO: this machine has no IPv4 address; expected hints such "
                "as tcp:node.example.org:3457");
  }
  std::vector<LocationHint> hints;
  for (const std::string& address : *addresses) {
    if (hints.size() < kMaxLocationHints) hints.push_back(tcp_hint(address, found->port));
  }
  return hints;
}

bool is_free(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

Result<std::vector<LocationHint>> resolve_location(std::span<const LocationHint> hints,
                                                   std::span<const ListenEndpoint> listeners) {
  std::vector<LocationHint> resolved;
  for (const LocationHint& hint : hints) {
    if (hint.kind != LocationHint::Kind::automatic) {
      resolved.push_back(hint);
      continue;
    }
    auto automatic = automatic_hints(listeners);
    if (!automatic) return automatic;
    std::ranges::move(*automatic, std::back_inserter(resolved));
  }
  return resolved;
}

std::string location_text(std::span<const LocationHint> hints) {
  std::vector<std::string_view> texts;
  for (const LocationHint& hint : hints) texts.emplace_back(hint.text);
  return fmt::format("{}", fmt::join(texts, ","));
}

Result<std::vector<ListenEndpoint>> choose_listeners(const NodeConfig& config) {
  if (config.tub_port) return *config.tub_port;
  const auto port = free_port();
  if (!port) return fail(port.error());
  if (auto written = write_file_durably(config.node_directory / kClientPortFile,
                                        fmt::format("tcp:{}\n", *port), kPublicFileMode);
      !written) {
    return fail(written.error());
  }
  ListenEndpoint endpoint;
  endpoint.port = *port;
  return std::vector{endpoint};
}

Result<std::uint16_t> free_port() {
  std::random_device random;
  std::uniform_int_distribution<std::uint16_t> ports(kFirstPort, kLastPort);
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    const std::uint16_t port = ports(random);
    if (is_free(port)) return port;
  }
  return fail(Errc::unavailable,
              fmt::format("no free TCP port found from {} to {}; name one", kFirstPort, kLastPort));
}

}  // namespace sharestore
