// Range, Content-Range and Accept headers: what is understood has the shape that the rest relies
// on.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "storage_server/protocol/byte_range.h"
#include "storage_server/protocol/media_types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto range = parse_range(text)) {
    if (range->begin > range->last) std::abort();
    // What we make of it means the same.
    const std::string again =
        "bytes=" + std::to_string(range->begin) + "-" + std::to_string(range->last);
    if (parse_range(again) != range) std::abort();
    if (text.find(',') != std::string::npos) std::abort();
  }
  if (const auto range = parse_content_range(text)) {
    if (range->begin > range->last || !text.contains("bytes")) std::abort();
    const std::string line = content_range_line(range->begin, range->last);
    if (parse_content_range(line.substr(15, line.size() - 17)) != range) std::abort();
  }
  if (accepts_cbor(text) && !text.contains("application/cbor") && !text.contains("*/*")) {
    std::abort();
  }
  return 0;
}
