// A container in a directory: what it holds outlives the process, and takes no memory.
//
// Any thread; one container over a directory at a time. A process that is killed leaves every
// object wholly old or wholly new, as a store does; nothing is synced.
#pragma once

#include <filesystem>
#include <memory>

#include "backends/core/clock.h"
#include "backends/object/container.h"

namespace sharestore {

std::unique_ptr<ObjectContainer> make_directory_container(std::filesystem::path directory,
                                                          Clock& clock);

}  // namespace sharestore
