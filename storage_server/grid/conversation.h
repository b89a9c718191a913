// The whole dialogue with an introducer after TLS, as bytes in and bytes out.
//
// hello → decision → getReferenceByName → get_version → publish_v2 → keepalives.
// One thread at a time. No clock: the caller bounds every stage in time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "storage_server/grid/banana.h"
#include "storage_server/grid/calls.h"

namespace sharestore::grid {

struct ConversationOptions {
  std::string own_tub_id;
  std::string peer_tub_id;  // as the FURL has it and TLS has shown
  std::string incarnation;
  std::string name;  // last part of the FURL: a capability
};

class Conversation {
 public:
  enum class Stage : std::uint8_t {
    hello,       // waiting for the peer's first block
    decision,    // waiting for the peer to decide
    reference,   // asked for the introducer
    version,     // asked for its version
    ready,       // waits for publish()
    publishing,  // waiting for the answer to it
    published,
  };

  explicit Conversation(ConversationOptions options);

  Stage stage() const { return stage_; }

  // Bytes of the peer. Errors end the conversation: unauthorized (another tub), unsupported,
  // too_large (a limit), unavailable (the peer says why it will not), invalid_argument. No sentence
  // holds the name.
  Status receive(std::string_view bytes);

  // In stage `ready`, once.
  void publish(const SignedAnnouncement& announcement);
  // After the decision.
  void ping();

  // What is to be sent now; empties it. Answers to one receive() are no larger than its bytes and a
  // few calls.
  std::string take_output();

 private:
  Status receive_blocks();
  Status take_block(std::string_view block);
  void begin_calls(bool vocabulary);
  Status receive_messages();
  Status take_event(BananaEvent event);
  Status take_message(Message message);
  Status take_answer(const Answer& answer);
  std::unexpected<Error> refused(std::string_view peers_words) const;

  const ConversationOptions options_;
  Stage stage_ = Stage::hello;
  std::string blocks_;  // received and not yet understood, before the decision
  std::string plain_output_;
  std::optional<BananaReader> reader_;
  std::optional<BananaWriter> writer_;
  std::uint64_t request_ = 0;  // number of the call that waits for its answer
  std::uint64_t introducer_ = 0;
};

}  // namespace sharestore::grid
