// Version 4's canonical form against a naive model that is written from the specification alone,
// for any request.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "backends/s3/encoding.h"
#include "backends/s3/signature.h"

namespace sharestore::s3 {
namespace {

// One character at a time, with printf: slow and plain.
std::string naive_encode(const std::string& text, bool path) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '-' || c == '_' || c == '.' || c == '~' || (path && c == '/')) {
      out += c;
    } else {
      char escaped[4];
      (void)std::snprintf(escaped, sizeof(escaped), "%%%02X", static_cast<unsigned char>(c));
      out += escaped;
    }
  }
  return out;
}

// Every run of white space becomes one space; then those at the ends go.
std::string naive_trim(const std::string& value) {
  std::string out;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (space && !out.empty() && out.back() == ' ') continue;
    out += space ? ' ' : c;
  }
  while (!out.empty() && out.front() == ' ') out.erase(0, 1);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string naive_canonical(const SignableRequest& request, const std::string& payload) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, value] : request.query) {
    pairs.emplace_back(naive_encode(name, false), naive_encode(value, false));
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    for (std::size_t j = i + 1; j < pairs.size(); ++j) {
      if (pairs[j] < pairs[i]) std::swap(pairs[i], pairs[j]);
    }
  }
  std::string text = request.method + "\n" + naive_encode(request.path, true) + "\n";
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    text += (i > 0 ? "&" : "") + pairs[i].first + "=" + pairs[i].second;
  }
  text += "\n";
  std::map<std::string, std::vector<std::string>> headers;
  for (const auto& [name, value] : request.headers) {
    std::string small;
    for (const char c : name) small += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    headers[small].push_back(naive_trim(value));
  }
  std::string names;
  for (const auto& [name, values] : headers) {
    text += name + ":";
    for (std::size_t i = 0; i < values.size(); ++i) text += (i > 0 ? "," : "") + values[i];
    text += "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  return text + "\n" + names + "\n" + payload;
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  // Up to a NUL.
  std::string text() {
    std::string out;
    while (size_ > 0) {
      const char c = static_cast<char>(*data_++);
      --size_;
      if (c == '\0') break;
      out += c;
    }
    return out;
  }
  bool empty() const { return size_ == 0; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace
}  // namespace sharestore::s3

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore::s3;
  Input input(data, size);
  SignableRequest request;
  request.method = input.text();
  request.path = "/" + input.text();
  for (int i = 0; i < 3 && !input.empty(); ++i) {
    std::string name = input.text();
    request.query.emplace_back(std::move(name), input.text());
  }
  while (!input.empty()) {
    std::string name = input.text();
    request.headers.emplace_back(std::move(name), input.text());
  }
  const std::string payload(kUnsignedPayload);
  if (canonical_request_v4(request, payload) != naive_canonical(request, payload)) std::abort();
  const std::string target = target_of(request);
  if (uri_decode(target.substr(0, target.find('?'))) != request.path) std::abort();
  const std::string value = authorization_v4(request, {"20150830T123600Z", "us-east-1", "s3"},
                                             payload, {"AKID", sharestore::Secret("secret")});
  if (value.size() < 64) std::abort();
  return 0;
}
