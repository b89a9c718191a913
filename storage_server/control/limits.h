// Every limit of the control socket, named. Its peers are the operator's own programs, but a broken
// one must not harm the node.
#pragma once

#include <chrono>
#include <cstddef>

namespace sharestore::control {

inline constexpr std::size_t kMaxRequestBytes = 64 * 1024;
// One line of an answer. Long lists go out as progress lines.
inline constexpr std::size_t kMaxLineBytes = 1024 * 1024;
// Further ones are answered `busy`.
inline constexpr std::size_t kMaxClients = 8;
// From the connection to the end of the request.
inline constexpr std::chrono::seconds kRequestTime{10};
// One line of an answer, until the client has taken it.
inline constexpr std::chrono::seconds kWriteTime{10};
// A command that says nothing is vouched for this often.
inline constexpr std::chrono::seconds kSignOfLifeEvery{5};
// What a client waits for any line.
inline constexpr std::chrono::seconds kSilence{60};
// After accept failed for want of descriptors.
inline constexpr std::chrono::seconds kAcceptPause{1};

}  // namespace sharestore::control
