#include "storage_server/node/node.h"

#include <fmt/format.h>
#include <unistd.h>
#include <boost/asio/any_io_executor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <filesystem>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

#include "backends/backend_factory.h"
#include "backends/core/limits.h"
#include "backends/core/log.h"
#include "backends/core/memory_budget.h"
#include "backends/metered/metered_backend.h"
#include "storage_server/control/server.h"
#include "storage_server/grid/announcer.h"
#include "storage_server/http/server.h"
#include "storage_server/maintenance/expiry.h"
#include "storage_server/maintenance/index_check.h"
#include "storage_server/node/announcement_seqnum.h"
#include "storage_server/node/control_commands.h"
#include "storage_server/node/control_loop.h"
#include "storage_server/node/cpu_monitor.h"
#include "storage_server/node/files.h"
#include "storage_server/node/grid_manager_notices.h"
#include "storage_server/node/index_file.h"
#include "storage_server/node/instance_lock.h"
#include "storage_server/node/keys.h"
#include "storage_server/node/lease_flush.h"
#include "storage_server/node/local_call.h"
#include "storage_server/node/location.h"
#include "storage_server/node/maintenance_commands.h"
#include "storage_server/node/memory_plan.h"
#include "storage_server/node/nurl.h"
#include "storage_server/node/process.h"
#include "storage_server/node/rebuild_run.h"
#include "storage_server/node/status.h"
#include "storage_server/node/version.h"
#include "storage_server/node/web_port.h"
#include "storage_server/protocol/gbs_handler.h"
#include "storage_server/state/state_keeper.h"

namespace sharestore {

namespace {

// Completing what a crash left open may mean reading and writing many shares.
constexpr std::chrono::minutes kStartBudget{30};
constexpr std::chrono::minutes kStopBudget{2};
// Threads that wait for the disk: enough to keep it busy, few enough to cost no memory.
constexpr std::size_t kMinIoThreads = 4;
constexpr std::size_t kMaxIoThreads = 16;
// Descriptors that are not connections: share files, index, spool, log.
constexpr std::size_t kReservedFiles = 1536;
constexpr std::size_t kMinConnections = 64;
constexpr std::size_t kUnusedSwissnumBytes = 20;

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

Status make_storage_directory(const std::filesystem::path& directory) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) return {};
  // Share files hold write enablers, so nobody else has business in here.
  return make_directory(directory, kPrivateDirectoryMode);
}

void log_request(const http::RequestRecord& record) {
  log::debug("request {}: {} {} {} {} bytes {:.1f} ms{}", record.id, record.method, record.path,
             record.status, record.body_bytes,
             std::chrono::duration<double, std::milli>(record.duration).count(),
             record.complete ? "" : " (connection ended before)");
}

void log_notices(const NodeConfig& config) {
  for (const std::string& notice : config.notices) log::warning("{}", notice);
}

}  // namespace

struct Node::Parts {
  explicit Parts(NodeConfig from) : config(std::move(from)) {}

  Status take_directory();
  Status prepare_directory();
  Status start_storage();
  Status start_serving(const NodeOptions& options);
  Status start_announcing();
  Status start_web();
  void start_control();
  bool stop();
  static void end(std::vector<ControlLoop::Background>& tasks);

  OpContext context(Duration budget) { return {clock, clock.now() + budget}; }

  // In the order of their making; destroyed in reverse.
  NodeConfig config;
  SystemClock clock;
  CpuMonitor cpu{clock};
  std::optional<InstanceLock> lock;
  std::vector<ListenEndpoint> listeners;
  std::vector<LocationHint> hints;
  NodeKeys keys;
  std::vector<std::string> nurls;
  std::unique_ptr<IoPool> pool;
  std::unique_ptr<ControlLoop> control;
  std::unique_ptr<MemoryBudget> memory;
  std::unique_ptr<FullIndex> index;
  std::unique_ptr<MeteredBackend> backend;
  std::unique_ptr<ShareStore> store;
  std::unique_ptr<StateKeeper> state_keeper;
  std::unique_ptr<Expiry> expiry;
  std::unique_ptr<RebuildRun> rebuild;
  std::unique_ptr<GbsHandler> handler;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<AnnouncementSeqnum> seqnum;
  std::unique_ptr<grid::Announcer> announcer;
  std::unique_ptr<StatusSource> status;
  std::unique_ptr<WebPort> web;
  control::Commands commands;
  std::unique_ptr<control::Server> commanding;

  std::atomic<bool> stopping{false};
  std::vector<ControlLoop::Background> background;
  std::vector<ControlLoop::Background> announcing;
  std::vector<ControlLoop::Background> taking_commands;
  bool storage_started = false;
  bool stopped = false;
  bool stopped_cleanly = true;
};

Status Node::Parts::take_directory() {
  auto locked = InstanceLock::acquire(config.node_directory);
  if (!locked) return fail(locked.error());
  lock.emplace(std::move(*locked));
  if (const auto stale = lock->stale_process()) {
    log::warning("the node of process {} did not stop cleanly", *stale);
  }
  return {};
}

Status Node::Parts::prepare_directory() {
  if (auto taken = take_directory(); !taken) return taken;
  auto chosen = choose_listeners(config);
  if (!chosen) return fail(chosen.error());
  listeners = std::move(*chosen);
  auto resolved = resolve_location(config.tub_location, listeners);
  if (!resolved) return fail(resolved.error());
  hints = std::move(*resolved);
  auto prepared = prepare_keys(key_place(config), location_text(hints));
  if (!prepared) return fail(prepared.error());
  keys = std::move(*prepared);
  if (config.storage.anonymous) nurls = make_nurls(keys, hints);
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.utc_now());
  for (const std::string& notice :
       grid_manager_notices(config.grid_manager_certificates, keys.public_key, now)) {
    log::warning("{}", notice);
  }
  return make_storage_directory(config.storage.storage_directory);
}

Status Node::Parts::start_storage() {
  const StorageConfig& storage = config.storage;
  pool = std::make_unique<IoPool>(std::clamp(2 * cores(), kMinIoThreads, kMaxIoThreads));
  control = std::make_unique<ControlLoop>();
  const MemoryPlan plan = plan_memory(storage);
  auto opened = open_node_index(config, plan.index_bytes, clock);
  if (!opened) return fail(opened.error());
  index = std::move(*opened);
  BackendDependencies dependencies{*index, *pool, clock, control->executor(),
                                   keys.certificate.tub_digest};
  dependencies.redo_log_bytes = plan.redo_log_bytes;
  auto made = make_backend(storage, dependencies);
  if (!made) return fail(made.error());
  backend = make_metered_backend(std::move(*made), clock);
  if (auto started = control->run(backend->start(context(kStartBudget))); !started) {
    return started;
  }
  storage_started = true;
  ShareStoreOptions options;
  options.readonly = storage.readonly;
  options.reserved_space_bytes = storage.reserved_space_bytes;
  options.sizelimit_bytes = storage.sizelimit_bytes.value_or(0);
  options.advisories_directory = storage.storage_directory / "corruption-advisories";
  options.spool_directory = storage.storage_directory / "incoming";
  store = ShareStore::create(options, *backend, *index, *pool, clock);
  if (auto doubted = control->run(doubt_if_needed(*index, config, clock)); !doubted) {
    return doubted;
  }
  if (auto started = control->run(store->start(context(kStartBudget))); !started) return started;
  rebuild = std::make_unique<RebuildRun>(*backend, *store, *index, clock);
  expiry = std::make_unique<Expiry>(storage.expire, *index, *store, clock);
  return control->run(expiry->start());
}

Status Node::Parts::start_serving(const NodeOptions& options) {
  const MemoryPlan plan = plan_memory(config.storage);
  GbsOptions gbs;
  gbs.memory_bytes = plan.request_bytes;
  // Without anonymous storage nobody is given the way in, so there must be none.
  gbs.swissnum = config.storage.anonymous ? keys.swissnum : random_secret(kUnusedSwissnumBytes);
  gbs.application_version = application_version();
  gbs.max_mutable_request_bytes = config.storage.max_mutable_request_bytes;
  gbs.spool_directory = config.storage.storage_directory / "incoming";
  handler = std::make_unique<GbsHandler>(*store, *pool, std::move(gbs));
  memory = std::make_unique<MemoryBudget>(plan.buffer_bytes);
  http::ServerOptions serving;
  serving.endpoints = listeners;
  serving.tls = http::TlsIdentity{keys.certificate.certificate_pem, keys.certificate.key_pem};
  serving.workers = options.workers == 0 ? cores() : options.workers;
  serving.request_log = log_request;
  serving.logs_requests = [] { return log::enabled(log::Level::debug); };
  const std::size_t files = raise_file_limit();
  const std::size_t room = files > kReservedFiles ? files - kReservedFiles : 0;
  serving.limits.connections =
      std::min(serving.limits.connections, std::max(room, kMinConnections));
  server = std::make_unique<http::Server>(std::move(serving), *handler, clock, *memory);
  if (auto started = server->start(); !started) return started;
  background.push_back(control->start(store->run()));
  background.push_back(control->start(rebuild->run(stopping)));
  if (backend->traits().keeps_leases) {
    background.push_back(control->start(run_lease_flush(*store, *index, clock, stopping)));
  } else if (backend->traits().persistent) {
    state_keeper = std::make_unique<StateKeeper>(*backend, *index, clock);
    background.push_back(control->start(state_keeper->run(stopping)));
  }
  background.push_back(control->start(expiry->run(stopping)));
  background.push_back(control->start(run_index_check(*index, clock, stopping)));
  return {};
}

Status Node::Parts::start_announcing() {
  if (config.introducers.empty()) return {};
  if (!config.storage.anonymous) {
    log::info("[storage] anonymous = false: introducers are told nothing");
    return {};
  }
  if (!config.outbound_tcp) {
    log::info("[connections] tcp = disabled: no introducer is connected to");
    return {};
  }
  seqnum = std::make_unique<AnnouncementSeqnum>(config.node_directory);
  grid::AnnouncerOptions announcing_options;
  announcing_options.facts = {config.nickname,        application_version(),
                              make_furl(keys, hints), nurls,
                              keys.permutation_seed,  config.grid_manager_certificates};
  announcing_options.signing_seed = keys.signing_seed;
  announcing_options.certificate_pem = keys.certificate.certificate_pem;
  announcing_options.key_pem = keys.certificate.key_pem;
  announcing_options.tub_id = keys.certificate.tub_id;
  announcing_options.introducers = config.introducers;
  announcing_options.keepalive = config.keepalive_timeout;
  announcing_options.disconnect = config.disconnect_timeout;
  announcing_options.next_seqnum = [this] { return seqnum->next(); };
  auto made = grid::Announcer::make(std::move(announcing_options), *pool, clock);
  if (!made) return fail(made.error());
  announcer = std::move(*made);
  for (auto& run : announcer->runs()) announcing.push_back(control->start(std::move(run)));
  return {};
}

Status Node::Parts::start_web() {
  background.push_back(control->start(cpu.run(stopping)));
  status = std::make_unique<StatusSource>(StatusParts{
      config,
      {application_version(), config.nickname, keys.certificate.tub_id, backend->traits().name,
       ::getpid(), unix_seconds(clock.utc_now())},
      clock,
      cpu,
      *memory,
      *backend,
      *index,
      *store,
      *expiry,
      *rebuild,
      *handler,
      *server,
      [this] { return announcer ? announcer->states() : std::vector<grid::IntroducerState>(); }});
  auto opened = WebPort::open(config.web_port, *status, clock);
  if (!opened) return fail(opened.error().with_context("[node] web.port"));
  web = std::move(*opened);
  return {};
}

// A node serves without it too: a file system may know no sockets.
void Node::Parts::start_control() {
  add_control_commands(commands, {*status});
  add_maintenance_commands(commands, {clock, *backend, *index, *store, *expiry, *rebuild});
  commanding = std::make_unique<control::Server>(commands, clock);
  if (auto opened = commanding->open(config.node_directory); !opened) {
    log::warning("commands cannot reach this node: {}", opened.error().message());
    commanding.reset();
    return;
  }
  taking_commands.push_back(control->start(commanding->run()));
}

void Node::Parts::end(std::vector<ControlLoop::Background>& tasks) {
  for (auto& task : tasks) task.cancel();
  for (auto& task : tasks) {
    if (const std::string failure = task.wait(); !failure.empty()) {
      log::error("background work ended with an error: {}", failure);
    }
  }
  tasks.clear();
}

bool Node::Parts::stop() {
  if (std::exchange(stopped, true)) return stopped_cleanly;
  stopping = true;
  web.reset();
  end(taking_commands);
  commanding.reset();
  end(announcing);
  if (server) {
    stopped_cleanly = server->drain(clock.now() + limits::kDrainBudget);
  }
  if (store) {
    const auto drained = control->run(store->drain(context(limits::kDrainBudget)));
    if (!drained) log::warning("ending uploads: {}", drained.error().message());
  }
  if (server) server->stop();
  if (handler && handler->last_download() != 0) index->note_download(handler->last_download());
  end(background);
  if (store && storage_started && backend->traits().keeps_leases) {
    const auto tell = [](std::size_t files) -> boost::asio::awaitable<void> {
      log::info("leases written into {} share files", files);
      co_return;
    };
    const auto flushed = control->run(flush_leases(*store, *index, clock, tell));
    if (!flushed) log::warning("leases not yet in share files: {}", flushed.error().message());
  }
  if (state_keeper) {
    const auto told = control->run(state_keeper->flush());
    if (!told) log::warning("the bucket's state lacks the newest: {}", told.error().message());
  }
  if (storage_started) {
    const auto ended = control->run(backend->stop(context(kStopBudget)));
    if (!ended) log::warning("stopping the backend: {}", ended.error().message());
    const auto noted = control->run(note_last_run(*index, config));
    if (!noted) log::warning("the index: {}", noted.error().message());
  }
  if (index) index->stop();
  if (control) control->join();
  if (pool) pool->join();
  return stopped_cleanly;
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::~Node() { stop(); }

Result<std::unique_ptr<Node>> Node::start(NodeConfig config, NodeOptions options) {
  // A peer that goes away while it is written to is an error of that write, not a signal.
  ::signal(SIGPIPE, SIG_IGN);
  log_notices(config);
  // From here on the destructor takes down whatever was started.
  std::unique_ptr<Node> node(new Node(std::make_unique<Parts>(std::move(config))));
  Parts& parts = *node->parts_;
  if (auto status = parts.prepare_directory(); !status) return fail(status.error());
  if (auto status = parts.start_storage(); !status) return fail(status.error());
  if (auto status = parts.start_serving(options); !status) return fail(status.error());
  if (auto status = parts.start_announcing(); !status) return fail(status.error());
  if (auto status = parts.start_web(); !status) return fail(status.error());
  parts.start_control();
  return node;
}

Result<std::unique_ptr<Node>> Node::open_stopped(NodeConfig config) {
  std::unique_ptr<Node> node(new Node(std::make_unique<Parts>(std::move(config))));
  Parts& parts = *node->parts_;
  if (auto status = parts.take_directory(); !status) return fail(status.error());
  auto keys = read_keys(key_place(parts.config));
  if (!keys) return fail(keys.error());
  parts.keys = std::move(*keys);
  auto made = make_storage_directory(parts.config.storage.storage_directory);
  if (!made) return fail(made.error());
  if (auto status = parts.start_storage(); !status) return fail(status.error());
  add_maintenance_commands(parts.commands, {parts.clock, *parts.backend, *parts.index, *parts.store,
                                            *parts.expiry, *parts.rebuild, false});
  return node;
}

Result<boost::json::object> Node::perform(std::string_view command,
                                          const boost::json::object& arguments,
                                          const control::OnProgress& on_progress) {
  return call_locally(*parts_->control, parts_->commands, parts_->clock, command, arguments,
                      on_progress);
}

const std::vector<std::string>& Node::nurls() const { return parts_->nurls; }
std::uint16_t Node::port() const { return parts_->server->port(); }

std::vector<grid::IntroducerState> Node::introducers() const {
  if (!parts_->announcer) return {};
  return parts_->announcer->states();
}

bool Node::stop() { return parts_->stop(); }

}  // namespace sharestore
