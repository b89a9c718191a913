// Requests that wait for the log together.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <exception>
#include <future>
#include <mutex>
#include <optional>

#include "backends/disk/redo_log.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/test_data.h"

namespace sharestore {
namespace {

using Answer = Result<std::optional<std::uint64_t>>;

RedoRecord content_of(std::uint64_t n) {
  return {{test_index(n), 0}, {FileMark{}}, Bytes::copy_of("content")};
}

TEST(RedoLog, VoidingRecordsIsNotRefusedWithTheContentBesideIt) {
  CrashFileSystem files(true);
  ASSERT_EQ(files.make_directory("/storage"), 0);
  std::promise<void> go_on;
  std::shared_future<void> gone_on = go_on.get_future().share();
  std::promise<void> syncs;
  std::once_flag told;
  std::atomic<bool> is_full = false;
  files.set_fault([&](const std::string& call) {
    if (call == "sync_data") {
      std::call_once(told, [&] { syncs.set_value(); });
      gone_on.wait();
    }
    return call == "space" && is_full ? -EIO : 0;
  });
  DurableFiles durable(files, "/storage", SyncMode::sync_files);
  RedoLog log(files, "/storage", 256 * 1024, durable);
  boost::asio::io_context loop;
  std::optional<Answer> first;
  std::optional<Answer> refused;
  std::optional<Answer> voided;
  const auto ask = [&](std::vector<RedoRecord> records, std::optional<Answer>& answer) {
    boost::asio::co_spawn(loop, log.append(std::move(records)),
                          [&answer](const std::exception_ptr&, Answer got) { answer = got; });
    loop.poll();
  };
  ask({content_of(1)}, first);
  syncs.get_future().wait();  // so that the others are not of its batch
  ask({content_of(2)}, refused);
  ask({RedoRecord{{test_index(1), 0}, {}, std::nullopt}}, voided);
  is_full = true;
  go_on.set_value();
  loop.run();
  ASSERT_TRUE(first && refused && voided);
  ASSERT_TRUE(refused->has_value());
  EXPECT_FALSE(refused->value()) << "no space for more";
  ASSERT_TRUE(voided->has_value());
  EXPECT_TRUE(voided->value()) << "a removal goes on";
}

}  // namespace
}  // namespace sharestore
