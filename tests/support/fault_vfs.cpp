#include "tests/support/fault_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <mutex>

namespace sharestore::fault_vfs {

namespace {

std::atomic<std::uint64_t> sync_count{0};
std::atomic<std::uint64_t> injected_count{0};
std::atomic<std::int64_t> writes_left{-1};
std::atomic<std::int64_t> syncs_left{-1};
std::atomic<std::int64_t> calls_left{-1};

// True when the countdown has run out.
bool expired(std::atomic<std::int64_t>& left) {
  std::int64_t value = left.load();
  while (value > 0 && !left.compare_exchange_weak(value, value - 1)) {
  }
  if (value != 0) return false;
  ++injected_count;
  return true;
}

sqlite3_vfs* real() {
  static sqlite3_vfs* vfs = sqlite3_vfs_find("unix");
  return vfs;
}

// The real file's object lies behind ours.
struct File {
  sqlite3_file base;
  sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* inner(sqlite3_file* file) { return reinterpret_cast<File*>(file)->inner(); }

int close(sqlite3_file* f) { return inner(f)->pMethods->xClose(inner(f)); }
int read(sqlite3_file* f, void* into, int n, sqlite3_int64 at) {
  if (expired(calls_left)) return SQLITE_IOERR_READ;
  return inner(f)->pMethods->xRead(inner(f), into, n, at);
}
int write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  if (expired(writes_left)) return SQLITE_FULL;
  if (expired(calls_left)) return SQLITE_IOERR_WRITE;
  return inner(f)->pMethods->xWrite(inner(f), from, n, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (expired(calls_left)) return SQLITE_IOERR_TRUNCATE;
  return inner(f)->pMethods->xTruncate(inner(f), size);
}
int sync(sqlite3_file* f, int flags) {
  ++sync_count;
  if (expired(syncs_left) || expired(calls_left)) return SQLITE_IOERR_FSYNC;
  return inner(f)->pMethods->xSync(inner(f), flags);
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return inner(f)->pMethods->xFileSize(inner(f), size);
}
int lock(sqlite3_file* f, int level) { return inner(f)->pMethods->xLock(inner(f), level); }
int unlock(sqlite3_file* f, int level) { return inner(f)->pMethods->xUnlock(inner(f), level); }
int check_lock(sqlite3_file* f, int* out) {
  return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}
int control(sqlite3_file* f, int op, void* arg) {
  return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}
int sector_size(sqlite3_file* f) { return inner(f)->pMethods->xSectorSize(inner(f)); }
int traits(sqlite3_file* f) { return inner(f)->pMethods->xDeviceCharacteristics(inner(f)); }
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return inner(f)->pMethods->xShmMap(inner(f), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { inner(f)->pMethods->xShmBarrier(inner(f)); }
int shm_unmap(sqlite3_file* f, int remove) {
  return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

const sqlite3_io_methods kMethods = {2,           close,       read,    write,   truncate,
                                     sync,        file_size,   lock,    unlock,  check_lock,
                                     control,     sector_size, traits,  shm_map, shm_lock,
                                     shm_barrier, shm_unmap,   nullptr, nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* ours = reinterpret_cast<File*>(file);
  std::memset(ours->inner(), 0, static_cast<std::size_t>(real()->szOsFile));
  const int code = real()->xOpen(real(), name, ours->inner(), flags, out);
  ours->base.pMethods = ours->inner()->pMethods != nullptr ? &kMethods : nullptr;
  return code;
}

}  // namespace

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    static sqlite3_vfs vfs;
    vfs = *real();
    vfs.zName = "fault";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + real()->szOsFile;
    vfs.xOpen = open;
    vfs.pNext = nullptr;
    sqlite3_vfs_register(&vfs, 1);
  });
}

std::uint64_t syncs() { return sync_count; }
void fill_disk_after(std::int64_t writes) { writes_left = writes; }
void fail_syncs_after(std::int64_t syncs) { syncs_left = syncs; }
void fail_everything_after(std::int64_t calls) { calls_left = calls; }
std::uint64_t injected() { return injected_count; }
void reset() {
  writes_left = -1;
  syncs_left = -1;
  calls_left = -1;
  injected_count = 0;
}

}  // namespace sharestore::fault_vfs
