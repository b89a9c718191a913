// A container over the strict fake store, with a clock whose pauses pass at once.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "backends/s3/s3_container.h"
#include "config/service_url.h"
#include "tests/support/fake_s3.h"
#include "tests/support/run_task.h"
#include "tests/support/skipping_clock.h"
#include "tests/support/temp_dir.h"

namespace sharestore::s3 {

class S3Test : public testing::Test {
 protected:
  ~S3Test() override {
    if (container_) EXPECT_TRUE(run_task(container_->close()));
    guard_.reset();
    thread_.join();
  }

  test::FakeS3& store() {
    if (!store_) store_ = std::make_unique<test::FakeS3>(clock, fake);
    return *store_;
  }
  // The store and the container are made at first use: what they are made with is set before.
  S3Container& container() {
    if (!container_) {
      S3Config& config = options.config;
      config.url = *parse_service_url((fake.tls ? "https://" : "http://") + host + ":" +
                                      std::to_string(store().server().port()));
      config.access_key_id = fake.access_key_id;
      if (config.secret_access_key.empty()) config.secret_access_key = Secret(fake.secret);
      config.bucket = fake.bucket;
      if (config.region.empty()) config.region = "us-east-1";
      if (config.prefix.empty()) config.prefix = "node-a/";
      options.min_part_bytes = fake.min_part_bytes;
      if (fake.tls && trusting) config.ca_file = trusted(store().server().certificate_pem());
      container_ = std::make_unique<S3Container>(options, pool_, loop_.get_executor());
    }
    return *container_;
  }
  void forget_container() {
    EXPECT_TRUE(run_task(container_->close()));
    container_.reset();
  }

  template <class T>
  Result<T> run(Task<T> task) {
    return run_task(std::move(task));
  }
  OpContext context(Duration budget = std::chrono::seconds(60)) { return clock.context(budget); }

  Status open() { return run(container().open(context())); }
  Result<ObjectInfo> put(const std::string& key, const std::string& text,
                         PutCondition condition = {}) {
    return run(container().put(context(), key, memory_source(Bytes::copy_of(text)), condition));
  }
  // The object's text, or "<code>".
  std::string get(const std::string& key, std::uint64_t offset = 0, std::uint64_t length = 0) {
    const auto got = run(container().get(context(), key, offset, length, Freshness::newest));
    return got ? std::string(got->bytes.text())
               : "<" + std::string(to_string(got.error().code())) + ">";
  }
  Result<ObjectInfo> head(const std::string& key) {
    return run(container().head(context(), key, Freshness::newest));
  }
  Status remove(const std::string& key) { return run(container().remove(context(), key)); }

  boost::asio::io_context& loop() { return loop_; }

  // An answer in place of the next `count` requests.
  void answer_instead(int count, test::FakeReply reply) {
    store().instead = [left = std::make_shared<int>(count), reply](const test::FakeRequest&) {
      return (*left)-- > 0 ? std::optional(reply) : std::nullopt;
    };
  }
  // The answer to the first request of that method that was executed is lost.
  void lose_answer(const std::string& method) {
    store().afterwards = [method, done = std::make_shared<bool>(false)](
                             const test::FakeRequest& request, test::FakeReply& reply) {
      if (request.method != method || *done) return;
      *done = true;
      reply.body = "lost on its way";
      reply.end = test::FakeReply::End::cut;
    };
  }

 private:
  std::string trusted(const std::string& pem) {
    write_file(directory_ / "ca.pem", pem);
    return directory_ / "ca.pem";
  }

  TempDir directory_;
  IoPool pool_{2};
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};

 protected:
  SkippingClock clock{loop_};
  test::FakeS3Options fake;
  std::string host = "127.0.0.1";
  bool trusting = true;
  S3Options options;

 private:
  std::unique_ptr<test::FakeS3> store_;
  std::unique_ptr<S3Container> container_;
};

// What an error says, or "done".
template <class T>
std::string words(const Result<T>& result) {
  return result ? "done" : result.error().message();
}

}  // namespace sharestore::s3
