// Authorization and secrets: lines of headers, one per line of input. Only a line that is the
// expected one opens, and no refusal repeats what it was given.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage_server/protocol/authorization.h"
#include "tests/storage_server/protocol/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  if (size == 0) return 0;
  const auto required = static_cast<SecretSet>(data[0] % 16);
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  std::vector<std::pair<std::string, std::string>> headers;
  std::string first;
  while (!rest.empty()) {
    const std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (headers.empty()) first = line;
    headers.emplace_back("Authorization", line);
    headers.emplace_back("X-Tahoe-Authorization", line);
  }
  const TestRequest request(http::Method::get, "/", std::move(headers));
  const Secret expected = expected_authorization(Secret("swissnum"));
  const auto checked = check_authorization(request.get(), expected);
  if (checked.has_value() != (first == expected.reveal())) std::abort();

  const auto secrets = read_secrets(request.get(), required);
  if (secrets) {
    const bool renew = (required & kLeaseRenewSecret) != 0;
    if (secrets->lease_renew.size() != (renew ? kLeaseSecretBytes : 0)) std::abort();
    if (secrets->upload.empty() != ((required & kUploadSecret) == 0)) std::abort();
    if (secrets->write_enabler.empty() != ((required & kWriteEnabler) == 0)) std::abort();
  } else {
    // Of what was given, nothing but the name of a secret may be repeated.
    std::string message = secrets.error().message();
    constexpr std::string_view kBadValue = "X-Tahoe-Authorization: bad value of ";
    if (message.starts_with(kBadValue)) message.erase(0, kBadValue.size());
    static const std::set<std::string, std::less<>> known = {
        "lease-renew-secret",
        "lease-cancel-secret",
        "upload-secret",
        "write-enabler",
        "X-Tahoe-Authorization: expected \"<name> <base64>\"",
        "X-Tahoe-Authorization: unknown name of a secret",
        "X-Tahoe-Authorization: not exactly the secrets that this endpoint wants"};
    if (!known.contains(message)) std::abort();
  }
  const auto decoded = lenient_base64_decode(first);
  if (decoded && lenient_base64_decode(base64_encode(*decoded)) != decoded) std::abort();
  return 0;
}
