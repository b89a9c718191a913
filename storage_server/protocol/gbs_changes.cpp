// The endpoints that change something.
#include <algorithm>
#include <optional>
#include <utility>

#include "backends/core/limits.h"
#include "storage_server/protocol/answers.h"
#include "storage_server/protocol/byte_range.h"
#include "storage_server/protocol/gbs_handler.h"
#include "storage_server/protocol/media_types.h"
#include "storage_server/protocol/own_time.h"
#include "storage_server/protocol/read_test_write_body.h"
#include "storage_server/protocol/request_bodies.h"

namespace sharestore {

namespace {

using http::Response;

constexpr std::size_t kUploadPieceBytes = 256 * 1024;

// A body that stopped coming: the connection cannot go on.
std::optional<Response> interrupted(const Error& error) {
  if (error.code() != Errc::timed_out && error.code() != Errc::cancelled) return std::nullopt;
  Response response = status_answer(error.code() == Errc::timed_out ? 408 : 503, {}, false);
  response.close = true;
  return response;
}

}  // namespace

Response GbsHandler::body_failed(const Call& call, const Error& error) const {
  if (auto answer = interrupted(error)) return std::move(*answer);
  return failed(call, error);
}

GbsHandler::Answer GbsHandler::add_lease(Call call) {
  OwnTime time(call.context);
  const auto done = co_await store_.add_lease(time.start(), call.route.storage_index, call.lease());
  if (!done) co_return failed(call, done.error());
  co_return Response::empty(204);
}

GbsHandler::Answer GbsHandler::allocate(Call call) {
  if (!is_cbor_request(*call.request)) co_return Response::empty(415);
  OwnTime time(call.context);
  const auto memory = co_await bodies_.acquire(limits::kAllocateBodyBytes, time.start());
  time.stop();
  if (!memory) co_return failed(call, memory.error());
  const auto body = co_await read_whole_body(call.body, limits::kAllocateBodyBytes);
  if (!body) co_return body_failed(call, body.error());
  auto wanted = decode_allocate(body->span());
  if (!wanted) co_return failed(call, wanted.error());
  const auto outcome =
      co_await store_.allocate(time.start(), call.route.storage_index, std::move(wanted->numbers),
                               wanted->allocated_size_bytes, call.lease(), call.secrets.upload);
  if (!outcome) co_return failed(call, outcome.error());
  co_return accepted(call, 200, render_allocated(*outcome));
}

GbsHandler::Answer GbsHandler::write_upload(Call call) {
  const auto header = call.request->last_header("content-range");
  const auto range = header ? parse_content_range(*header) : std::nullopt;
  if (!range) co_return Response::empty(416);
  if (!call.route.number) co_return Response::empty(404);
  const auto upload =
      store_.find_upload({call.route.storage_index, *call.route.number}, call.secrets.upload);
  if (!upload) co_return failed(call, upload.error());
  if (range->last >= (*upload)->allocated_bytes()) co_return Response::empty(416);

  OwnTime time(call.context);
  std::uint64_t offset = range->begin;
  while (offset <= range->last) {
    const auto wanted = std::min<std::uint64_t>(range->last - offset + 1, kUploadPieceBytes);
    const auto room = co_await (*upload)->ready(time.start(), offset, wanted);
    time.stop();
    if (!room) co_return failed(call, room.error());
    auto piece = co_await call.body->read(static_cast<std::size_t>(*room));
    if (!piece) co_return body_failed(call, piece.error());
    if (piece->empty()) {
      co_return status_answer(400, "the body is shorter than its Content-Range\n", false);
    }
    const std::size_t size = piece->size();
    const auto written = co_await (*upload)->write(time.start(), offset, std::move(*piece));
    time.stop();
    if (!written) co_return failed(call, written.error());
    offset += size;
  }
  const Monotonic closing = call.context.clock().now();
  const auto progress = co_await (*upload)->finish_write(time.start());
  if (!progress) co_return failed(call, progress.error());
  if (progress->complete) {
    OperationMeter& close = served_[ServedCall::close];
    close.count((*upload)->allocated_bytes());
    close.time(call.context.clock().now() - closing);
  }
  co_return accepted(call, progress->complete ? 201 : 200, render_required(progress->required));
}

GbsHandler::Answer GbsHandler::abort_upload(Call call) {
  if (!call.route.number) co_return Response::empty(404);
  OwnTime time(call.context);
  const auto done = co_await store_.abort_upload(
      time.start(), {call.route.storage_index, *call.route.number}, call.secrets.upload);
  if (done) co_return Response::empty(200);
  if (done.error().code() == Errc::already_exists) co_return Response::empty(405);
  co_return failed(call, done.error());
}

GbsHandler::Answer GbsHandler::advise_corrupt(Call call) {
  if (!call.route.number) co_return Response::empty(404);
  const ShareId share{call.route.storage_index, *call.route.number};
  OwnTime time(call.context);
  const auto exists = co_await store_.exists(time.start(), share);
  time.stop();
  if (!exists) co_return failed(call, exists.error());
  if (!*exists) co_return Response::empty(404);
  if (!is_cbor_request(*call.request)) co_return Response::empty(415);
  const auto memory = co_await bodies_.acquire(limits::kCorruptBodyBytes, time.start());
  time.stop();
  if (!memory) co_return failed(call, memory.error());
  const auto body = co_await read_whole_body(call.body, limits::kCorruptBodyBytes);
  if (!body) co_return body_failed(call, body.error());
  auto reason = decode_corruption_report(body->span());
  if (!reason) co_return failed(call, reason.error());
  const auto done =
      co_await store_.advise_corrupt(time.start(), share, call.route.kind, std::move(*reason));
  if (!done) co_return failed(call, done.error());
  co_return Response::empty(200);
}

Task<MemoryBudget::Ticket> GbsHandler::answer_memory(OpContext context, StorageIndex storage_index,
                                                     std::vector<ReadVector> reads) {
  std::uint64_t most = 0;
  for (const ReadVector& read : reads) {
    most += std::min(read.size, limits::kMaxReadTestWriteAnswerBytes);
  }
  if (most == 0) co_return MemoryBudget::Ticket();
  const auto held = store_.try_list(storage_index, ShareKind::mutable_slot);
  const std::uint64_t shares = held && *held ? (*held)->size() : limits::kShareNumbersPerSet;
  most = std::min<std::uint64_t>(
      {most * shares, limits::kMaxReadTestWriteAnswerBytes, answers_.limit_bytes()});
  co_return co_await answers_.acquire(static_cast<std::size_t>(most), context);
}

GbsHandler::Answer GbsHandler::read_test_write(Call call) {
  if (!is_cbor_request(*call.request)) co_return Response::empty(415);
  OwnTime time(call.context);
  auto memory = co_await bodies_.acquire(read_test_write_memory(call.body->length()), time.start());
  time.stop();
  if (!memory) co_return failed(call, memory.error());
  ReadTestWriteLimits body_limits;
  body_limits.max_body_bytes = max_mutable_request_bytes_;
  auto body = co_await decode_read_test_write(call.body, &spool_, body_limits);
  if (!body) co_return body_failed(call, body.error());
  auto answer = co_await answer_memory(time.start(), call.route.storage_index, body->request.reads);
  time.stop();
  if (!answer) co_return failed(call, answer.error());
  const auto outcome = co_await store_.read_test_write(time.start(), call.route.storage_index,
                                                       call.secrets.write_enabler, call.lease(),
                                                       std::move(body->request));
  if (body->spooled) co_await body->spooled->discard();
  if (!outcome) {
    // The client looks at the status alone: no word about whose enabler it is.
    if (outcome.error().code() == Errc::unauthorized) co_return Response::empty(401);
    co_return failed(call, outcome.error());
  }
  if (!accepts_cbor(*call.request)) co_return Response::empty(406);
  co_return read_test_write_answer(*outcome, std::move(*answer));
}

}  // namespace sharestore
