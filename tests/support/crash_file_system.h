// A file system in memory that forgets what was not synced.
//
// crash() leaves what a power cut may leave: of the name changes since the last sync a random part
// (ordered: the first so many, as a journal would keep them; unordered: any of them), of unsynced
// data random pages. Renames are atomic, as on every journalled file system.
//
// What is synced: sync_data() the file's content and size, not its name; sync_directory() the
// changes of that directory's entries; sync_everything() all. finish_write_out() makes content
// durable in order with name changes around it, where `ordered`.
//
// Threads: any; one mutex. Descriptors of before a crash are dead.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backends/disk/file_system.h"

namespace sharestore {

class CrashFileSystem final : public FileSystem {
 public:
  explicit CrashFileSystem(bool ordered) : ordered_(ordered), root_(new_directory()) {}

  // From the n-th changing call on (1: the next), nothing happens any more: every call fails.
  void stop_after(std::uint64_t changing_calls);
  bool stopped() const;
  // Loses what a power cut would lose, and runs again.
  void crash(std::mt19937_64& random);

  // Called with each call's name; minus an errno makes it fail with that. "pwrite", "sync_data", …
  using Fault = std::function<int(const std::string& call)>;
  void set_fault(Fault fault);
  // Writes at most so many bytes per call; 0: all.
  void set_short_writes(std::size_t bytes) { short_writes_ = bytes; }
  // Changing calls so far.
  std::uint64_t changing_calls() const;

  // All file paths, for tests to look at.
  std::set<std::string> files() const;

  int open(const std::string& path, int flags) override;
  void close(int fd) override;
  std::int64_t pread(int fd, MutableByteSpan into, std::uint64_t offset) override;
  std::int64_t pread_now(int fd, MutableByteSpan into, std::uint64_t offset) override;
  std::int64_t pwrite(int fd, ByteSpan from, std::uint64_t offset) override;
  int truncate(int fd, std::uint64_t bytes) override;
  int zero_range(int fd, std::uint64_t offset, std::uint64_t length) override;
  int reserve(int fd, std::uint64_t offset, std::uint64_t length) override;
  int clone(int from, int to) override;
  std::int64_t copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset,
                          std::uint64_t length) override;
  std::int64_t next_data(int fd, std::uint64_t offset) override;
  std::int64_t next_hole(int fd, std::uint64_t offset) override;
  int sync_data(int fd) override;
  int sync_directory(const std::string& path) override;
  int sync_everything(int fd) override;
  int begin_write_out(int fd, std::uint64_t offset, std::uint64_t length) override;
  int finish_write_out(int fd) override;
  bool write_out_orders_names(int /*fd*/) override { return ordered_; }
  int stat(const std::string& path, FileStat& out) override;
  int stat_open(int fd, FileStat& out) override;
  int rename(const std::string& from, const std::string& to) override;
  int unlink(const std::string& path) override;
  int make_directory(const std::string& path) override;
  int remove_directory(const std::string& path) override;
  int list(const std::string& path, std::vector<std::string>& names) override;
  int space(const std::string& path, FileSystemSpace& out) override;

 private:
  static constexpr std::uint64_t kPageBytes = 512;
  using Page = std::array<char, kPageBytes>;

  struct Content {
    std::uint64_t size = 0;
    std::map<std::uint64_t, std::shared_ptr<const Page>> pages;
  };
  struct Node;
  using NodePtr = std::shared_ptr<Node>;
  struct Node {
    bool is_directory = false;
    Content now;
    Content durable;
    std::map<std::string, NodePtr> entries;
    std::map<std::string, NodePtr> durable_entries;
  };
  // One directory entry as an operation sets it; null: gone.
  struct EntryChange {
    NodePtr directory;
    std::string name;
    NodePtr node;
  };
  // What happened since the last sync, in order.
  struct Operation {
    std::vector<EntryChange> entries;
    NodePtr content_of;  // a write-out: this node's content was `content`
    Content content;
  };

  static NodePtr new_directory();
  int before(const char* call, bool changing);
  NodePtr find(const std::string& path) const;
  NodePtr parent_of(const std::string& path, std::string& name) const;
  NodePtr open_node(int fd) const;
  void apply(std::vector<EntryChange> changes);
  static void make_durable(const Operation& operation);
  static void write_bytes(Content& content, std::uint64_t offset, ByteSpan from);
  static void resize(Content& content, std::uint64_t size);
  static Content torn(const Content& durable, const Content& now, std::mt19937_64& random);
  static void for_each_node(const NodePtr& from, bool durable, std::set<Node*>& seen,
                            const std::function<void(Node&)>& visit);

  mutable std::mutex mutex_;
  const bool ordered_;
  NodePtr root_;
  std::map<int, NodePtr> open_;
  int next_fd_ = 100;
  std::vector<Operation> log_;
  Fault fault_;
  std::size_t short_writes_ = 0;
  std::uint64_t changing_calls_ = 0;
  std::uint64_t stop_at_ = ~std::uint64_t{0};
};

}  // namespace sharestore
