// What a serving process asks of the operating system. Main thread, before others exist.
#pragma once

#include <cstddef>

namespace sharestore {

// Raises the number of files that this process may open as far as it is allowed to. Answers how
// many it may open now.
std::size_t raise_file_limit();

// Makes the allocator keep few arenas: each costs memory that never comes back, and the threads of
// a node allocate little at the same time.
void limit_allocator_arenas();

}  // namespace sharestore
