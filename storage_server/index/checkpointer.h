// Copies the write-ahead log into the database behind, so that no answer waits for it.
//
// One thread of its own, on a connection of its own. The writer tells it how long the log is after
// each commit; the log begins anew at the writer's next commit once everything is copied and nobody
// reads an older state.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "storage_server/index/connection.h"
#include "storage_server/index/shared_state.h"

namespace sharestore::index_db {

class Checkpointer {
 public:
  // `writer` is the writer's connection; it and `shared` outlive this.
  Checkpointer(Connection& writer, SharedState& shared);
  ~Checkpointer();

  // After each commit, on the writer's thread.
  void committed();
  // Copies everything and ends the thread. On the writer's thread, no transaction open.
  void finish();

 private:
  void run();
  void copy_rest();

  Connection& writer_;
  SharedState& shared_;
  std::unique_ptr<Connection> own_;
  int log_pages_ = 0;  // the writer's thread

  std::mutex mutex_;
  std::condition_variable wake_;
  int wanted_pages_ = 0;  // the log's length when a copy was last asked for; 0: nothing to do
  bool rest_is_small_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sharestore::index_db
