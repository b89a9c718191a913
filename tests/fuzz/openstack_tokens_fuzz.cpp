// What an identity service answers: tokens, catalogues, version documents. A URL that comes of it
// is one that may be asked, on the host that was given.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backends/openstack/identity_protocol.h"
#include "backends/openstack/iso_time.h"
#include "backends/openstack/version_discovery.h"
#include "config/service_url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  using namespace sharestore::openstack;
  using Auth = OpenStackConfig::Auth;
  const std::string text(reinterpret_cast<const char*>(data), size);
  http_client::HttpResponse response;
  response.body = Bytes::copy_of(text);
  response.headers = {{"X-Subject-Token", "token"},
                      {"X-Auth-Token", "token"},
                      {"X-Storage-Url", text},
                      {"X-Auth-Token-Expires", text},
                      {"Cache-Control", text}};
  const WallTime now{std::chrono::seconds(1'795'216'052)};
  const ServiceUrl url = *parse_service_url("https://id.example");
  OpenStackConfig config;
  for (const Auth auth : {Auth::rackspace, Auth::v1, Auth::v2, Auth::v3}) {
    for (const int status : {200, 401, 503}) {
      response.status = status;
      const auto read = read_token_answer({auth, "https://id.example/x"}, config, response, now);
      if (read && (read->token.empty() || !parse_service_url(read->storage_url))) std::abort();
    }
    const auto found = address_from_versions(auth, url, text);
    if (found && !found->url.starts_with("https://id.example/")) std::abort();
  }
  (void)parse_iso_time(text);
  return 0;
}
