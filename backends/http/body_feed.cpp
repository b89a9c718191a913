#include "backends/http/body_feed.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/http/http_client.h"

namespace sharestore::http_client {

namespace {

constexpr std::size_t kPiecesAhead = 2;

}  // namespace

BodyFeed::Took BodyFeed::take(char* into, std::size_t room, std::size_t& count) {
  count = 0;
  if (error_) return Took::failed;
  if (position_ >= size()) return Took::bytes;
  if (memory_) {
    count = std::min<std::uint64_t>(room, memory_->size() - position_);
    std::memcpy(into, memory_->data() + position_, count);
    position_ += count;
    return Took::bytes;
  }
  if (pieces_.empty()) {
    waiting_ = true;
    return Took::not_yet;
  }
  const Piece& piece = pieces_.front();
  const std::size_t used = position_ - piece.offset;
  count = std::min(room, piece.bytes.size() - used);
  std::memcpy(into, piece.bytes.data() + used, count);
  position_ += count;
  if (used + count == piece.bytes.size()) pieces_.pop_front();
  return Took::bytes;
}

void BodyFeed::seek(std::uint64_t position) {
  position_ = loaded_to_ = position;
  ++generation_;
  pieces_.clear();
  waiting_ = false;
}

std::optional<BodyFeed::Load> BodyFeed::next_load() {
  if (memory_ || loading_ || error_ || pieces_.size() >= kPiecesAhead || loaded_to_ >= size()) {
    return std::nullopt;
  }
  loading_ = true;
  const std::size_t length = std::min<std::uint64_t>(kBodyPieceBytes, size() - loaded_to_);
  return Load{source_, generation_, loaded_to_, length};
}

bool BodyFeed::loaded(const Load& load, Result<std::vector<std::byte>> bytes) {
  loading_ = false;
  if (!bytes) {
    error_ = std::move(bytes.error());
  } else if (load.generation == generation_) {
    pieces_.push_back({load.offset, std::move(*bytes)});
    loaded_to_ = load.offset + load.length;
  } else {
    return false;
  }
  return std::exchange(waiting_, false);
}

}  // namespace sharestore::http_client
