// Bytes that several may hold: read-only, reference counted, cheap to cut.
//
// Any thread: the bytes never change once a Bytes names them.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sharestore {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_byte_span(std::string_view s) {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}
inline std::string_view as_text(ByteSpan s) {
  return {reinterpret_cast<const char*>(s.data()), s.size()};
}

class Bytes {
 public:
  Bytes() = default;
  // Takes the vector over; no copy.
  explicit Bytes(std::vector<std::byte> bytes) {
    auto held = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    view_ = *held;
    owner_ = std::move(held);
  }
  // `view` stays valid as long as `owner` is held.
  Bytes(std::shared_ptr<const void> owner, ByteSpan view) : owner_(std::move(owner)), view_(view) {}

  static Bytes copy_of(ByteSpan bytes) {
    return Bytes(std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  static Bytes copy_of(std::string_view text) { return copy_of(as_byte_span(text)); }

  ByteSpan span() const { return view_; }
  std::string_view text() const { return as_text(view_); }
  const std::byte* data() const { return view_.data(); }
  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // Part of the same memory. Requires offset + length <= size().
  Bytes slice(std::size_t offset, std::size_t length) const {
    return {owner_, view_.subspan(offset, length)};
  }

 private:
  std::shared_ptr<const void> owner_;
  ByteSpan view_;
};

}  // namespace sharestore
