#include "storage_server/grid/conversation.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>
#include <variant>

#include "config/text.h"
#include "storage_server/grid/limits.h"
#include "storage_server/grid/negotiation.h"

namespace sharestore::grid {

namespace {

constexpr std::string_view kBlockEnd = "\r\n\r\n";

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

// The peer may repeat what it was asked for, and that is a capability.
std::string without(std::string words, std::string_view capability) {
  for (std::size_t at = words.find(capability); at != std::string::npos;
       at = words.find(capability, at)) {
    words.replace(at, capability.size(), "***");
  }
  return words;
}

}  // namespace

Conversation::Conversation(ConversationOptions options)
    : options_(std::move(options)),
      plain_output_(hello_block(options_.own_tub_id, options_.incarnation)) {}

std::string Conversation::take_output() {
  std::string output = std::exchange(plain_output_, {});
  if (writer_) output += writer_->take();
  return output;
}

Status Conversation::receive(std::string_view bytes) {
  if (reader_) {
    reader_->append(bytes);
  } else {
    blocks_ += bytes;
    if (auto status = receive_blocks(); !status) return status;
    if (!reader_) return {};
  }
  return receive_messages();
}

Status Conversation::receive_blocks() {
  while (!reader_) {
    const std::size_t end = blocks_.find(kBlockEnd);
    if (end > kMaxBlockBytes && (end != std::string::npos || blocks_.size() > kMaxBlockBytes)) {
      return fail(Errc::too_large, "the peer's negotiation is too long");
    }
    if (end == std::string::npos) return {};
    const std::string block = blocks_.substr(0, end);
    blocks_.erase(0, end + kBlockEnd.size());
    if (auto status = take_block(block); !status) return status;
  }
  reader_->append(std::exchange(blocks_, {}));
  return {};
}

Status Conversation::take_block(std::string_view block) {
  if (stage_ == Stage::decision) {
    const auto vocabulary = parse_decision(block);
    if (!vocabulary) return fail(vocabulary.error());
    begin_calls(*vocabulary);
    return {};
  }
  const auto hello = parse_hello(block, options_.peer_tub_id);
  if (!hello) return fail(hello.error());
  if (!decides(options_.own_tub_id, options_.peer_tub_id)) {
    stage_ = Stage::decision;
    return {};
  }
  plain_output_ += decision_block(options_.incarnation, hello->offers_vocabulary);
  begin_calls(hello->offers_vocabulary);
  return {};
}

void Conversation::begin_calls(bool vocabulary) {
  reader_.emplace(vocabulary);
  writer_.emplace(vocabulary);
  stage_ = Stage::reference;
  write_get_reference(*writer_, ++request_, options_.name);
}

Status Conversation::receive_messages() {
  for (;;) {
    auto event = reader_->next();
    if (!event) return fail(event.error());
    if (!*event) return {};
    if (auto status = take_event(std::move(**event)); !status) return status;
  }
}

Status Conversation::take_event(BananaEvent event) {
  return std::visit(Overloaded{
                        [this](BananaValue& value) -> Status {
                          auto message = read_message(std::move(value));
                          if (!message) return fail(message.error());
                          return take_message(std::move(*message));
                        },
                        [this](const BananaPing& ping) -> Status {
                          writer_->pong(ping.number);
                          return {};
                        },
                        [](const BananaPong&) -> Status { return {}; },
                        [this](const BananaError& error) -> Status { return refused(error.text); },
                    },
                    event);
}

Status Conversation::take_message(Message message) {
  return std::visit(
      Overloaded{
          [this](const Answer& answer) -> Status { return take_answer(answer); },
          [this](const Refusal& refusal) -> Status { return refused(refusal.text); },
          [this](const IncomingCall& call) -> Status {
            // The peer forgets our canary. Whatever else it calls may go without an answer.
            if (call.object == kBrokerId && call.method == "decref" && call.request != 0) {
              write_none_answer(*writer_, call.request);
            }
            return {};
          },
      },
      message);
}

Status Conversation::take_answer(const Answer& answer) {
  const bool waiting =
      stage_ == Stage::reference || stage_ == Stage::version || stage_ == Stage::publishing;
  if (!waiting || answer.request != request_) {
    return fail(Errc::invalid_argument, "the peer answers what nobody asked");
  }
  if (stage_ == Stage::reference) {
    const auto id = reference_id(answer.value);
    if (!id) return fail(Errc::invalid_argument, "the peer has no object of the FURL's name");
    introducer_ = *id;
    stage_ = Stage::version;
    write_get_version(*writer_, ++request_, introducer_);
  } else if (stage_ == Stage::version) {
    if (!is_introducer_version(answer.value)) {
      return fail(Errc::unsupported, "the peer is no introducer that takes v2 announcements");
    }
    stage_ = Stage::ready;
  } else {
    stage_ = Stage::published;
  }
  return {};
}

void Conversation::publish(const SignedAnnouncement& announcement) {
  if (stage_ != Stage::ready) throw std::logic_error("publish() before its stage");
  stage_ = Stage::publishing;
  write_publish(*writer_, ++request_, introducer_, announcement);
}

void Conversation::ping() {
  if (writer_) writer_->ping();
}

std::unexpected<Error> Conversation::refused(std::string_view peers_words) const {
  const std::string words = in_quotes(without(std::string(peers_words), options_.name));
  return fail(Errc::unavailable, fmt::format("the peer refuses: {}", words));
}

}  // namespace sharestore::grid
