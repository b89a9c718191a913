// Whether a store honours the conditions of a put. One that does not know them ignores them, and
// says that a put was done which should have been refused: so it is tried out. radosgw honours
// If-Match, but compares the header's text with the tag: a quoted tag, which is what RFC 9110 and
// S3 have, never matches there.
#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <string>
#include <utility>

#include "backends/core/log.h"
#include "backends/s3/encoding.h"
#include "backends/s3/s3_container.h"

namespace sharestore::s3 {

void S3Container::add_condition(HeaderList& headers, const PutCondition& condition) const {
  if (condition.if_absent) headers.emplace_back("If-None-Match", "*");
  if (condition.if_match.empty()) return;
  headers.emplace_back("If-Match",
                       bare_tags_ ? condition.if_match : fmt::format("\"{}\"", condition.if_match));
}

boost::asio::awaitable<void> S3Container::learn_conditions(OpContext context) {
  std::array<char, 16> random{};
  randombytes_buf(random.data(), random.size());
  const std::string key = client_.config().prefix + "probe/" + hex({random.data(), random.size()});
  const ByteSourcePtr content = memory_source(Bytes::copy_of("a trial of sharestore"));
  // An unconditional put and a removal are what every node needs; without them it says so later.
  auto first = co_await put(context, key, content, {});
  if (!first) co_return;
  const auto refused = [](const Result<ObjectInfo>& result) {
    return !result && result.error().code() == Errc::conflict && result.error().outcome_known();
  };
  // Other bytes than those there, so that a refusal is not taken for an answer that was lost.
  const ByteSourcePtr other = memory_source(Bytes::copy_of("another trial of sharestore"));
  const auto absent = co_await put(context, key, other, {.if_absent = true, .if_match = {}});
  const auto match =
      co_await put(context, key, other, {.if_absent = false, .if_match = std::string(32, '0')});
  traits_.put_if_absent = refused(absent);
  traits_.put_if_match = refused(match) && co_await learn_tags(context, key, *first);
  if (auto removed = co_await remove(context, key); !removed) {
    log::warning("{}: {}", key, removed.error().message());
  }
}

boost::asio::awaitable<bool> S3Container::learn_tags(OpContext context, std::string key,
                                                     ObjectInfo there) {
  const PutCondition unchanged{.if_absent = false, .if_match = there.etag};
  for (const bool bare : {false, true}) {
    bare_tags_ = bare;
    const ByteSourcePtr next = memory_source(Bytes::copy_of(bare ? "a third" : "a second"));
    if (co_await put(context, key, next, unchanged)) co_return true;
  }
  bare_tags_ = false;
  co_return false;
}

}  // namespace sharestore::s3
