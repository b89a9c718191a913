// SQLite's file system with faults: what a full disk and a failing disk look like to the index.
//
// Registered as the process's default once; without a fault it only counts. Any thread.
#pragma once

#include <cstdint>

namespace sharestore::fault_vfs {

// Makes it the default of every connection opened from now on. Idempotent.
void install();

// Calls to sync of database and log files so far.
std::uint64_t syncs();

// After that many more writes every write fails as on a full disk (ENOSPC). Negative: never.
void fill_disk_after(std::int64_t writes);
// After that many more syncs every sync fails (EIO). Negative: never.
void fail_syncs_after(std::int64_t syncs);
// After that many more calls of any kind that may fail, every one fails (EIO). Negative: never.
void fail_everything_after(std::int64_t calls);
// How often a fault was injected since the last reset.
std::uint64_t injected();
void reset();

}  // namespace sharestore::fault_vfs
