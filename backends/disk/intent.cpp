#include "backends/disk/intent.h"

#include <algorithm>

#include "backends/disk/crc32c.h"

namespace sharestore {
namespace {

constexpr std::string_view kIntentMark = "disk1";
// More actions than shares may be changed by one request would be a damaged body.
constexpr std::size_t kMaxActions = 65536;

constexpr std::string_view kRedoMark = "redo1";
constexpr char kRedoBytes = 'b';
constexpr char kRedoZeros = 'z';
constexpr char kRedoEnd = 'e';
constexpr std::size_t kRedoHeadBytes = kRedoMark.size() + 8;
constexpr std::size_t kRedoEditBytes = 1 + 8 + 8;

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool empty() const { return text_.empty(); }
  std::optional<std::string_view> take(std::size_t bytes) {
    if (bytes > text_.size()) return std::nullopt;
    const std::string_view taken = text_.substr(0, bytes);
    text_.remove_prefix(bytes);
    return taken;
  }

 private:
  std::string_view text_;
};

std::unexpected<Error> bad_redo() { return fail(Errc::corrupt, "a damaged redo record"); }

// One pass over a record; `apply` is called for each edit with where its bytes lie in the record.
Status walk_redo(const ReadAt& record, std::uint64_t end,
                 const std::function<Status(const FileEdit&, std::uint64_t at)>& apply) {
  std::uint64_t at = kRedoHeadBytes;
  for (;;) {
    std::string head(kRedoEditBytes, '\0');
    if (at + 1 > end) return bad_redo();
    const std::size_t bytes = std::min<std::uint64_t>(head.size(), end - at);
    if (Status ok = record(at, std::as_writable_bytes(std::span(head)).first(bytes)); !ok) {
      return ok;
    }
    if (head[0] == kRedoEnd) return {};
    if (bytes < head.size()) return bad_redo();
    at += head.size();
    FileEdit edit{get_u64(&head[1]), get_u64(&head[9]), nullptr, 0};
    const bool has_bytes = head[0] == kRedoBytes;
    if (!has_bytes && head[0] != kRedoZeros) return bad_redo();
    if (has_bytes && edit.length > end - at) return bad_redo();
    if (Status ok = apply(edit, has_bytes ? at : 0); !ok) return ok;
    if (has_bytes) at += edit.length;
  }
}

Status check_redo(const ReadAt& record, std::uint64_t bytes) {
  if (bytes < kRedoHeadBytes + 1 + 4) return bad_redo();
  std::vector<std::byte> buffer(std::min<std::uint64_t>(bytes, kCopyBufferBytes));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < bytes - 4;) {
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), bytes - 4 - at));
    const MutableByteSpan span = std::span(buffer).first(piece);
    if (Status ok = record(at, span); !ok) return ok;
    if (at == 0 && !as_text(ByteSpan(span)).starts_with(kRedoMark)) return bad_redo();
    crc = crc32c(span, crc);
    at += piece;
  }
  std::string stored(4, '\0');
  if (Status ok = record(bytes - 4, std::as_writable_bytes(std::span(stored))); !ok) return ok;
  if (get_u32(stored.data()) != crc) return bad_redo();
  return {};
}

}  // namespace

std::string encode_intent(const std::vector<IntentAction>& actions) {
  std::string body(kIntentMark);
  for (const IntentAction& action : actions) {
    body.push_back(static_cast<char>(action.kind));
    body.append(put_u64(action.number)).append(put_u64(action.detail.size()));
    body.append(action.detail);
  }
  return body;
}

bool is_disk_intent(std::string_view body) { return body.starts_with(kIntentMark); }

Result<std::vector<IntentAction>> decode_intent(std::string_view body) {
  if (!is_disk_intent(body)) return fail(Errc::corrupt, "not an intent of the disk backend");
  Cursor cursor(body.substr(kIntentMark.size()));
  std::vector<IntentAction> actions;
  while (!cursor.empty()) {
    const auto head = cursor.take(1 + 8 + 8);
    const auto detail = head ? cursor.take(get_u64(&(*head)[9])) : std::nullopt;
    const bool known = head && std::string_view("mrfi").find((*head)[0]) != std::string_view::npos;
    if (!known || !detail || actions.size() == kMaxActions) {
      return fail(Errc::corrupt, "a damaged intent");
    }
    actions.push_back(
        {static_cast<IntentAction::Kind>((*head)[0]), get_u64(&(*head)[1]), std::string(*detail)});
  }
  return actions;
}

Status write_redo(const std::vector<FileEdit>& edits, std::uint64_t file_bytes,
                  const RedoSink& sink) {
  std::uint32_t crc = 0;
  const auto put = [&](ByteSpan bytes) {
    crc = crc32c(bytes, crc);
    return sink(bytes);
  };
  if (Status ok = put(as_byte_span(std::string(kRedoMark) + put_u64(file_bytes))); !ok) return ok;
  std::vector<std::byte> buffer;
  for (const FileEdit& edit : edits) {
    const std::string head =
        (edit.source ? kRedoBytes : kRedoZeros) + put_u64(edit.offset) + put_u64(edit.length);
    if (Status ok = put(as_byte_span(head)); !ok) return ok;
    buffer.resize(edit.source ? std::min<std::uint64_t>(edit.length, kCopyBufferBytes) : 0);
    for (std::uint64_t done = 0; edit.source && done < edit.length;) {
      const auto piece =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), edit.length - done));
      const MutableByteSpan span = std::span(buffer).first(piece);
      if (Status ok = edit.source->read(edit.source_offset + done, span); !ok) return ok;
      if (Status ok = put(span); !ok) return ok;
      done += piece;
    }
  }
  if (Status ok = put(as_byte_span(std::string_view(&kRedoEnd, 1))); !ok) return ok;
  return sink(as_byte_span(put_u32(crc)));
}

Status apply_redo(const ReadAt& record, std::uint64_t record_bytes, const File& target) {
  if (Status ok = check_redo(record, record_bytes); !ok) return ok;
  std::string head(kRedoHeadBytes, '\0');
  if (Status ok = record(0, std::as_writable_bytes(std::span(head))); !ok) return ok;
  const std::uint64_t file_bytes = get_u64(&head[kRedoMark.size()]);
  if (Status ok = target.truncate(file_bytes); !ok) return ok;
  std::vector<std::byte> buffer(kCopyBufferBytes);
  return walk_redo(record, record_bytes - 4, [&](const FileEdit& edit, std::uint64_t at) -> Status {
    if (at == 0) {
      if (edit.offset >= file_bytes) return {};
      return target.zero(edit.offset, std::min(edit.length, file_bytes - edit.offset));
    }
    for (std::uint64_t done = 0; done < edit.length;) {
      const auto piece =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), edit.length - done));
      const MutableByteSpan span = std::span(buffer).first(piece);
      if (Status ok = record(at + done, span); !ok) return ok;
      if (Status ok = target.write(edit.offset + done, span); !ok) return ok;
      done += piece;
    }
    return {};
  });
}

}  // namespace sharestore
