#include "storage_server/grid/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sharestore::grid {

namespace {

constexpr std::string_view kVersionKey = "http://allmydata.org/tahoe/protocols/introducer/v2";

std::unexpected<Error> bad(std::string_view what) {
  return fail(Errc::invalid_argument, fmt::format("the peer sent {}", what));
}

void begin_call(BananaWriter& out, std::uint64_t request, std::uint64_t object,
                std::string_view method, std::uint64_t positional) {
  out.open("call");
  out.integer(request);
  out.integer(object);
  out.bytes(method);
  out.open("arguments");
  out.integer(positional);
}

void end_call(BananaWriter& out) {
  out.close();
  out.close();
}

std::optional<std::uint64_t> id_at(const BananaValue& value, std::size_t at) {
  if (value.items.size() <= at || !value.items[at].is_integer()) return std::nullopt;
  if (value.items[at].integer < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value.items[at].integer);
}

// A failure is a copyable: its class' name, then keys and values in turn.
std::string failure_text(const BananaValue& error) {
  if (error.items.size() < 2) return {};
  const BananaValue& copyable = error.items[1];
  if (const auto text = copyable.text()) return std::string(*text);
  std::string type;
  std::string value;
  for (std::size_t i = 1; i + 1 < copyable.items.size(); i += 2) {
    const auto key = copyable.items[i].text();
    const auto text = copyable.items[i + 1].text();
    if (!key || !text) continue;
    if (*key == "type") type = *text;
    if (*key == "value") value = *text;
  }
  return type.empty() ? value : fmt::format("{}: {}", type, value);
}

}  // namespace

void write_get_reference(BananaWriter& out, std::uint64_t request, std::string_view name) {
  begin_call(out, request, kBrokerId, "getReferenceByName", 0);
  out.bytes("name");
  out.bytes(name);
  end_call(out);
}

void write_get_version(BananaWriter& out, std::uint64_t request, std::uint64_t object) {
  begin_call(out, request, object, "get_version", 0);
  end_call(out);
}

void write_publish(BananaWriter& out, std::uint64_t request, std::uint64_t object,
                   const SignedAnnouncement& announcement) {
  begin_call(out, request, object, "publish_v2", 2);
  out.open("tuple");
  out.bytes(announcement.json);
  out.bytes(announcement.signature);
  out.bytes(announcement.public_key);
  out.close();
  out.open("my-reference");
  out.integer(kCanaryId);
  out.bytes("");
  out.close();
  end_call(out);
}

void write_none_answer(BananaWriter& out, std::uint64_t request) {
  out.open("answer");
  out.integer(request);
  out.open("none");
  out.close();
  out.close();
}

Result<Message> read_message(BananaValue value) {
  const auto request = id_at(value, 0);
  if (!request) return bad("a message without a number");
  if (value.is("answer")) {
    if (value.items.size() != 2) return bad("an answer that is not one object");
    return Answer{*request, std::move(value.items[1])};
  }
  if (value.is("error")) return Refusal{*request, failure_text(value)};
  if (value.is("call")) {
    const auto object = id_at(value, 1);
    const auto method = value.items.size() > 2 ? value.items[2].text() : std::nullopt;
    if (!object || !method) return bad("a call that is not well formed");
    return IncomingCall{*request, *object, std::string(*method)};
  }
  return bad("a message that is neither call nor answer");
}

std::optional<std::uint64_t> reference_id(const BananaValue& value) {
  if (!value.is("my-reference")) return std::nullopt;
  return id_at(value, 0);
}

bool is_introducer_version(const BananaValue& value) {
  if (!value.is("dict")) return false;
  for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
    if (value.items[i].text() == kVersionKey) return true;
  }
  return false;
}

}  // namespace sharestore::grid
