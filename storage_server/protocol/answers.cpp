#include "storage_server/protocol/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "backends/core/limits.h"
#include "storage_server/protocol/cbor.h"
#include "storage_server/protocol/media_types.h"

namespace sharestore {

namespace {

// Share data of an answer is copied up to this, and linked to above.
constexpr std::size_t kCopyBelowBytes = 16 * 1024;
// Most lists of shares and answers to uploads fit: one allocation instead of one per doubling.
constexpr std::size_t kShortAnswerBytes = 64;

class ShareBody final : public http::BodySource {
 public:
  ShareBody(std::shared_ptr<ShareReader> reader, std::uint64_t begin, std::uint64_t size,
            OpContext context)
      : reader_(std::move(reader)), begin_(begin), size_(size), context_(context) {}

  std::uint64_t size() const override { return size_; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    into =
        into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset)));
    const auto got = reader_->read_now(begin_ + offset, into);
    // A short count is a share shorter than it says: read() will tell.
    if (got && *got != into.size()) return std::nullopt;
    return got;
  }

  Task<Bytes> read(std::uint64_t offset, std::size_t max_bytes) override {
    Clock& clock = context_.clock();
    const OpContext context(clock, clock.now() + limits::kRequestBudget, context_.request_id());
    const auto wanted = std::min<std::uint64_t>(max_bytes, size_ - offset);
    auto bytes = co_await reader_->read(context, begin_ + offset, static_cast<std::size_t>(wanted));
    if (bytes && bytes->empty()) co_return fail(Errc::corrupt, "a share ends early");
    co_return bytes;
  }

 private:
  std::shared_ptr<ShareReader> reader_;
  std::uint64_t begin_;
  std::uint64_t size_;
  OpContext context_;
};

// Pieces one after the other.
class PiecesBody final : public http::BodySource {
 public:
  explicit PiecesBody(MemoryBudget::Ticket memory) : memory_(std::move(memory)) {}

  void add(Bytes piece) {
    if (piece.empty()) return;
    begins_.push_back(size_);
    size_ += piece.size();
    pieces_.push_back(std::move(piece));
  }

  std::uint64_t size() const override { return size_; }

  std::optional<std::size_t> read_now(std::uint64_t offset, MutableByteSpan into) override {
    std::size_t done = 0;
    while (done < into.size() && offset < size_) {
      const Bytes piece = rest_of_piece(offset, into.size() - done);
      std::memcpy(into.data() + done, piece.data(), piece.size());
      done += piece.size();
      offset += piece.size();
    }
    return done;
  }

  Task<Bytes> read(std::uint64_t offset, std::size_t max_bytes) override {
    co_return rest_of_piece(offset, max_bytes);
  }

 private:
  Bytes rest_of_piece(std::uint64_t offset, std::size_t max_bytes) const {
    const auto after = std::upper_bound(begins_.begin(), begins_.end(), offset);
    const auto place = static_cast<std::size_t>(after - begins_.begin()) - 1;
    const auto skipped = static_cast<std::size_t>(offset - begins_[place]);
    return pieces_[place].slice(skipped, std::min(max_bytes, pieces_[place].size() - skipped));
  }

  MemoryBudget::Ticket memory_;
  std::vector<Bytes> pieces_;
  std::vector<std::uint64_t> begins_;
  std::uint64_t size_ = 0;
};

void write_set(CborWriter& writer, const std::vector<ShareNumber>& numbers) {
  writer.set(numbers.size());
  for (const ShareNumber number : numbers) writer.uint(number);
}

// What the client may be told of an error. Sentences about our own disk or store are not for it.
std::string_view public_text(const Error& error) {
  switch (error.code()) {
    case Errc::unauthorized:
    case Errc::forbidden:
    case Errc::invalid_argument:
    case Errc::too_large: return error.message();
    default: return {};
  }
}

}  // namespace

int status_of(Errc code) {
  switch (code) {
    case Errc::not_found: return 404;
    case Errc::already_exists:
    case Errc::conflict: return 409;
    case Errc::unauthorized: return 401;
    case Errc::forbidden: return 403;
    case Errc::invalid_argument: return 400;
    case Errc::too_large: return 413;
    case Errc::no_space: return 507;
    case Errc::unavailable:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::cancelled: return 503;
    case Errc::corrupt:
    case Errc::unsupported:
    case Errc::io_error: return 500;
  }
  return 500;
}

http::Response status_answer(int status, std::string_view text, bool byte_read) {
  http::Response response = http::Response::empty(status);
  if (byte_read) {
    response.content_type = kBytesType;
  } else if (!text.empty() && status != 401) {  // the reference sends no type with 401
    response.content_type = kTextType;
  }
  if (status == 503)
    response.extra_headers = fmt::format("Retry-After: {}\r\n", kRetryAfterSeconds);
  response.body = Bytes::copy_of(text);
  return response;
}

http::Response error_answer(const Error& error, bool byte_read) {
  return status_answer(status_of(error.code()), public_text(error), byte_read);
}

http::Response cbor_answer(int status, Bytes body) {
  http::Response response = http::Response::empty(status);
  response.content_type = kCborType;
  response.body = std::move(body);
  return response;
}

Bytes render_version(const SpaceReport& space, std::string_view application_version) {
  const auto advertised = [](std::uint64_t bytes) {
    return std::min(bytes, limits::kMaxAdvertisedBytes);
  };
  std::vector<std::byte> out;
  CborWriter writer(out);
  // Every key is a byte string; exactly these are allowed.
  writer.map(2);
  writer.bytes("http://allmydata.org/tahoe/protocols/storage/v1");
  writer.map(3);
  writer.bytes("maximum-immutable-share-size");
  writer.uint(advertised(space.max_immutable_bytes));
  writer.bytes("maximum-mutable-share-size");
  writer.uint(advertised(space.max_mutable_bytes));
  writer.bytes("available-space");
  writer.uint(advertised(space.available_bytes));
  writer.bytes("application-version");
  writer.bytes(application_version);
  return Bytes(std::move(out));
}

Bytes render_numbers(const std::vector<ShareNumber>& numbers) {
  std::vector<std::byte> out;
  out.reserve(kShortAnswerBytes);
  CborWriter writer(out);
  write_set(writer, numbers);
  return Bytes(std::move(out));
}

Bytes render_allocated(const AllocateOutcome& outcome) {
  std::vector<std::byte> out;
  out.reserve(kShortAnswerBytes);
  CborWriter writer(out);
  writer.map(2);
  writer.text("already-have");
  write_set(writer, outcome.already_have);
  writer.text("allocated");
  write_set(writer, outcome.allocated);
  return Bytes(std::move(out));
}

Bytes render_required(const std::vector<ByteRange>& required) {
  std::vector<std::byte> out;
  out.reserve(kShortAnswerBytes);
  CborWriter writer(out);
  writer.map(1);
  writer.text("required");
  writer.array(required.size());
  for (const ByteRange& range : required) {
    writer.map(2);
    writer.text("begin");
    writer.uint(range.begin);
    writer.text("end");
    writer.uint(range.end);
  }
  return Bytes(std::move(out));
}

http::Response read_test_write_answer(const ReadTestWriteOutcome& outcome,
                                      MemoryBudget::Ticket memory) {
  auto pieces = std::make_shared<PiecesBody>(std::move(memory));
  std::vector<std::byte> out;
  CborWriter writer(out);
  writer.map(2);
  writer.text("success");
  writer.boolean(outcome.success);
  writer.text("data");
  writer.map(outcome.data.size());
  for (const auto& [number, reads] : outcome.data) {
    writer.uint(number);
    writer.array(reads.size());
    for (const Bytes& read : reads) {
      if (read.size() < kCopyBelowBytes) {
        writer.bytes(read.text());
        continue;
      }
      writer.bytes_head(read.size());
      pieces->add(Bytes(std::exchange(out, {})));
      pieces->add(read);
    }
  }
  // Many short reads make a long answer too: its memory is counted while it is sent.
  if (pieces->size() == 0 && out.size() < kCopyBelowBytes)
    return cbor_answer(200, Bytes(std::move(out)));
  pieces->add(Bytes(std::move(out)));
  http::Response response = cbor_answer(200, {});
  response.stream = std::move(pieces);
  return response;
}

std::shared_ptr<http::BodySource> share_body(std::shared_ptr<ShareReader> reader,
                                             std::uint64_t begin, std::uint64_t size,
                                             OpContext context) {
  return std::make_shared<ShareBody>(std::move(reader), begin, size, context);
}

}  // namespace sharestore
