#include "tests/conformance/backend_cases.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "backends/disk/disk_backend.h"
#include "backends/memory/memory_backend.h"
#include "backends/metered/metered_backend.h"
#include "backends/object/memory_container.h"
#include "backends/openstack/swift_container.h"
#include "backends/s3/s3_container.h"
#include "config/service_url.h"
#include "tests/conformance/object_world.h"
#include "tests/support/fake_s3.h"
#include "tests/support/fake_swift.h"
#include "tests/support/run_task.h"
#include "tests/support/temp_dir.h"

namespace sharestore {
namespace {

class MemoryWorld final : public BackendWorld {
 public:
  std::unique_ptr<Backend> open_backend() override { return make_memory_backend({}); }
};

class MeteredWorld final : public BackendWorld {
 public:
  std::unique_ptr<Backend> open_backend() override {
    return make_metered_backend(make_memory_backend({}), clock);
  }
};

class MemoryContainerWorld final : public ObjectWorld {
 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    return make_memory_container({}, clock);
  }
};

// Over HTTP, with every signature checked.
class S3World final : public ObjectWorld {
 public:
  ~S3World() override {
    if (container_) (void)run_task(container_->close());
  }

 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    test::FakeS3Options fake;
    fake.page_size = 2;
    store_ = std::make_unique<test::FakeS3>(clock, fake);
    s3::S3Options options;
    options.config.url = *parse_service_url(store_->server().origin());
    options.config.access_key_id = fake.access_key_id;
    options.config.secret_access_key = Secret(fake.secret);
    options.config.bucket = fake.bucket;
    options.config.region = fake.region;
    options.config.prefix = "node-a/";
    options.min_part_bytes = fake.min_part_bytes;
    container_ = std::make_shared<s3::S3Container>(options, requests_pool_, executor());
    return container_;
  }

 private:
  std::unique_ptr<test::FakeS3> store_;
  IoPool requests_pool_{2};
  std::shared_ptr<s3::S3Container> container_;
};

// A real store, in a bucket of its own for every test; named by the environment. Its time is not
// that of FakeClock: every first request is refused for it, corrected and repeated.
class RealS3World final : public ObjectWorld {
 public:
  ~RealS3World() override {
    if (container_) (void)run_task(container_->close());
  }

 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    static std::atomic<int> number = 0;
    s3::S3Options options;
    options.config.url = *parse_service_url(variable("URL"));
    options.config.access_key_id = variable("ACCESS_KEY_ID");
    options.config.secret_access_key = Secret(variable("SECRET_ACCESS_KEY"));
    options.config.region = variable("REGION");
    options.config.bucket =
        "conformance-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    options.config.prefix = "node-a/";
    container_ = std::make_shared<s3::S3Container>(options, requests_pool_, executor());
    const Status made = run_task(container_->create(clock.context()));
    if (!made) throw std::runtime_error(made.error().message());
    return container_;
  }

 private:
  static std::string variable(const std::string& name) {
    const char* value = std::getenv(("SHARESTORE_TEST_S3_" + name).c_str());
    return value == nullptr ? "" : value;
  }

  IoPool requests_pool_{2};
  std::shared_ptr<s3::S3Container> container_;
};

OpenStackConfig swift_config(const std::string& url, const std::string& user,
                             const std::string& key, const std::string& container) {
  OpenStackConfig config;
  config.provider = OpenStackConfig::Provider::swift;
  config.auth = OpenStackConfig::Auth::v1;
  config.url = *parse_service_url(url);
  config.username = user;
  config.api_key = Secret(key);
  config.container = container;
  config.prefix = "node-a/";
  return config;
}

// Over HTTP; two names to a listing.
class SwiftWorld final : public ObjectWorld {
 public:
  ~SwiftWorld() override {
    if (container_) (void)run_task(container_->close());
  }

 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    store_.set_page_size(2);
    container_ = openstack::make_swift_container(
        swift_config(store_.auth_url(), test::FakeSwift::kUser, test::FakeSwift::kKey, "shares"),
        requests_pool_, executor());
    return container_;
  }

 private:
  test::FakeSwift store_{"shares", clock};
  IoPool requests_pool_{2};
  std::shared_ptr<ObjectContainer> container_;
};

// A real Swift, in a container of its own for every test; named by the environment.
class RealSwiftWorld final : public ObjectWorld {
 public:
  ~RealSwiftWorld() override {
    if (container_) (void)run_task(container_->close());
  }

 protected:
  std::shared_ptr<ObjectContainer> make_container() override {
    static std::atomic<int> number = 0;
    const auto variable = [](const std::string& name) {
      return std::string(std::getenv(("SHARESTORE_TEST_SWIFT_" + name).c_str()));
    };
    container_ = openstack::make_swift_container(
        swift_config(variable("AUTH_URL"), variable("USER"), variable("KEY"),
                     "conformance-" + std::to_string(::getpid()) + "-" + std::to_string(++number)),
        requests_pool_, executor());
    const Status made = run_task(container_->create(clock.context()));
    if (!made) throw std::runtime_error(made.error().message());
    return container_;
  }
  // A request costs it milliseconds of processor time: few parts, but still several.
  std::uint64_t part_bytes(std::uint64_t) const override { return 512 * 1024; }

 private:
  IoPool requests_pool_{2};
  std::shared_ptr<ObjectContainer> container_;
};

class DiskWorld final : public BackendWorld {
 public:
  explicit DiskWorld(SyncMode mode = SyncMode::automatic) : mode_(mode) {}

  std::unique_ptr<Backend> open_backend() override {
    DiskOptions options;
    options.storage_directory = directory_ / "storage";
    options.sync_mode = mode_;
    auto backend = make_disk_backend(options, journal, pool_, clock);
    if (!backend) throw std::runtime_error(backend.error().message());
    return std::move(*backend);
  }

 private:
  const SyncMode mode_;
  TempDir directory_;
  IoPool pool_{2};
};

template <class World>
BackendCase world_case(std::string name) {
  return {std::move(name), [] { return std::make_unique<World>(); }};
}

}  // namespace

std::vector<BackendCase> backend_cases() {
  std::vector<BackendCase> cases = {
      world_case<MemoryWorld>("memory"),
      world_case<DiskWorld>("disk"),
      {"disk_per_file", [] { return std::make_unique<DiskWorld>(SyncMode::per_file); }},
      world_case<MeteredWorld>("metered"),
      world_case<MemoryContainerWorld>("object_over_memory"),
      world_case<S3World>("object_over_s3"),
      world_case<SwiftWorld>("object_over_swift"),
  };
  if (std::getenv("SHARESTORE_TEST_S3_URL") != nullptr) {
    cases.push_back(world_case<RealS3World>("real_s3"));
  }
  if (std::getenv("SHARESTORE_TEST_SWIFT_AUTH_URL") != nullptr) {
    cases.push_back(world_case<RealSwiftWorld>("real_swift"));
  }
  return cases;
}

}  // namespace sharestore
