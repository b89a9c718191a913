#include "tests/protocol/node.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "backends/disk/disk_backend.h"
#include "backends/memory/memory_backend.h"
#include "storage_server/http/server.h"
#include "storage_server/index/index.h"
#include "storage_server/protocol/gbs_handler.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificate.h"

namespace sharestore::protocol_test {

namespace {

namespace asio = boost::asio;

constexpr const char* kSwissnum = "l6uvn2jxtxzwfrsp2dkjh2c4wqxjfrbu";

void require(const Status& status, const char* what) {
  if (!status) throw std::runtime_error(std::string(what) + ": " + status.error().message());
}

class LocalNode final : public Node, public Node::Inside {
 public:
  LocalNode(const std::string& kind, NodeSettings settings) : settings_(settings) {
    IndexOptions index_options;
    index_options.file = directory_ / "index.sqlite";
    auto index = Index::open(index_options, clock_);
    if (!index) throw std::runtime_error(index.error().message());
    index_ = std::move(*index);
    if (kind == "disk") {
      DiskOptions options;
      options.storage_directory = directory_ / "storage";
      auto backend = make_disk_backend(options, *index_, pool_, clock_);
      if (!backend) throw std::runtime_error(backend.error().message());
      backend_ = std::move(*backend);
    } else {
      backend_ = make_memory_backend({.max_bytes = settings.memory_bytes});
    }
    thread_ = std::thread([this] { loop_.run(); });
    require(wait(backend_->start(clock_.context())), "backend");
    serve();
  }

  ~LocalNode() override {
    stop_serving();
    [[maybe_unused]] const auto stopped = wait(backend_->stop(clock_.context()));
    index_->stop();
    guard_.reset();
    loop_.stop();
    thread_.join();
  }

  const Address& address() const override { return address_; }
  Inside* inside() override { return this; }

  void advance(std::chrono::seconds by) override {
    const std::size_t sleepers = clock_.sleepers();
    clock_.advance(by);
    server_->check_timeouts();
    // Who was woken goes back to sleep when its work is done.
    while (clock_.sleepers() < sleepers) std::this_thread::yield();
  }

  std::int64_t unix_now() override { return unix_seconds(clock_.utc_now()); }

  Leases leases(ShareId share) override {
    auto found = index_->leases(share);
    if (!found) return {};
    std::ranges::sort(*found, {}, &Lease::expires_at);
    return *found;
  }

  SpaceReport space() override { return store_->space(); }

  std::vector<std::pair<std::string, std::string>> advisories() override {
    std::vector<std::pair<std::string, std::string>> reports;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "advisories", none)) {
      reports.emplace_back(entry.path().filename(), read_file(entry.path()));
    }
    std::ranges::sort(reports);
    return reports;
  }

  void restart(NodeSettings settings) override {
    stop_serving();
    settings_ = settings;
    serve();
  }

  std::size_t spool_files() override {
    std::error_code none;
    const auto entries = std::filesystem::directory_iterator(directory_ / "spool", none);
    return static_cast<std::size_t>(std::distance(entries, {}));
  }

 private:
  template <class T>
  T wait(asio::awaitable<T> task) {
    return asio::co_spawn(loop_, std::move(task), asio::use_future).get();
  }

  void serve() {
    ShareStoreOptions options;
    options.readonly = settings_.readonly;
    options.reserved_space_bytes = settings_.reserved_space_bytes;
    options.sizelimit_bytes = settings_.sizelimit_bytes;
    options.advisories_directory = directory_ / "advisories";
    options.spool_directory = directory_ / "spool";
    store_ = ShareStore::create(options, *backend_, *index_, pool_, clock_);
    require(wait(store_->start(clock_.context())), "share store");
    const std::size_t sleepers = clock_.sleepers();
    background_ = asio::co_spawn(loop_, store_->run(), asio::use_future);
    while (clock_.sleepers() == sleepers) std::this_thread::yield();

    GbsOptions gbs;
    gbs.swissnum = Secret(kSwissnum);
    gbs.application_version = "sharestore/test";
    gbs.max_mutable_request_bytes = settings_.max_mutable_request_bytes;
    gbs.spool_directory = directory_ / "spool";
    handler_ = std::make_unique<GbsHandler>(*store_, pool_, std::move(gbs));
    static const test::TestCertificate certificate = test::make_test_certificate();
    http::ServerOptions server;
    server.endpoints.push_back({.interface = "127.0.0.1", .port = 0, .path = {}, .mode = {}});
    server.tls = http::TlsIdentity{certificate.certificate_pem, Secret(certificate.key_pem)};
    server.workers = 2;
    server_ = std::make_unique<http::Server>(std::move(server), *handler_, clock_, memory_);
    require(server_->start(), "server");
    address_ = {"127.0.0.1", server_->port(), kSwissnum};
  }

  void stop_serving() {
    server_->stop();
    server_.reset();
    handler_.reset();
    require(wait(store_->drain(clock_.context())), "drain");
    // The background work ends at its next turn.
    while (background_.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
      clock_.advance(std::chrono::seconds(60));
    }
    store_.reset();
  }

  NodeSettings settings_;
  TempDir directory_;
  FakeClock clock_;
  MemoryBudget memory_{std::size_t{256} << 20};
  asio::io_context loop_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_ = asio::make_work_guard(loop_);
  IoPool pool_{2};
  std::unique_ptr<Index> index_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ShareStore> store_;
  std::future<void> background_;
  std::unique_ptr<GbsHandler> handler_;
  std::unique_ptr<http::Server> server_;
  Address address_;
  std::thread thread_;
};

class RemoteNode final : public Node {
 public:
  // pb://<hash>@<host>:<port>/<swissnum>#v=1
  explicit RemoteNode(const std::string& nurl) {
    const std::size_t at = nurl.find('@');
    const std::size_t slash = nurl.find('/', at);
    const std::size_t colon = nurl.rfind(':', slash);
    const std::size_t hash = nurl.find('#', slash);
    if (!nurl.starts_with("pb://") || hash == std::string::npos || colon < at) {
      throw std::runtime_error("SHARESTORE_TEST_NURL is no NURL");
    }
    address_.host = nurl.substr(at + 1, colon - at - 1);
    address_.port =
        static_cast<std::uint16_t>(std::stoul(nurl.substr(colon + 1, slash - colon - 1)));
    address_.swissnum = nurl.substr(slash + 1, hash - slash - 1);
  }

  const Address& address() const override { return address_; }
  bool is_reference() const override { return std::getenv("SHARESTORE_TEST_REFERENCE") != nullptr; }

 private:
  Address address_;
};

}  // namespace

std::vector<std::string> node_kinds() {
  if (std::getenv("SHARESTORE_TEST_NURL") != nullptr) return {"remote"};
  return {"memory", "disk"};
}

std::unique_ptr<Node> make_node(const std::string& kind, NodeSettings settings) {
  if (kind == "remote") return std::make_unique<RemoteNode>(std::getenv("SHARESTORE_TEST_NURL"));
  return std::make_unique<LocalNode>(kind, settings);
}

}  // namespace sharestore::protocol_test
