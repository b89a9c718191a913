#include "backends/core/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace sharestore::log {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"trace", "debug", "info", "warning", "error"};

spdlog::level::level_enum spdlog_level(Level level) {
  // The first five levels of spdlog are ours, in the same order.
  return static_cast<spdlog::level::level_enum>(static_cast<int>(level));
}

std::shared_ptr<spdlog::sinks::sink> stderr_sink() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l: %v",
                                                                  spdlog::pattern_time_type::utc));
  return sink;
}

struct State {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<Level> level{Level::warning};

  State() { write_at_once(); }

  void write_at_once() { use(std::make_shared<spdlog::logger>("", stderr_sink())); }

  // Libraries and code that call spdlog itself write to the same place.
  void use(std::shared_ptr<spdlog::logger> next) {
    logger = std::move(next);
    logger->set_level(spdlog_level(level));
    spdlog::set_default_logger(logger);
  }
};

State& state() {
  static State instance;
  return instance;
}

std::string one_line(std::string_view message) {
  std::string line;
  line.reserve(message.size());
  for (const char c : message.substr(0, kMaxLineBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  if (message.size() > kMaxLineBytes) line += " […]";
  return line;
}

}  // namespace

std::string_view to_string(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

void start(Level level) {
  State& s = state();
  s.level = level;
  s.pool = std::make_shared<spdlog::details::thread_pool>(kMaxQueuedLines, 1);
  s.use(std::make_shared<spdlog::async_logger>("", stderr_sink(), s.pool,
                                               spdlog::async_overflow_policy::overrun_oldest));
}

void stop() {
  State& s = state();
  if (!s.pool) return;
  const std::size_t dropped = s.pool->overrun_counter();
  s.write_at_once();
  // The pool's destructor writes what is queued and joins the thread.
  s.pool.reset();
  if (dropped > 0) warning("{} lines of this log were dropped: standard error was slow", dropped);
}

void set_level(Level level) {
  State& s = state();
  s.level = level;
  s.logger->set_level(spdlog_level(level));
}
Level level() { return state().level; }
bool enabled(Level level) { return level >= state().level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message) {
  if (!enabled(level)) return;
  state().logger->log(spdlog_level(level), "{}", one_line(message));
}

}  // namespace sharestore::log
