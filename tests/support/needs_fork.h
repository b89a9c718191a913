// For tests whose child process is killed.
#pragma once

#include <gtest/gtest.h>

namespace sharestore {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kForkIsFollowed = false;
#elif defined(__has_feature)
inline constexpr bool kForkIsFollowed = !__has_feature(thread_sanitizer);
#else
inline constexpr bool kForkIsFollowed = true;
#endif

}  // namespace sharestore

// At the beginning of a test.
#define NEEDS_FORK() \
  if (!sharestore::kForkIsFollowed) GTEST_SKIP() << "ThreadSanitizer does not follow a fork"
