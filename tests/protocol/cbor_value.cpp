#include "tests/protocol/cbor_value.h"

#include <algorithm>
#include <iomanip>

namespace sharestore::protocol_test {

namespace {

using Kind = Value::Kind;

struct Parser {
  std::string_view in;
  bool ok = true;

  unsigned byte() {
    if (in.empty()) {
      ok = false;
      return 0xff;
    }
    const auto b = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    return b;
  }

  Value item(int depth) {
    if (depth > 20) ok = false;
    if (!ok) return {};
    const unsigned first = byte();
    const unsigned major = first >> 5;
    const unsigned info = first & 31;
    if (info >= 28 && info < 31) ok = false;
    std::uint64_t n = info;
    if (info >= 24 && info < 28) {
      n = 0;
      for (unsigned i = 0; i < (1U << (info - 24)); ++i) n = n << 8 | byte();
    }
    const bool open = info == 31;
    switch (major) {
      case 0: return {Kind::uint, n, {}, {}};
      case 1: return {Kind::negative, n, {}, {}};
      case 2: return {Kind::bytes, 0, string(n, open), {}};
      case 3: return {Kind::text, 0, string(n, open), {}};
      case 4: return {Kind::array, 0, {}, list(n, open, 1, depth)};
      case 5: return {Kind::map, 0, {}, list(n, open, 2, depth)};
      case 6: return {Kind::tag, n, {}, {item(depth + 1)}};
      default: break;
    }
    if (info == 20 || info == 21) return {Kind::boolean, info - 20, {}, {}};
    if (info == 22) return {};
    if (open) ok = false;
    return {Kind::other, n, {}, {}};
  }

  std::string string(std::uint64_t size, bool open) {
    std::string whole;
    if (open) {
      while (ok && !in.empty() && in.front() != '\xff') {
        const unsigned info = byte() & 31;
        if (info > 23) ok = false;  // short chunks are enough here
        whole += string(info, false);
      }
      byte();
      return whole;
    }
    if (size > in.size()) {
      ok = false;
      return {};
    }
    whole = in.substr(0, size);
    in.remove_prefix(size);
    return whole;
  }

  std::vector<Value> list(std::uint64_t count, bool open, unsigned per_item, int depth) {
    std::vector<Value> items;
    if (open) {
      while (ok && !in.empty() && in.front() != '\xff') items.push_back(item(depth + 1));
      byte();
      if (items.size() % per_item != 0) ok = false;
      return items;
    }
    for (std::uint64_t i = 0; ok && i < count; ++i) {
      for (unsigned j = 0; j < per_item; ++j) items.push_back(item(depth + 1));
    }
    return items;
  }
};

void append_head(std::string& out, unsigned major, std::uint64_t n) {
  unsigned size = 0;
  if (n >= 24) size = n < 0x100 ? 1 : n < 0x10000 ? 2 : n < 0x1'0000'0000 ? 4 : 8;
  const unsigned info = size == 0   ? static_cast<unsigned>(n)
                        : size == 1 ? 24
                        : size == 2 ? 25
                        : size == 4 ? 26
                                    : 27;
  out += static_cast<char>(major << 5 | info);
  for (; size > 0; --size) out += static_cast<char>(n >> (8 * (size - 1)));
}

void append(std::string& out, const Value& value) {
  switch (value.kind) {
    case Kind::uint: append_head(out, 0, value.number); break;
    case Kind::negative: append_head(out, 1, value.number); break;
    case Kind::bytes: append_head(out, 2, value.string.size()); break;
    case Kind::text: append_head(out, 3, value.string.size()); break;
    case Kind::array: append_head(out, 4, value.items.size()); break;
    case Kind::map: append_head(out, 5, value.items.size() / 2); break;
    case Kind::tag: append_head(out, 6, value.number); break;
    case Kind::boolean: append_head(out, 7, 20 + value.number); break;
    case Kind::null: append_head(out, 7, 22); break;
    case Kind::other: append_head(out, 7, 23); break;
  }
  out += value.string;
  for (const Value& item : value.items) append(out, item);
}

}  // namespace

std::optional<Value> Value::get(std::string_view key) const {
  if (kind != Kind::map) return std::nullopt;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i] == protocol_test::text(key)) return items[i + 1];
  }
  return std::nullopt;
}

std::string Value::encode() const {
  std::string out;
  append(out, *this);
  return out;
}

Value Value::canonical() const {
  Value made = *this;
  for (Value& item : made.items) item = item.canonical();
  if (kind == Kind::map) {
    std::vector<std::pair<std::string, std::size_t>> keys;
    for (std::size_t i = 0; i + 1 < made.items.size(); i += 2) {
      keys.emplace_back(made.items[i].encode(), i);
    }
    std::ranges::sort(keys);
    std::vector<Value> sorted;
    for (const auto& [key, i] : keys) {
      sorted.push_back(made.items[i]);
      sorted.push_back(made.items[i + 1]);
    }
    made.items = std::move(sorted);
  }
  if (kind == Kind::tag && number == 258) {
    std::ranges::sort(made.items.front().items, {}, [](const Value& v) { return v.encode(); });
  }
  return made;
}

std::optional<Value> Value::decode(std::string_view bytes) {
  Parser parser{bytes};
  Value value = parser.item(0);
  if (!parser.ok || !parser.in.empty()) return std::nullopt;
  return value;
}

Value uint(std::uint64_t number) { return {Kind::uint, number, {}, {}}; }
Value bytes(std::string_view content) { return {Kind::bytes, 0, std::string(content), {}}; }
Value text(std::string_view content) { return {Kind::text, 0, std::string(content), {}}; }
Value boolean(bool value) { return {Kind::boolean, value ? 1U : 0U, {}, {}}; }
Value null() { return {}; }
Value array(std::vector<Value> items) { return {Kind::array, 0, {}, std::move(items)}; }
Value map(std::vector<std::pair<Value, Value>> entries) {
  Value made{Kind::map, 0, {}, {}};
  for (auto& [key, value] : entries) {
    made.items.push_back(std::move(key));
    made.items.push_back(std::move(value));
  }
  return made;
}
Value tagged(std::uint64_t tag, Value item) { return {Kind::tag, tag, {}, {std::move(item)}}; }
Value set(const std::vector<std::uint64_t>& numbers) {
  std::vector<Value> items;
  for (const std::uint64_t n : numbers) items.push_back(uint(n));
  return tagged(258, array(std::move(items)));
}

void PrintTo(const Value& value, std::ostream* out) {  // NOLINT
  switch (value.kind) {
    case Kind::uint: *out << value.number; return;
    case Kind::negative: *out << "-1-" << value.number; return;
    case Kind::bytes: *out << "h" << std::quoted(value.string.substr(0, 100)); return;
    case Kind::text: *out << std::quoted(value.string); return;
    case Kind::boolean: *out << (value.number != 0 ? "true" : "false"); return;
    case Kind::null: *out << "null"; return;
    case Kind::other: *out << "other"; return;
    case Kind::tag: *out << value.number; break;
    case Kind::array:
    case Kind::map: break;
  }
  const bool is_map = value.kind == Kind::map;
  *out << (is_map ? "{" : "(");
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) *out << (is_map && i % 2 == 1 ? ": " : ", ");
    PrintTo(value.items[i], out);
  }
  *out << (is_map ? "}" : ")");
}

}  // namespace sharestore::protocol_test
