#include "storage_server/protocol/gbs_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "backends/core/log.h"
#include "storage_server/protocol/answers.h"
#include "storage_server/protocol/byte_range.h"
#include "storage_server/protocol/media_types.h"
#include "storage_server/protocol/read_test_write_body.h"

namespace sharestore {

namespace {

using http::Request;
using http::Response;

SecretSet required_secrets(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::version:
    case Endpoint::list_shares:
    case Endpoint::read_share:
    case Endpoint::advise_corrupt: return kNoSecrets;
    case Endpoint::add_lease: return kLeaseSecrets;
    case Endpoint::allocate: return kLeaseSecrets | kUploadSecret;
    case Endpoint::write_upload:
    case Endpoint::abort_upload: return kUploadSecret;
    case Endpoint::read_test_write: return kLeaseSecrets | kWriteEnabler;
  }
  return kNoSecrets;
}

std::uint64_t next_instance() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

GbsHandler::GbsHandler(ShareStore& store, IoPool& pool, GbsOptions options)
    : store_(store),
      instance_(next_instance()),
      authorization_(expected_authorization(options.swissnum)),
      application_version_(std::move(options.application_version)),
      max_mutable_request_bytes_(options.max_mutable_request_bytes),
      bodies_(std::max(options.memory_bytes / 2, kMaxReadTestWriteMemoryBytes)),
      answers_(std::max(options.memory_bytes / 2, kMaxReadTestWriteMemoryBytes)),
      spool_(std::move(options.spool_directory), options.max_spool_bytes, pool) {}

std::expected<GbsHandler::Call, Response> GbsHandler::admit(const Request& request,
                                                            OpContext context) const {
  const RouteMatch match = match_route(request.method, request.path);
  if (match.outcome == RouteMatch::Outcome::no_such_path) {
    return std::unexpected(status_answer(404, "no such resource\n", false));
  }
  if (match.outcome == RouteMatch::Outcome::wrong_method) {
    Response response = status_answer(405, "not with this method\n", false);
    response.extra_headers = fmt::format("Allow: {}\r\n", match.allowed);
    return std::unexpected(std::move(response));
  }
  const bool byte_read = match.route.endpoint == Endpoint::read_share;
  if (auto checked = check_authorization(request, authorization_); !checked) {
    return std::unexpected(error_answer(checked.error(), byte_read));
  }
  auto secrets = read_secrets(request, required_secrets(match.route.endpoint));
  if (!secrets) return std::unexpected(error_answer(secrets.error(), byte_read));
  return Call{&request, nullptr, context, match.route, std::move(*secrets)};
}

void GbsHandler::note(ServedCall served, const Clock& clock, Monotonic begun, int status) {
  if (status >= 300) return;
  served_[served].count();
  served_[served].time(clock.now() - begun);
  if (served == ServedCall::read_immutable || served == ServedCall::read_mutable) {
    // Written once a second, so that workers do not take the cache line from each other.
    const std::int64_t now = unix_seconds(clock.utc_now());
    if (last_download() != now) last_download_.store(now, std::memory_order_relaxed);
  }
}

std::optional<Response> GbsHandler::try_handle(const Request& request, OpContext context) {
  const Monotonic begun = context.clock().now();
  auto call = admit(request, context);
  if (!call) return std::move(call.error());
  auto response = answer_now(*call);
  if (response) note(served_call(call->route), context.clock(), begun, response->status);
  return response;
}

std::optional<Response> GbsHandler::answer_now(const Call& call) {
  switch (call.route.endpoint) {
    case Endpoint::version: return version(call);
    case Endpoint::list_shares: {
      const auto numbers = store_.try_list(call.route.storage_index, call.route.kind);
      if (!numbers) return std::nullopt;
      if (!*numbers) return failed(call, numbers->error());
      return accepted(call, 200, render_numbers(**numbers));
    }
    case Endpoint::read_share: {
      if (!call.route.number) return status_answer(404, {}, true);
      auto reader =
          store_.try_open({call.route.storage_index, *call.route.number}, call.route.kind);
      if (!reader) return std::nullopt;
      return share_answer(call, std::move(reader));
    }
    default: return std::nullopt;
  }
}

boost::asio::awaitable<Response> GbsHandler::handle(const Request& request, http::RequestBody& body,
                                                    OpContext context) {
  auto call = admit(request, context);
  if (!call) {
    return [](Response response) -> Answer { co_return response; }(std::move(call.error()));
  }
  call->body = &body;
  return measured(std::move(*call));
}

GbsHandler::Answer GbsHandler::measured(Call call) {
  const ServedCall served = served_call(call.route);
  const Clock& clock = call.context.clock();
  const Monotonic begun = clock.now();
  Response response = co_await dispatch(std::move(call));
  note(served, clock, begun, response.status);
  co_return response;
}

GbsHandler::Answer GbsHandler::dispatch(Call call) {
  switch (call.route.endpoint) {
    case Endpoint::version: break;
    case Endpoint::add_lease: return add_lease(std::move(call));
    case Endpoint::allocate: return allocate(std::move(call));
    case Endpoint::write_upload: return write_upload(std::move(call));
    case Endpoint::abort_upload: return abort_upload(std::move(call));
    case Endpoint::list_shares: return list_shares(std::move(call));
    case Endpoint::read_share: return read_share(std::move(call));
    case Endpoint::advise_corrupt: return advise_corrupt(std::move(call));
    case Endpoint::read_test_write: return read_test_write(std::move(call));
  }
  return [](Response response) -> Answer { co_return response; }(version(call));
}

Response GbsHandler::accepted(const Call& call, int status, Bytes body) const {
  if (!accepts_cbor(*call.request)) return Response::empty(406);
  return cbor_answer(status, std::move(body));
}

Response GbsHandler::failed(const Call& call, const Error& error) const {
  const int status = status_of(error.code());
  if (status == 500) {
    log::error("request {}: {} {}: {}", call.request->id, call.request->method_text,
               call.request->path, error.message());
  } else if ((status == 503 || status == 507) && error.code() != Errc::cancelled) {
    const auto line =
        refusals_.note(call.context.clock().now(), status,
                       fmt::format("{} {}", call.request->method_text, call.request->path), error);
    if (line) log::warning("{}", *line);
  }
  return error_answer(error, call.byte_read());
}

Response GbsHandler::version(const Call& call) { return accepted(call, 200, version_body()); }

// Every client asks once a second: the bytes are rendered when what they tell changes, once per
// worker, so that workers share nothing but the reference count of their own copy.
Bytes GbsHandler::version_body() {
  struct Rendered {
    std::uint64_t instance = 0;
    SpaceReport space;
    Bytes body;
  };
  thread_local Rendered last;
  const SpaceReport space = store_.space();
  if (last.instance != instance_ || last.space.available_bytes != space.available_bytes ||
      last.space.max_immutable_bytes != space.max_immutable_bytes ||
      last.space.max_mutable_bytes != space.max_mutable_bytes) {
    last = {instance_, space, render_version(space, application_version_)};
  }
  return last.body;
}

Response GbsHandler::share_answer(const Call& call, std::shared_ptr<ShareReader> reader) const {
  const std::uint64_t length = reader->info().data_bytes;
  Response response = Response::empty(200);
  response.content_type = kBytesType;
  std::uint64_t begin = 0;
  std::uint64_t size = length;
  if (const auto header = call.request->last_header("range")) {
    const auto range = parse_range(*header);
    if (!range) return status_answer(416, {}, true);
    if (range->begin >= length) return Response::empty(204);
    const std::uint64_t last = std::min(range->last, length - 1);
    begin = range->begin;
    size = last - begin + 1;
    response.status = 206;
    response.extra_headers = content_range_line(begin, last);
  }
  if (size > 0) response.stream = share_body(std::move(reader), begin, size, call.context);
  return response;
}

GbsHandler::Answer GbsHandler::list_shares(Call call) {
  const auto numbers =
      co_await store_.list(call.context, call.route.storage_index, call.route.kind);
  if (!numbers) co_return failed(call, numbers.error());
  co_return accepted(call, 200, render_numbers(*numbers));
}

GbsHandler::Answer GbsHandler::read_share(Call call) {
  if (!call.route.number) co_return status_answer(404, {}, true);
  auto reader = co_await store_.open(call.context, {call.route.storage_index, *call.route.number},
                                     call.route.kind);
  if (!reader) co_return failed(call, reader.error());
  co_return share_answer(call, std::move(*reader));
}

}  // namespace sharestore
