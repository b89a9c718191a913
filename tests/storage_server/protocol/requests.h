// Requests without sockets, for tests of the protocol layer.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage_server/http/message.h"

namespace sharestore {

// A request whose texts live as long as the object.
class TestRequest {
 public:
  TestRequest(http::Method method, std::string path,
              std::vector<std::pair<std::string, std::string>> headers = {})
      : path_(std::move(path)), headers_(std::move(headers)) {
    request_.method = method;
    request_.path = path_;
    for (const auto& [name, value] : headers_) request_.headers.push_back({name, value});
  }
  TestRequest(const TestRequest&) = delete;
  TestRequest& operator=(const TestRequest&) = delete;

  const http::Request& get() const { return request_; }

 private:
  std::string path_;
  std::vector<std::pair<std::string, std::string>> headers_;
  http::Request request_;
};

// A body that arrives in the pieces given, then ends (or fails with `end`).
class PiecewiseBody final : public http::RequestBody {
 public:
  explicit PiecewiseBody(std::deque<std::string> pieces) : pieces_(std::move(pieces)) {}
  // All of `text` in pieces of `piece_bytes`.
  PiecewiseBody(std::string_view text, std::size_t piece_bytes) {
    for (std::size_t i = 0; i < text.size(); i += piece_bytes) {
      pieces_.emplace_back(text.substr(i, piece_bytes));
    }
  }

  std::optional<std::uint64_t> length() const override { return announced; }

  Task<Bytes> read(std::size_t max_bytes) override {
    largest_read = std::max(largest_read, max_bytes);
    if (pieces_.empty()) {
      if (end) co_return fail(*end);
      co_return Bytes();
    }
    std::string piece = std::move(pieces_.front());
    pieces_.pop_front();
    if (piece.size() > max_bytes) {
      pieces_.push_front(piece.substr(max_bytes));
      piece.resize(max_bytes);
    }
    taken += piece.size();
    co_return Bytes::copy_of(piece);
  }

  std::optional<std::uint64_t> announced;
  std::optional<Error> end;
  std::size_t taken = 0;
  std::size_t largest_read = 0;

 private:
  std::deque<std::string> pieces_;
};

}  // namespace sharestore
