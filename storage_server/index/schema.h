// The tables of the index, and the way from older versions of them to this one.
//
// Every migration runs in one transaction with its version number: a crash leaves the old or the
// new schema. A newer schema than ours is refused: the caller moves the file aside and rebuilds.
#pragma once

#include <span>

#include "storage_server/index/connection.h"

namespace sharestore::index_db {

// SQL that leads from version i to version i + 1; the newest version is their number.
std::span<const char* const> migrations();

// Sets WAL and durability, creates or migrates. True: the database is new. corrupt: not ours,
// damaged, or newer.
Result<bool> prepare_schema(Connection& connection, std::span<const char* const> steps);

}  // namespace sharestore::index_db
