// The log: one line per message on standard error, from any thread, without waiting for it.
//
// A message is for the operator: what happened, where, what to do. Never a secret, an Authorization
// header or a swissnum. Control characters in a message are written as \xNN, so that nothing a
// peer sends can forge a line.
//
// Until start() is called (commands, tests) lines of `warning` and above are written at once.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace sharestore::log {

enum class Level : std::uint8_t { trace, debug, info, warning, error };

// "trace" and so on.
std::string_view to_string(Level level);
// Nothing for an unknown name.
std::optional<Level> parse_level(std::string_view name);

// Lines that wait for standard error at most; beyond it the oldest are dropped and counted, because
// a node that stops serving for a blocked log is worse than one that lost lines.
inline constexpr std::size_t kMaxQueuedLines = 512;
// Longer messages are cut.
inline constexpr std::size_t kMaxLineBytes = 4096;

// From now on lines go through a queue and a thread of its own. Main thread, before others exist.
void start(Level level);
// Writes what is queued and ends the thread. Main thread, after others have ended.
void stop();

void set_level(Level level);
Level level();
bool enabled(Level level);

void write(Level level, std::string_view message);

template <class... Args>
void write_formatted(Level at, fmt::format_string<Args...> format, Args&&... args) {
  if (!enabled(at)) return;
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
  write(at, {text.data(), text.size()});
}

template <class... Args>
void trace(fmt::format_string<Args...> format, Args&&... args) {
  write_formatted(Level::trace, format, std::forward<Args>(args)...);
}
template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write_formatted(Level::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write_formatted(Level::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write_formatted(Level::warning, format, std::forward<Args>(args)...);
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write_formatted(Level::error, format, std::forward<Args>(args)...);
}

}  // namespace sharestore::log
