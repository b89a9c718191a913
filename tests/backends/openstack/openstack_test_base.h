// A container over the strict fake store, with a clock whose pauses pass at once.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "backends/openstack/swift_container.h"
#include "config/service_url.h"
#include "tests/support/fake_swift.h"
#include "tests/support/run_task.h"
#include "tests/support/skipping_clock.h"

namespace sharestore::openstack {

// A loop for requests, on a thread of its own.
class RequestLoop {
 public:
  RequestLoop() = default;
  ~RequestLoop() {
    guard_.reset();
    thread_.join();
  }
  RequestLoop(const RequestLoop&) = delete;
  RequestLoop& operator=(const RequestLoop&) = delete;

  boost::asio::io_context& context() { return loop_; }
  boost::asio::any_io_executor executor() { return loop_.get_executor(); }

 private:
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
};

inline OpenStackConfig v1_config(const std::string& url, const std::string& container) {
  OpenStackConfig config;
  config.provider = OpenStackConfig::Provider::swift;
  config.auth = OpenStackConfig::Auth::v1;
  config.url = *parse_service_url(url);
  config.username = test::FakeSwift::kUser;
  config.api_key = Secret(test::FakeSwift::kKey);
  config.container = container;
  config.prefix = "node-a/";
  return config;
}

// What an error says, or "done".
template <class T>
std::string words(const Result<T>& result) {
  return result ? "done" : result.error().message();
}

class SwiftTest : public testing::Test {
 protected:
  SwiftTest() { config = v1_config(store.auth_url(), "shares"); }
  ~SwiftTest() override {
    if (container_) EXPECT_TRUE(run_task(container_->close()));
    EXPECT_EQ(store.complaints(), std::vector<std::string>());
  }

  ObjectContainer& container() {
    if (!container_) {
      container_ = make_swift_container(config, pool_, loop_.executor());
      opened_ = run_task(container_->open(context()));
    }
    return *container_;
  }
  Status open() {
    container();
    return opened_;
  }
  void forget_container() {
    EXPECT_TRUE(run_task(container_->close()));
    container_.reset();
  }

  OpContext context(Duration budget = std::chrono::hours(1)) { return clock.context(budget); }
  Result<ObjectInfo> put(const std::string& key, const std::string& text) {
    return run_task(
        container().put(context(), key, memory_source(Bytes::copy_of(text)), PutCondition{}));
  }
  // The object's text, or "<code>".
  std::string get(const std::string& key, std::uint64_t offset = 0, std::uint64_t length = 0,
                  Freshness freshness = Freshness::newest) {
    const auto got = run_task(container().get(context(), key, offset, length, freshness));
    return got ? std::string(got->bytes.text())
               : "<" + std::string(to_string(got.error().code())) + ">";
  }
  Result<ObjectInfo> head(const std::string& key) {
    return run_task(container().head(context(), key, Freshness::newest));
  }
  Status remove(const std::string& key) { return run_task(container().remove(context(), key)); }
  // An object of these parts.
  Result<ObjectInfo> put_parts(const std::string& key, const std::vector<std::string>& parts) {
    auto upload = run_task(container().begin_multipart(context(), key));
    if (!upload) return fail(upload.error());
    std::vector<MultipartPart> sent;
    for (const std::string& part : parts) {
      auto put = run_task(container().upload_part(context(), *upload,
                                                  static_cast<std::uint32_t>(sent.size() + 1),
                                                  memory_source(Bytes::copy_of(part))));
      if (!put) return fail(put.error());
      sent.push_back(*put);
    }
    return run_task(container().complete_multipart(context(), *upload, sent, PutCondition{}));
  }
  std::vector<Multipart> unfinished() {
    auto found = run_task(container().list_multiparts(context(), "node-a/shares/", 1000));
    EXPECT_TRUE(found) << words(found);
    return found.value_or(std::vector<Multipart>{});
  }

  IoPool pool_{2};
  RequestLoop loop_;
  SkippingClock clock{loop_.context(), std::chrono::minutes(5)};
  test::FakeSwift store{"shares", clock};
  OpenStackConfig config;

 private:
  std::unique_ptr<ObjectContainer> container_;
  Status opened_;
};

}  // namespace sharestore::openstack
