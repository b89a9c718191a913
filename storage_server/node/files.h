// Small files of a node directory, written so that a crash leaves the old or the new one.
//
// Any thread; two writers of one file must not run at once.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "backends/core/error.h"

namespace sharestore {

inline constexpr mode_t kPublicFileMode = 0644;
inline constexpr mode_t kPrivateFileMode = 0600;
inline constexpr mode_t kPublicDirectoryMode = 0755;
inline constexpr mode_t kPrivateDirectoryMode = 0700;

// Replaces or makes the file. Durable on success. Errors: as errno_error says, naming the file.
Status write_file_durably(const std::filesystem::path& file, std::string_view content, mode_t mode);

// Makes the last directory of the path, with exactly `mode`. Durable on success.
// already_exists; otherwise as errno_error says, naming the directory.
Status make_directory(const std::filesystem::path& directory, mode_t mode);

// Removes the file; a missing one is success. Durable on success.
Status remove_file_durably(const std::filesystem::path& file);

}  // namespace sharestore
