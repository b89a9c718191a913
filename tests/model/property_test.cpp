// Random operations on every backend, compared with a model after each step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "tests/model/model_world.h"
#include "tests/model/operation.h"
#include "tests/model/store_model.h"
#include "tests/support/run_task.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

constexpr std::size_t kOperations = 40;

// Runs one sequence; the answer says what went wrong.
class Trial {
 public:
  explicit Trial(const ModelCase& model) : world_(model.make_world()) {}
  ~Trial() { close(); }

  std::optional<std::string> sequence(const std::vector<Operation>& operations) {
    if (!open()) return "the empty store does not open";
    for (std::size_t i = 0; i < operations.size(); ++i) {
      step(operations[i]);
      if (problem_.empty()) compare();
      if (!problem_.empty()) {
        return "step " + std::to_string(i) + " (" + to_string(operations[i]) + "): " + problem_;
      }
    }
    return std::nullopt;
  }

 private:
  OpContext context() { return world_->clock.context(); }

  bool open() {
    backend_ = world_->open_backend();
    if (!backend_) return false;
    const Status started = run_task(backend_->start(context()));
    if (!started && problem_.empty()) start_error_ = started.error().message();
    return started.has_value();
  }
  void close() {
    if (backend_) (void)run_task(backend_->stop(context()));
    backend_.reset();
  }

  void step(const Operation& op) {
    CrashFileSystem* files = world_->files();
    const bool changes = op.kind != Operation::Kind::reopen && op.kind != Operation::Kind::crash &&
                         op.kind != Operation::Kind::fail_next;
    if (crash_ && !changes) return recover();
    switch (op.kind) {
      case Operation::Kind::reopen: return reopen();
      case Operation::Kind::crash:
        crash_ = op;
        if (files != nullptr) files->stop_after(op.after_calls);
        return;
      case Operation::Kind::fail_next:
        if (files != nullptr) fail_later(*files, op.after_calls, op.error);
        return;
      default: break;
    }
    change(op);
    if (crash_) return recover();
    if (files == nullptr) return;
    files->set_fault({});
    // A failed sync ends the life of this backend: the operator restarts the node.
    if (!backend_->health().ok) reopen();
  }

  static void fail_later(CrashFileSystem& files, std::uint64_t calls, int error) {
    auto left = std::make_shared<std::uint64_t>(calls);
    files.set_fault([left, error](const std::string& call) {
      const bool reads = call == "pread" || call == "open" || call.starts_with("stat") ||
                         call == "list" || call == "space";
      if (reads || *left == 0 || --*left != 0) return 0;
      return -error;
    });
  }

  void reopen() {
    if (!backend_->traits().persistent) return;
    if (world_->files() != nullptr) world_->files()->set_fault({});
    close();
    if (!open()) problem_ = "does not open again: " + start_error_;
  }

  // After the cut: what was lost is lost, and now and then the start is cut off too.
  void recover() {
    std::mt19937_64 random(crash_->seed);
    CrashFileSystem* files = world_->files();
    const bool faults = files != nullptr;
    crash_.reset();
    if (!faults) return;
    close();
    files->set_fault({});
    files->crash(random);
    if (random() % 4 == 0) {
      files->stop_after(1 + random() % 20);
      open();
      close();
      files->crash(random);
    }
    if (!open()) problem_ = "does not open after a crash: " + start_error_;
  }

  // Does one changing operation and tells the model what may have come of it.
  void change(const Operation& op) {
    const ModelSlot before = model_.possible(op.index).front();
    std::optional<ModelSlot> after;
    Result<bool> done = false;  // false: refused as it should be
    switch (op.kind) {
      case Operation::Kind::upload: done = upload(op, before, after); break;
      case Operation::Kind::give_up: done = give_up(op); break;
      case Operation::Kind::commit: done = commit(op, before, after); break;
      case Operation::Kind::remove: done = remove(op, before, after); break;
      default: done = store_leases(op, before, after); break;
    }
    if (!problem_.empty()) return;
    if (done && *done && after) return model_.settle(op.index, *after);
    if (!done && after && !done.error().outcome_known()) model_.allow(op.index, *after);
    // A cut-off machine does not keep its word about what did not happen.
    if (!done && after && done.error().outcome_known() && crash_) model_.allow(op.index, *after);
  }

  bool faulty() const { return world_->files() != nullptr; }
  // An error that no fault explains is a finding.
  Result<bool> failed(const Error& error) {
    if (!faulty()) problem_ = "failed: " + error.message();
    return fail(error);
  }

  Result<bool> upload(const Operation& op, const ModelSlot& before,
                      std::optional<ModelSlot>& after) {
    // One slot never mixes kinds: the layer above sees to that.
    for (const auto& [number, share] : before) {
      if (share.kind != ShareKind::immutable) return false;
    }
    auto writer =
        run_task(backend_->create_immutable(context(), {{op.index, op.number}, op.data.size()}));
    if (before.contains(op.number)) {
      if (writer) problem_ = "created over an existing share";
      return false;
    }
    if (!writer) return failed(writer.error());
    after = before;
    ModelShare& share = (*after)[op.number];
    share.data = op.data;
    model_leases(share, op.leases);
    if (!backend_->traits().keeps_leases) share.leases.clear();
    // In two pieces, the later first, when there is enough of it.
    const std::size_t cut = op.data.size() > 600 ? op.data.size() / 2 : 0;
    for (const std::size_t at : {cut, std::size_t{0}}) {
      const std::string piece =
          at == 0 ? op.data.substr(0, cut == 0 ? op.data.size() : cut) : op.data.substr(cut);
      if (at == 0 && cut == 0 && piece.empty()) break;
      const Status wrote = run_task((*writer)->write(context(), at, Bytes::copy_of(piece)));
      if (!wrote) return failed(wrote.error());
      if (cut == 0) break;
    }
    Leases leases;
    for (const LeaseUpdate& update : op.leases) leases.push_back(update.lease);
    const auto info = run_task((*writer)->commit(context(), leases));
    if (!info) return failed(info.error());
    return true;
  }

  Result<bool> give_up(const Operation& op) {
    auto writer = run_task(backend_->create_immutable(context(), {{op.index, op.number}, 3000}));
    if (writer) (void)run_task((*writer)->write(context(), 700, Bytes::copy_of("abandoned")));
    return false;
  }

  Result<bool> commit(const Operation& op, const ModelSlot& before,
                      std::optional<ModelSlot>& after) {
    SlotCommit request{op.index, letter_secret('W'), op.changes};
    after = model_commit(before, request);
    if (after && !backend_->traits().keeps_leases) {
      for (auto& [number, share] : *after) share.leases.clear();
    }
    // Only removals in a slot of immutable shares are not refused by every backend.
    if (!after) return false;
    const auto infos = run_task(backend_->commit_slot(context(), std::move(request)));
    if (!infos) return failed(infos.error());
    return true;
  }

  Result<bool> remove(const Operation& op, const ModelSlot& before,
                      std::optional<ModelSlot>& after) {
    after = before;
    after->erase(op.number);
    const Status removed = run_task(backend_->remove(context(), {op.index, op.number}));
    if (!removed) return failed(removed.error());
    return true;
  }

  Result<bool> store_leases(const Operation& op, const ModelSlot& before,
                            std::optional<ModelSlot>& after) {
    const Status stored =
        run_task(backend_->store_leases(context(), {op.index, op.number}, op.leases));
    if (!before.contains(op.number)) {
      // Who keeps none does not look.
      if (stored && backend_->traits().keeps_leases) problem_ = "stored leases of a missing share";
      return false;
    }
    after = before;
    if (backend_->traits().keeps_leases) model_leases((*after)[op.number], op.leases);
    if (!stored) return failed(stored.error());
    return true;
  }

  // What the backend shows of a slot; nothing if it cannot be read.
  std::optional<ModelSlot> look(const StorageIndex& index) {
    ModelSlot slot;
    const auto listed = run_task(backend_->list(context(), index, {}));
    if (!listed) return complain("list: " + listed.error().message());
    for (ShareNumber n = 0; n < kModelShares; ++n) {
      const auto reader = run_task(backend_->open(context(), {index, n}));
      const bool is_listed = std::any_of(listed->begin(), listed->end(),
                                         [&](const ShareInfo& info) { return info.number == n; });
      if (!reader && reader.error().code() == Errc::not_found && !is_listed) continue;
      if (!reader) return complain("open: " + reader.error().message());
      if (!is_listed) return complain("a share can be opened and is not listed");
      ModelShare share;
      share.kind = (*reader)->info().kind;
      const auto data = run_task((*reader)->read(context(), 0, 4u << 20));
      if (!data) return complain("read: " + data.error().message());
      share.data = data->text();
      const auto leases = run_task(backend_->load_leases(context(), {index, n}));
      if (!leases) return complain("leases: " + leases.error().message());
      for (const Lease& lease : *leases) {
        if (!share.leases.emplace(lease.renew_digest, lease.expires_at).second) {
          return complain("a lease twice");
        }
      }
      slot[n] = std::move(share);
    }
    return slot;
  }

  std::optional<ModelSlot> complain(std::string problem) {
    problem_ = std::move(problem);
    return std::nullopt;
  }

  void compare() {
    if (crash_) return;  // the cut is to come
    std::size_t expected = 0;
    for (const StorageIndex& index : model_indexes()) {
      const auto seen = look(index);
      if (!seen) return;
      expected += seen->size();
      if (!model_.observe(index, *seen)) {
        problem_ =
            "the slot " + index.to_text() + " is not what it may be: " + difference(index, *seen);
        return;
      }
    }
    if (scanned() != expected) problem_ = "the scan does not agree with what can be opened";
  }

  // Shares that a scan finds, page by page; nothing if it fails or does not end.
  std::optional<std::size_t> scanned() {
    constexpr int kMaxPages = 1000;
    std::size_t shares = 0;
    ScanCursor cursor;
    for (int pages = 0; pages < kMaxPages; ++pages) {
      auto page = run_task(backend_->scan(context(), cursor, 1000));
      if (!page) return std::nullopt;
      shares += page->shares.size();
      if (page->finished) return shares;
      cursor = page->next;
    }
    return std::nullopt;
  }

  std::string difference(const StorageIndex& index, const ModelSlot& seen) {
    std::string text = "seen {" + describe(seen) + "}";
    for (const ModelSlot& slot : model_.possible(index))
      text += ", possible {" + describe(slot) + "}";
    return text;
  }
  static std::string describe(const ModelSlot& slot) {
    std::string text;
    for (const auto& [number, share] : slot) {
      text += std::to_string(number) + ":" + std::to_string(share.data.size()) + " bytes #" +
              std::to_string(std::hash<std::string>()(share.data) % 10000) + " " +
              std::to_string(share.leases.size()) + " leases ";
    }
    return text;
  }

  std::unique_ptr<ModelWorld> world_;
  std::unique_ptr<Backend> backend_;
  StoreModel model_;
  std::optional<Operation> crash_;
  std::string problem_;
  std::string start_error_;
};

// Drops operations as long as the rest still fails.
std::vector<Operation> shrink(const ModelCase& model, std::vector<Operation> operations) {
  for (std::size_t piece = operations.size() / 2; piece > 0; piece /= 2) {
    for (std::size_t at = 0; at + piece <= operations.size();) {
      std::vector<Operation> fewer = operations;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at),
                  fewer.begin() + static_cast<std::ptrdiff_t>(at + piece));
      if (Trial(model).sequence(fewer)) {
        operations = std::move(fewer);
      } else {
        at += piece;
      }
    }
  }
  return operations;
}

std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

class Property : public testing::TestWithParam<ModelCase> {};
INSTANTIATE_TEST_SUITE_P(Backends, Property, testing::ValuesIn(model_cases()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Property, RandomOperationsAgreeWithTheModel) {
  const ModelCase& model = GetParam();
  const auto only = number_from_environment("SHARESTORE_MODEL_SEED");
  const std::uint64_t first = only.value_or(1);
  const std::uint64_t usual = std::min(
      model.seeds, number_from_environment("SHARESTORE_MODEL_SEEDS_AT_MOST").value_or(model.seeds));
  const std::uint64_t count =
      only ? 1 : number_from_environment("SHARESTORE_MODEL_SEEDS").value_or(usual);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const auto operations = generate(seed, kOperations, model.with_faults);
    if (!Trial(model).sequence(operations)) continue;
    const auto shortest = shrink(model, operations);
    std::string text;
    for (const Operation& operation : shortest) text += "  " + to_string(operation) + "\n";
    const auto problem = Trial(model).sequence(shortest);
    FAIL() << "seed " << seed << ":\n" << text << problem.value_or("(fails only now and then)");
  }
}

}  // namespace
}  // namespace sharestore
