// What the disk backend has written into the journal before it changes several things at once or
// bytes in place: the actions of an intent, and the redo record that repeats a change.
//
// Pure but for the files handed in; any thread. Formats are our own, versioned by their first
// bytes; they live from one write to the next start at the latest.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/core/error.h"
#include "backends/disk/file.h"
#include "backends/share_file/slot_plan.h"

namespace sharestore {

struct IntentAction {
  enum class Kind : char {
    move = 'm',         // `detail`: the name in pending() that becomes the share's
    remove = 'r',       // the share goes
    redo_file = 'f',    // `detail`: the name in pending() of a redo record
    redo_inline = 'i',  // `detail`: the redo record itself
  };
  Kind kind = Kind::move;
  ShareNumber number = 0;
  std::string detail;
};

std::string encode_intent(const std::vector<IntentAction>& actions);
// Whether the disk backend wrote it: the journal may hold those of another backend.
bool is_disk_intent(std::string_view body);
// corrupt.
Result<std::vector<IntentAction>> decode_intent(std::string_view body);

// Takes the bytes of a redo record, in order.
using RedoSink = std::function<Status(ByteSpan)>;

// The edits as a record with their bytes in it.
Status write_redo(const std::vector<FileEdit>& edits, std::uint64_t file_bytes,
                  const RedoSink& sink);
// Repeats the edits on `target`. Nothing is touched unless the whole record is sound: corrupt.
Status apply_redo(const ReadAt& record, std::uint64_t record_bytes, const File& target);

}  // namespace sharestore
