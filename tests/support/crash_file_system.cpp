#include "tests/support/crash_file_system.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sharestore {

// --- faults and crashes -------------------------------------------------------------------------

void CrashFileSystem::stop_after(std::uint64_t changing_calls) {
  const std::lock_guard lock(mutex_);
  stop_at_ = changing_calls_ + changing_calls;
}

bool CrashFileSystem::stopped() const {
  const std::lock_guard lock(mutex_);
  return changing_calls_ >= stop_at_;
}

std::uint64_t CrashFileSystem::changing_calls() const {
  const std::lock_guard lock(mutex_);
  return changing_calls_;
}

void CrashFileSystem::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

int CrashFileSystem::before(const char* call, bool changing) {
  if (changing && changing_calls_ < stop_at_) ++changing_calls_;
  if (changing_calls_ >= stop_at_) return -EIO;
  return fault_ ? fault_(call) : 0;
}

CrashFileSystem::Content CrashFileSystem::torn(const Content& durable, const Content& now,
                                               std::mt19937_64& random) {
  if (random() % 3 == 0) return durable;
  Content left = durable;
  left.size = random() % 2 == 0 ? durable.size : now.size;
  for (const auto& [index, page] : now.pages) {
    const bool fits = index * kPageBytes < left.size;
    if (fits && random() % 2 == 0) left.pages[index] = page;
  }
  const std::uint64_t size = left.size;
  resize(left, size);
  return left;
}

void CrashFileSystem::make_durable(const Operation& operation) {
  if (operation.content_of) operation.content_of->durable = operation.content;
  for (const EntryChange& change : operation.entries) {
    if (change.node) {
      change.directory->durable_entries[change.name] = change.node;
    } else {
      change.directory->durable_entries.erase(change.name);
    }
  }
}

void CrashFileSystem::for_each_node(const NodePtr& from, bool durable, std::set<Node*>& seen,
                                    const std::function<void(Node&)>& visit) {
  if (!seen.insert(from.get()).second) return;
  visit(*from);
  for (const auto& [name, node] : durable ? from->durable_entries : from->entries) {
    for_each_node(node, durable, seen, visit);
  }
}

void CrashFileSystem::crash(std::mt19937_64& random) {
  const std::lock_guard lock(mutex_);
  const std::size_t kept = log_.empty() ? 0 : random() % (log_.size() + 1);
  for (std::size_t i = 0; i < log_.size(); ++i) {
    const bool survives = ordered_ ? i < kept : random() % 2 == 0;
    if (survives) make_durable(log_[i]);
  }
  std::set<Node*> seen;
  for_each_node(root_, true, seen, [&](Node& node) {
    if (!node.is_directory) node.durable = torn(node.durable, node.now, random);
    node.now = node.durable;
    node.entries = node.durable_entries;
  });
  log_.clear();
  open_.clear();
  stop_at_ = ~std::uint64_t{0};
}

std::set<std::string> CrashFileSystem::files() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> paths;
  const std::function<void(const NodePtr&, const std::string&)> walk = [&](const NodePtr& node,
                                                                           const std::string& at) {
    if (!node->is_directory) paths.insert(at);
    for (const auto& [name, child] : node->entries) walk(child, at + "/" + name);
  };
  walk(root_, "");
  return paths;
}

// --- content ------------------------------------------------------------------------------------

void CrashFileSystem::resize(Content& content, std::uint64_t size) {
  content.size = size;
  const std::uint64_t last = size / kPageBytes;
  content.pages.erase(content.pages.upper_bound(last), content.pages.end());
  const auto it = content.pages.find(last);
  if (it == content.pages.end()) return;
  auto page = std::make_shared<Page>(*it->second);
  std::fill(page->begin() + static_cast<std::ptrdiff_t>(size % kPageBytes), page->end(), '\0');
  it->second = std::move(page);
}

void CrashFileSystem::write_bytes(Content& content, std::uint64_t offset, ByteSpan from) {
  content.size = std::max(content.size, offset + from.size());
  while (!from.empty()) {
    const std::uint64_t within = offset % kPageBytes;
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPageBytes - within, from.size()));
    std::shared_ptr<const Page>& place = content.pages[offset / kPageBytes];
    auto page = place ? std::make_shared<Page>(*place) : std::make_shared<Page>(Page{});
    std::memcpy(page->data() + within, from.data(), piece);
    place = std::move(page);
    offset += piece;
    from = from.subspan(piece);
  }
}

std::int64_t CrashFileSystem::pread(int fd, MutableByteSpan into, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("pread", false); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  if (node->is_directory) return -EISDIR;
  const Content& content = node->now;
  if (offset >= content.size) return 0;
  const auto length =
      static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), content.size - offset));
  for (std::size_t done = 0; done < length;) {
    const std::uint64_t within = (offset + done) % kPageBytes;
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPageBytes - within, length - done));
    const auto it = content.pages.find((offset + done) / kPageBytes);
    if (it == content.pages.end()) {
      std::memset(into.data() + done, 0, piece);
    } else {
      std::memcpy(into.data() + done, it->second->data() + within, piece);
    }
    done += piece;
  }
  return static_cast<std::int64_t>(length);
}

std::int64_t CrashFileSystem::pread_now(int fd, MutableByteSpan into, std::uint64_t offset) {
  // As if only the first pages were cached.
  if (offset > 4 * kPageBytes) return -EAGAIN;
  return pread(fd, into, offset);
}

std::int64_t CrashFileSystem::pwrite(int fd, ByteSpan from, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("pwrite", true); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  if (short_writes_ > 0) from = from.first(std::min(from.size(), short_writes_));
  write_bytes(node->now, offset, from);
  return static_cast<std::int64_t>(from.size());
}

int CrashFileSystem::truncate(int fd, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("truncate", true); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  resize(node->now, bytes);
  return 0;
}

int CrashFileSystem::zero_range(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("zero_range", true); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  const std::uint64_t size = node->now.size;
  if (offset >= size) return 0;
  const std::string zeros(std::min(length, size - offset), '\0');
  write_bytes(node->now, offset, as_byte_span(zeros));
  return 0;
}

int CrashFileSystem::reserve(int fd, std::uint64_t /*offset*/, std::uint64_t /*length*/) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("reserve", true); fault < 0) return fault;
  return open_node(fd) ? 0 : -EBADF;
}

int CrashFileSystem::clone(int /*from*/, int /*to*/) { return -EOPNOTSUPP; }

std::int64_t CrashFileSystem::copy_range(int /*from*/, std::uint64_t /*from_offset*/, int /*to*/,
                                         std::uint64_t /*to_offset*/, std::uint64_t /*length*/) {
  return -EOPNOTSUPP;
}

std::int64_t CrashFileSystem::next_data(int fd, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  const auto it = node->now.pages.lower_bound(offset / kPageBytes);
  if (it == node->now.pages.end()) return -ENXIO;
  return static_cast<std::int64_t>(std::max(offset, it->first * kPageBytes));
}

std::int64_t CrashFileSystem::next_hole(int fd, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  std::uint64_t page = offset / kPageBytes;
  while (node->now.pages.contains(page)) ++page;
  return static_cast<std::int64_t>(std::min(node->now.size, page * kPageBytes));
}

// --- syncs --------------------------------------------------------------------------------------

int CrashFileSystem::sync_data(int fd) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("sync_data", true); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  node->durable = node->now;
  return 0;
}

int CrashFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("sync_directory", true); fault < 0) return fault;
  const NodePtr node = find(path);
  if (!node) return -ENOENT;
  std::vector<Operation> rest;
  bool earlier_matter = ordered_;
  for (Operation& operation : log_) {
    const bool concerns =
        std::any_of(operation.entries.begin(), operation.entries.end(),
                    [&](const EntryChange& change) { return change.directory == node; });
    // A journal that commits makes everything before durable too.
    if (concerns || earlier_matter) {
      make_durable(operation);
    } else {
      rest.push_back(std::move(operation));
    }
  }
  log_ = std::move(rest);
  return 0;
}

int CrashFileSystem::sync_everything(int fd) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("sync_everything", true); fault < 0) return fault;
  if (!open_node(fd)) return -EBADF;
  for (const Operation& operation : log_) make_durable(operation);
  log_.clear();
  std::set<Node*> seen;
  const auto sync = [](Node& node) { node.durable = node.now; };
  for_each_node(root_, false, seen, sync);
  for (const auto& [number, node] : open_) for_each_node(node, false, seen, sync);
  return 0;
}

int CrashFileSystem::begin_write_out(int fd, std::uint64_t /*offset*/, std::uint64_t /*length*/) {
  const std::lock_guard lock(mutex_);
  return open_node(fd) ? 0 : -EBADF;
}

int CrashFileSystem::finish_write_out(int fd) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("finish_write_out", true); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  if (ordered_) log_.push_back({{}, node, node->now});
  return 0;
}

// --- names --------------------------------------------------------------------------------------

CrashFileSystem::NodePtr CrashFileSystem::new_directory() {
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  return node;
}

CrashFileSystem::NodePtr CrashFileSystem::find(const std::string& path) const {
  NodePtr node = root_;
  for (std::size_t at = 1; node && at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const auto it = node->entries.find(path.substr(at, slash - at));
    node = it == node->entries.end() ? nullptr : it->second;
    at = slash + 1;
  }
  return node;
}

CrashFileSystem::NodePtr CrashFileSystem::parent_of(const std::string& path,
                                                    std::string& name) const {
  const std::size_t slash = path.rfind('/');
  name = path.substr(slash + 1);
  const NodePtr parent = find(path.substr(0, slash));
  return parent && parent->is_directory ? parent : nullptr;
}

CrashFileSystem::NodePtr CrashFileSystem::open_node(int fd) const {
  const auto it = open_.find(fd);
  return it == open_.end() ? nullptr : it->second;
}

void CrashFileSystem::apply(std::vector<EntryChange> changes) {
  for (const EntryChange& change : changes) {
    if (change.node) {
      change.directory->entries[change.name] = change.node;
    } else {
      change.directory->entries.erase(change.name);
    }
  }
  log_.push_back({std::move(changes), nullptr, {}});
}

int CrashFileSystem::open(const std::string& path, int flags) {
  const std::lock_guard lock(mutex_);
  NodePtr node = find(path);
  const bool creates = (flags & O_CREAT) != 0 && !node;
  const bool cuts = (flags & O_TRUNC) != 0 && node;
  if (const int fault = before(creates ? "create" : "open", creates || cuts); fault < 0) {
    return fault;
  }
  if (node && (flags & O_EXCL) != 0) return -EEXIST;
  if (!node && !creates) return -ENOENT;
  if (creates) {
    std::string name;
    const NodePtr parent = parent_of(path, name);
    if (!parent) return -ENOENT;
    node = std::make_shared<Node>();
    apply({{parent, name, node}});
  }
  if (node->is_directory && (flags & O_ACCMODE) != O_RDONLY) return -EISDIR;
  if (cuts) resize(node->now, 0);
  open_[next_fd_] = node;
  return next_fd_++;
}

void CrashFileSystem::close(int fd) {
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
}

int CrashFileSystem::stat(const std::string& path, FileStat& out) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("stat", false); fault < 0) return fault;
  const NodePtr node = find(path);
  if (!node) return -ENOENT;
  out = {!node->is_directory, node->is_directory, node->now.size, 1};
  return 0;
}

int CrashFileSystem::stat_open(int fd, FileStat& out) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("stat_open", false); fault < 0) return fault;
  const NodePtr node = open_node(fd);
  if (!node) return -EBADF;
  out = {!node->is_directory, node->is_directory, node->now.size, 1};
  return 0;
}

int CrashFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("rename", true); fault < 0) return fault;
  const NodePtr node = find(from);
  std::string from_name;
  std::string to_name;
  const NodePtr from_parent = parent_of(from, from_name);
  const NodePtr to_parent = parent_of(to, to_name);
  if (!node || !to_parent) return -ENOENT;
  apply({{to_parent, to_name, node}, {from_parent, from_name, nullptr}});
  return 0;
}

int CrashFileSystem::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("unlink", true); fault < 0) return fault;
  const NodePtr node = find(path);
  if (!node) return -ENOENT;
  if (node->is_directory) return -EISDIR;
  std::string name;
  const NodePtr parent = parent_of(path, name);
  apply({{parent, name, nullptr}});
  return 0;
}

int CrashFileSystem::make_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (find(path)) return -EEXIST;
  if (const int fault = before("make_directory", true); fault < 0) return fault;
  std::string name;
  const NodePtr parent = parent_of(path, name);
  if (!parent) return -ENOENT;
  apply({{parent, name, new_directory()}});
  return 0;
}

int CrashFileSystem::remove_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("remove_directory", true); fault < 0) return fault;
  const NodePtr node = find(path);
  if (!node) return -ENOENT;
  if (!node->is_directory) return -ENOTDIR;
  if (!node->entries.empty()) return -ENOTEMPTY;
  std::string name;
  const NodePtr parent = parent_of(path, name);
  apply({{parent, name, nullptr}});
  return 0;
}

int CrashFileSystem::list(const std::string& path, std::vector<std::string>& names) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("list", false); fault < 0) return fault;
  const NodePtr node = find(path);
  if (!node) return -ENOENT;
  if (!node->is_directory) return -ENOTDIR;
  for (const auto& [name, child] : node->entries) names.push_back(name);
  return 0;
}

int CrashFileSystem::space(const std::string& /*path*/, FileSystemSpace& out) {
  const std::lock_guard lock(mutex_);
  if (const int fault = before("space", false); fault < 0) return fault;
  out = {std::uint64_t{1} << 40, std::uint64_t{1} << 39, std::uint64_t{1} << 39};
  return 0;
}

}  // namespace sharestore
