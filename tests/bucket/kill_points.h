// Every step of an upload and of a mutable write over a bucket at which a process may die: before
// and after each request that changes the store, and each row that the index makes durable.
//
// kill_test.cpp kills a process at each, and fails where a step is met that is not named here, or
// one is named that is never met.
#pragma once

#include <array>
#include <string_view>

namespace sharestore {

inline constexpr std::array<std::string_view, 28> kKillPoints = {
    // The index.
    "begin_uploads.before",
    "begin_uploads.after",
    "note_upload.before",
    "note_upload.after",
    "finish_upload.before",
    "finish_upload.after",
    "begin_slot_writes.before",
    "begin_slot_writes.after",
    "put_intent.before",
    "put_intent.after",
    "drop_intent.before",
    "drop_intent.after",
    "finish_slot_write.before",
    "finish_slot_write.after",
    "drop_uploads.before",
    "drop_uploads.after",
    // The store.
    "begin_multipart.before",
    "begin_multipart.after",
    "upload_part.before",
    "upload_part.after",
    "complete_multipart.before",
    "complete_multipart.after",
    "abort_multipart.before",
    "abort_multipart.after",
    "put.before",
    "put.after",
    "remove.before",
    "remove.after",
};

}  // namespace sharestore
