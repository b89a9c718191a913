#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "config/text.h"
#include "storage_server/cli/command.h"
#include "storage_server/cli/node_directory.h"
#include "storage_server/control/client.h"
#include "storage_server/web/human.h"

namespace sharestore::cli {

namespace json = boost::json;

namespace {

// What the node told, by names that lead to it; what is not there reads as 0, "" or null, because
// the node may be of another version.
class Told {
 public:
  explicit Told(const json::value* value) : value_(value) {}

  Told operator[](std::string_view name) const {
    const json::object* object = value_ == nullptr ? nullptr : value_->if_object();
    return Told(object == nullptr ? nullptr : object->if_contains(name));
  }
  bool is_null() const { return value_ == nullptr || value_->is_null(); }
  bool is_true() const { return value_ != nullptr && value_->is_bool() && value_->get_bool(); }
  double number() const {
    return value_ != nullptr && value_->is_number() ? value_->to_number<double>() : 0;
  }
  std::int64_t whole() const { return static_cast<std::int64_t>(number()); }
  // What a peer may have had its hand in is shown without control characters.
  std::string text() const {
    if (value_ == nullptr || !value_->is_string()) return {};
    std::string shown;
    for (const char c : std::string_view(value_->get_string())) {
      shown += is_ascii_control(c) ? '?' : c;
    }
    return shown;
  }
  json::array items() const {
    return value_ != nullptr && value_->is_array() ? value_->get_array() : json::array();
  }

 private:
  const json::value* value_;
};

std::string since(const Told& when, std::int64_t now) {
  return web::human_time(when.is_null() ? 0 : when.whole(), now);
}

std::string bytes(const Told& part) {
  return web::human_bytes(static_cast<std::uint64_t>(part.number()));
}

std::string health(const Told& part) {
  const std::string sentence = part["sentence"].text();
  if (!part["ok"].is_true()) return "NOT WELL: " + sentence;
  return sentence.empty() ? "well" : "well; " + sentence;
}

std::string shares(const Told& part) {
  return fmt::format("{} ({})",
                     web::human_count(static_cast<std::uint64_t>(part["shares"].number())),
                     bytes(part["bytes"]));
}

std::string introducer(const Told& state, std::int64_t now) {
  if (state["connected"].is_true()) {
    return "connected, announced " + since(state["last_published"], now);
  }
  const std::string why = state["last_error"].text();
  return why.empty() ? "connecting" : "not connected: " + why;
}

void print(std::ostream& out, std::string_view label, const std::string& text) {
  out << fmt::format("{:<16}{}\n", label, text);
}

void print_space(std::ostream& out, const Told& space) {
  std::string text = fmt::format("{} used, {} available", bytes(space["used_bytes"]),
                                 bytes(space["available_bytes"]));
  if (!space["sizelimit_bytes"].is_null()) {
    text += fmt::format(", sizelimit {}", bytes(space["sizelimit_bytes"]));
  }
  if (space["reserved_space_bytes"].whole() != 0) {
    text += fmt::format(", {} reserved", bytes(space["reserved_space_bytes"]));
  }
  if (space["readonly"].is_true()) text += ", read-only";
  print(out, "space", text);
}

void print_ahead(std::ostream& out, const Told& ending) {
  if (ending.is_null()) return;
  for (const auto& [name, label] :
       {std::pair("next_day", "  in a day"), std::pair("next_week", "  in a week"),
        std::pair("next_30_days", "  in 30 days")}) {
    print(out, label,
          fmt::format("{} immutable, {} mutable", shares(ending[name]["immutable"]),
                      shares(ending[name]["mutable"])));
  }
}

void print_leases(std::ostream& out, const Told& told) {
  print(out, "leases", fmt::format("{}; their ends:", told["stored"]["leases"].whole()));
  print_ahead(out, told["leases_end"]);
  const Told expiry = told["expiry"];
  if (!expiry["enabled"].is_true()) {
    print(out, "expiry", "off: shares stay when their leases have ended");
    return;
  }
  print(out, "expiry",
        fmt::format("{} removed since the start; will go:", shares(expiry["removed"])));
  print_ahead(out, expiry["goes"]);
  if (const std::string held = expiry["held"].text(); !held.empty()) print(out, "  held", held);
  if (expiry["failures"].whole() != 0) {
    print(out, "  put off",
          fmt::format("{}: {}", expiry["failures"].whole(), expiry["last_error"].text()));
  }
}

std::string rebuild_text(const Told& rebuild) {
  if (rebuild.is_null()) return {};
  return fmt::format("; being rebuilt, {:.0f} %, {} shares looked at",
                     100 * rebuild["done"].number(), rebuild["scanned_shares"].whole());
}

void print_status(std::ostream& out, const json::value& value) {
  const Told told(&value);
  const std::int64_t now = told["now"].whole();
  print(out, "node",
        fmt::format("{}, process {}, up {}", told["version"].text(), told["process"].whole(),
                    web::human_span(told["uptime_s"].whole())));
  print(out, "nickname", told["nickname"].text());
  print(out, "node id", told["node_id"].text());
  print(out, "backend",
        fmt::format("{}: {}", told["backend"]["name"].text(), health(told["backend"]["health"])));
  if (const Told failure = told["backend"]["last_failure"]; !failure.is_null()) {
    print(out, "  last failure",
          fmt::format("{}: {}", since(failure["at"], now), failure["sentence"].text()));
  }
  const Told index = told["index"];
  print(
      out, "index",
      fmt::format("{}{}, {} and {} of log", health(index["health"]), rebuild_text(index["rebuild"]),
                  bytes(index["file_bytes"]), bytes(index["log_bytes"])));
  print_space(out, told["space"]);
  print(out, "uploads",
        fmt::format("{} under way, {} promised", told["space"]["uploads"].whole(),
                    bytes(told["space"]["promised_bytes"])));
  const Told stored = told["stored"];
  print(out, "shares",
        fmt::format("{} immutable, {} mutable, {} lost", shares(stored["immutable"]),
                    shares(stored["mutable"]), stored["lost"].whole()));
  print_leases(out, told);
  print(out, "advisories", std::to_string(stored["corruption_advisories"].whole()));
  print(out, "last upload", since(told["last"]["upload"], now));
  print(out, "last renewal", since(told["last"]["renewal"], now));
  print(out, "last download", since(told["last"]["download"], now));
  for (const json::value& state : told["introducers"].items()) {
    print(out, "introducer", Told(&state)["name"].text() + ": " + introducer(Told(&state), now));
  }
  const Told http = told["http"];
  print(out, "clients",
        fmt::format("{} connections, {} requests under way", http["connections_open"].whole(),
                    http["requests_running"].whole()));
}

}  // namespace

Action declare_status(CLI::App& app) {
  const auto directory = declare_node_directory(app);
  auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "Print one line of JSON");
  return [directory, as_json](CommandIo& io) {
    const auto status = control::ask_node(*directory, "status");
    if (!status) return report(io, status.error());
    if (*as_json) {
      io.out << json::serialize(*status) << '\n';
    } else {
      print_status(io.out, json::value(*status));
    }
    return kExitDone;
  };
}

}  // namespace sharestore::cli
