#include "tests/protocol/client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

namespace sharestore::protocol_test {

namespace {

bool has(const Headers& headers, std::string_view name) {
  for (const auto& header : headers) {
    if (header.first == name) return true;
  }
  return false;
}

}  // namespace

std::string base64(std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned held = 0;
  int bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) out += kAlphabet[held >> (bits - 6) & 63];
  }
  if (bits > 0) out += kAlphabet[held << (6 - bits) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::pair<std::string, std::string> secret_header(std::string_view name, std::string_view secret) {
  return {"X-Tahoe-Authorization", std::string(name) + " " + base64(secret)};
}

Headers lease_headers(const Secrets& secrets) {
  return {secret_header("lease-renew-secret", secrets.renew),
          secret_header("lease-cancel-secret", secrets.cancel)};
}

Headers allocate_headers(const Secrets& secrets) {
  Headers headers = lease_headers(secrets);
  headers.push_back(secret_header("upload-secret", secrets.upload));
  return headers;
}

Headers enabler_headers(const Secrets& secrets) {
  Headers headers = lease_headers(secrets);
  headers.push_back(secret_header("write-enabler", secrets.enabler));
  return headers;
}

std::pair<std::string, std::string> Client::authorization() const {
  return {"Authorization", "Tahoe-LAFS " + base64(address_.swissnum)};
}

test::TlsClientOptions Client::options() const {
  test::TlsClientOptions options;
  options.host = address_.host;
  options.port = address_.port;
  options.timeout = std::chrono::seconds(60);  // what the real client allows an answer
  return options;
}

Answer Client::request(std::string_view method, const std::string& path, Headers headers,
                       std::string_view body, bool bare) {
  if (!bare) {
    headers.insert(headers.begin(), authorization());
    if (!has(headers, "Accept")) headers.emplace_back("Accept", "application/cbor");
  }
  for (int attempt = 0;; ++attempt) {
    const bool fresh = !connection_;
    if (fresh) {
      auto made = test::TlsClient::connect(options());
      if (!made) {
        ADD_FAILURE() << "connecting: " << made.error().message();
        return {};
      }
      connection_ = std::move(*made);
    }
    auto answer = connection_->request(method, path, headers, body);
    const bool ends = !answer || answer->header("connection") == "close";
    if (ends) connection_.reset();
    if (answer) return *answer;
    if (fresh || attempt > 0) {
      ADD_FAILURE() << method << " " << path << ": " << answer.error().message();
      return {};
    }
  }
}

Answer Client::raw(std::string_view bytes, bool to_head_request) {
  auto connection = test::TlsClient::connect(options());
  if (!connection) {
    ADD_FAILURE() << "connecting: " << connection.error().message();
    return {};
  }
  [[maybe_unused]] const auto sent = connection->send(bytes);
  auto answer = connection->read_answer(to_head_request);
  if (!answer) {
    ADD_FAILURE() << answer.error().message();
    return {};
  }
  return *answer;
}

std::string Client::slot(Kind kind, const std::string& index) {
  return (kind == Kind::immutable ? "/storage/v1/immutable/" : "/storage/v1/mutable/") + index;
}

Answer Client::allocate(const std::string& index, const std::vector<std::uint64_t>& numbers,
                        std::uint64_t size, const Secrets& secrets) {
  const Value body =
      map({{text("share-numbers"), set(numbers)}, {text("allocated-size"), uint(size)}});
  return allocate_body(index, body.encode(), secrets);
}

Answer Client::allocate_body(const std::string& index, std::string_view body,
                             const Secrets& secrets, Headers more) {
  const Headers base = allocate_headers(secrets);
  more.insert(more.end(), base.begin(), base.end());
  return request("POST", slot(Kind::immutable, index), std::move(more), body);
}

Answer Client::write(const std::string& index, std::uint64_t number, std::uint64_t offset,
                     std::string_view data, const std::string& upload_secret) {
  return write_range(index, number, fmt::format("bytes {}-{}/*", offset, offset + data.size() - 1),
                     data, upload_secret);
}

Answer Client::write_range(const std::string& index, std::uint64_t number,
                           const std::string& content_range, std::string_view data,
                           const std::string& upload_secret) {
  return request("PATCH", fmt::format("{}/{}", slot(Kind::immutable, index), number),
                 {secret_header("upload-secret", upload_secret), {"Content-Range", content_range}},
                 data);
}

Answer Client::abort(const std::string& index, std::uint64_t number,
                     const std::string& upload_secret) {
  return request("PUT", fmt::format("{}/{}/abort", slot(Kind::immutable, index), number),
                 {secret_header("upload-secret", upload_secret)});
}

Answer Client::list(Kind kind, const std::string& index) {
  return request("GET", slot(kind, index) + "/shares");
}

Answer Client::read(Kind kind, const std::string& index, std::uint64_t number,
                    const std::optional<std::string>& range, const std::string& method) {
  Headers headers;
  if (range) headers.emplace_back("Range", *range);
  return request(method, fmt::format("{}/{}", slot(kind, index), number), std::move(headers));
}

Answer Client::corrupt(Kind kind, const std::string& index, std::uint64_t number,
                       const Value& body) {
  return request("POST", fmt::format("{}/{}/corrupt", slot(kind, index), number), {},
                 body.encode());
}

Answer Client::add_lease(const std::string& index, const Secrets& secrets) {
  return request("PUT", "/storage/v1/lease/" + index, lease_headers(secrets));
}

Value read_test_write_value(const TestWrites& shares, const std::vector<Read>& reads) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [number, vectors] : shares) {
    std::vector<Value> tests;
    for (const auto& t : vectors.tests) {
      tests.push_back(map({{text("offset"), uint(t.offset)},
                           {text("size"), uint(t.size)},
                           {text("specimen"), bytes(t.specimen)}}));
    }
    std::vector<Value> writes;
    for (const auto& w : vectors.writes) {
      writes.push_back(map({{text("offset"), uint(w.offset)}, {text("data"), bytes(w.data)}}));
    }
    entries.emplace_back(
        uint(number),
        map({{text("test"), array(std::move(tests))},
             {text("write"), array(std::move(writes))},
             {text("new-length"), vectors.new_length ? uint(*vectors.new_length) : null()}}));
  }
  std::vector<Value> read_items;
  for (const Read& r : reads) {
    read_items.push_back(map({{text("offset"), uint(r.offset)}, {text("size"), uint(r.size)}}));
  }
  return map({{text("test-write-vectors"), map(std::move(entries))},
              {text("read-vector"), array(std::move(read_items))}});
}

Answer Client::read_test_write(const std::string& index, const TestWrites& shares,
                               const std::vector<Read>& reads, const Secrets& secrets) {
  return read_test_write_body(index, read_test_write_value(shares, reads).encode(), secrets);
}

Answer Client::read_test_write_body(const std::string& index, std::string_view body,
                                    const Secrets& secrets, Headers more) {
  const Headers base = enabler_headers(secrets);
  more.insert(more.end(), base.begin(), base.end());
  return request("POST", slot(Kind::mutable_slot, index) + "/read-test-write", std::move(more),
                 body);
}

}  // namespace sharestore::protocol_test
