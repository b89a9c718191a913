// Hands a request's body to curl piece by piece, reading ahead on the I/O pool what is not in
// memory.
//
// Everything on the driver's strand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "backends/core/byte_source.h"

namespace sharestore::http_client {

class BodyFeed {
 public:
  // Null: no body.
  explicit BodyFeed(ByteSourcePtr source)
      : source_(std::move(source)), memory_(source_ ? source_->in_memory() : std::nullopt) {}

  enum class Took : std::uint8_t { bytes, not_yet, failed };
  // Copies the next bytes; `count` 0 with Took::bytes is the end. not_yet: take() again after
  // loaded() was called.
  Took take(char* into, std::size_t room, std::size_t& count);

  // curl starts over, from here.
  void seek(std::uint64_t position);

  // A piece that should be read now; nothing when enough is at hand. Exactly one load is under way
  // at a time: loaded() ends it.
  struct Load {
    ByteSourcePtr source;
    std::uint64_t generation = 0;
    std::uint64_t offset = 0;
    std::size_t length = 0;
  };
  std::optional<Load> next_load();
  // True: take() had been told not_yet and can go on.
  bool loaded(const Load& load, Result<std::vector<std::byte>> bytes);

  const std::optional<Error>& error() const { return error_; }
  std::uint64_t size() const { return source_ ? source_->size() : 0; }
  std::uint64_t position() const { return position_; }

 private:
  struct Piece {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };

  const ByteSourcePtr source_;
  const std::optional<Bytes> memory_;
  std::uint64_t position_ = 0;
  std::uint64_t loaded_to_ = 0;
  // Tells loads of before a seek from those after it.
  std::uint64_t generation_ = 0;
  std::deque<Piece> pieces_;
  bool loading_ = false;
  bool waiting_ = false;
  std::optional<Error> error_;
};

}  // namespace sharestore::http_client
