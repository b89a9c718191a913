#include "storage_server/node/take_over.h"

#include <chrono>
#include <memory>
#include <utility>

#include "backends/backend_factory.h"
#include "backends/core/log.h"
#include "storage_server/node/control_loop.h"
#include "storage_server/node/files.h"
#include "storage_server/node/index_file.h"
#include "storage_server/node/instance_lock.h"
#include "storage_server/node/keys.h"

namespace sharestore {

namespace {

constexpr std::chrono::minutes kStartBudget{30};
constexpr std::chrono::minutes kStopBudget{2};
constexpr std::size_t kIoThreads = 4;
constexpr std::size_t kIndexMemoryBytes = 8u << 20;

// The backend's start takes the bucket over, its stop marks it as free for the next start.
Status start_and_stop(Backend& backend, ControlLoop& control, Clock& clock) {
  const auto context = [&clock](Duration budget) { return OpContext(clock, clock.now() + budget); };
  if (auto started = control.run(backend.start(context(kStartBudget))); !started) return started;
  const Health health = backend.health();
  const auto stopped = control.run(backend.stop(context(kStopBudget)));
  if (!health.ok) return fail(Errc::unavailable, health.sentence);
  return stopped;
}

}  // namespace

Status take_over(const NodeConfig& config) {
  auto lock = InstanceLock::acquire(config.node_directory);
  if (!lock) return fail(lock.error());
  const auto keys = read_keys(key_place(config));
  if (!keys) return fail(keys.error());
  const StorageConfig& storage = config.storage;
  if (auto made = make_directory(storage.storage_directory, kPrivateDirectoryMode);
      !made && made.error().code() != Errc::already_exists) {
    return made;
  }
  SystemClock clock;
  IoPool pool(kIoThreads);
  ControlLoop control;
  auto index = open_node_index(config, kIndexMemoryBytes, clock);
  if (!index) return fail(index.error());
  BackendDependencies dependencies{**index, pool, clock, control.executor(),
                                   keys->certificate.tub_digest};
  dependencies.take_over = true;
  auto backend = make_backend(storage, dependencies);
  if (!backend) return fail(backend.error());
  Status taken = fail(Errc::unsupported, "[storage] backend = " + (*backend)->traits().name +
                                             " keeps its shares in no bucket: there is nothing to "
                                             "take over");
  if ((*backend)->traits().listings_may_lag) taken = start_and_stop(**backend, control, clock);
  backend->reset();
  (*index)->stop();
  control.join();
  return taken;
}

}  // namespace sharestore
