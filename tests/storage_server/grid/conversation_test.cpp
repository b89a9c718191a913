// The captured dialogue with a real introducer, byte for byte, and peers that do not keep to it.
#include "storage_server/grid/conversation.h"

#include <gtest/gtest.h>

#include <utility>

#include "storage_server/grid/limits.h"
#include "tests/storage_server/grid/wire.h"

namespace sharestore::grid {
namespace {

using Stage = Conversation::Stage;

Conversation make(std::string_view own, std::string_view peer, std::string incarnation) {
  return Conversation(
      {std::string(own), std::string(peer), std::move(incarnation), std::string(kName)});
}

std::string hello_of(std::string_view tub) {
  return "banana-negotiation-range: 3 3\r\ninitial-vocab-table-range: 0 1\r\n"
         "my-incarnation: 5fda3f5c1568c1b2\r\nmy-tub-id: " +
         std::string(tub) + "\r\n\r\n";
}

constexpr std::string_view kPeersDecision =
    "banana-decision-version: 3\r\ncurrent-connection: 5fda3f5c1568c1b2 1\r\n"
    "initial-vocab-table-index: 1 bb33\r\n\r\n";

SignedAnnouncement announcement() {
  return {std::string(340, 'j'), "v0-" + std::string(103, 's'), "v0-" + std::string(52, 'k')};
}

// From the reference on, in pieces of `step` bytes.
void replay_calls(Conversation& talk, std::size_t step) {
  const auto receive = [&](const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      const Status taken = talk.receive(std::string_view(bytes).substr(at, step));
      ASSERT_TRUE(taken) << taken.error().message();
    }
  };
  receive(captured_reference());
  EXPECT_EQ(talk.take_output(), captured_get_version());
  receive(captured_version());
  EXPECT_EQ(talk.take_output(), "");
  ASSERT_EQ(talk.stage(), Stage::ready);
  const SignedAnnouncement held = announcement();
  talk.publish(held);
  EXPECT_EQ(talk.take_output(), captured_publish(held.json, held.signature, held.public_key));
  receive(captured_accepted());
  EXPECT_EQ(talk.stage(), Stage::published);
  talk.ping();
  EXPECT_EQ(talk.take_output(), wire("8e"));
  receive(wire("8f"));
  receive(wire("8e"));
  EXPECT_EQ(talk.take_output(), wire("8f"));
  receive(wire("05 8e"));
  EXPECT_EQ(talk.take_output(), wire("05 8f"));
}

TEST(Conversation, CapturedTranscriptWithThePeerDeciding) {
  for (const std::size_t step : {1U, 7U, 100000U}) {
    Conversation talk = make(kLowTub, kHighTub, "0acafbb20b2b3306");
    EXPECT_EQ(talk.take_output(),
              "banana-negotiation-range: 3 3\r\ninitial-vocab-table-range: 0 1\r\n"
              "last-connection: none 0\r\nmy-incarnation: 0acafbb20b2b3306\r\n"
              "my-tub-id: jtil3gvsosx25ev2miae3fpmui4gjvze\r\n\r\n");
    // In one piece, as the spec warns of.
    ASSERT_TRUE(talk.receive(hello_of(kHighTub) + std::string(kPeersDecision)));
    EXPECT_EQ(talk.take_output(), captured_get_reference());
    replay_calls(talk, step);
  }
}

TEST(Conversation, CapturedTranscriptWithUsDeciding) {
  Conversation talk = make(kHighTub, kLowTub, "a7c593ede303f1ec");
  talk.take_output();
  ASSERT_TRUE(talk.receive(hello_of(kLowTub)));
  EXPECT_EQ(talk.take_output(),
            "banana-decision-version: 3\r\ncurrent-connection: a7c593ede303f1ec 1\r\n"
            "initial-vocab-table-index: 1 bb33\r\n\r\n" +
                captured_get_reference());
  replay_calls(talk, 11);
}

TEST(Conversation, SpellsWordsOutWithoutVocabulary) {
  Conversation talk = make(kHighTub, kLowTub, "a7c593ede303f1ec");
  talk.take_output();
  ASSERT_TRUE(talk.receive("banana-negotiation-range: 3 3\r\nmy-tub-id: " + std::string(kLowTub) +
                           "\r\n\r\n"));
  const std::string output = talk.take_output();
  EXPECT_NE(output.find("initial-vocab-table-index: 0 da39\r\n\r\n"), std::string::npos);
  EXPECT_NE(output.find(wire("0088 0482'call' 0181 0081")), std::string::npos);
  // A word by its index is then no word.
  EXPECT_FALSE(talk.receive(wire("0088 0d87 0181")));
}

// A conversation that waits for the reference.
Conversation connected() {
  Conversation talk = make(kHighTub, kLowTub, "a7c593ede303f1ec");
  EXPECT_TRUE(talk.receive(hello_of(kLowTub)));
  talk.take_output();
  return talk;
}

Errc code_after(Conversation talk, std::string_view bytes) {
  const Status taken = talk.receive(bytes);
  EXPECT_FALSE(taken);
  if (taken) return Errc::io_error;
  EXPECT_EQ(taken.error().message().find(kName), std::string::npos) << taken.error().message();
  return taken.error().code();
}

TEST(Conversation, RefusesBadNegotiations) {
  const auto hello = [](std::string_view text) {
    return code_after(make(kHighTub, kLowTub, "a7c593ede303f1ec"), text);
  };
  const std::string tub = "my-tub-id: " + std::string(kLowTub) + "\r\n";
  EXPECT_EQ(hello(hello_of(kHighTub)), Errc::unauthorized);
  EXPECT_EQ(hello("banana-negotiation-range: 3 3\r\n\r\n"), Errc::unauthorized);
  EXPECT_EQ(hello("banana-negotiation-range: 1 2\r\n" + tub + "\r\n"), Errc::unsupported);
  EXPECT_EQ(hello(tub + "\r\n"), Errc::invalid_argument);
  EXPECT_EQ(hello("banana-negotiation-range: 3\r\n" + tub + "\r\n"), Errc::invalid_argument);
  EXPECT_EQ(hello("no colon\r\n\r\n"), Errc::invalid_argument);
  EXPECT_EQ(hello(tub + tub + "\r\n"), Errc::invalid_argument);
  EXPECT_EQ(hello("banana-decision-version: 1\r\nerror: go away\r\n\r\n"), Errc::unavailable);
  EXPECT_EQ(hello(std::string(kMaxBlockBytes + 1, 'x')), Errc::too_large);
  EXPECT_EQ(hello(std::string(kMaxBlockBytes + 1, 'x') + "\r\n\r\n"), Errc::too_large);
}

TEST(Conversation, RefusesBadDecisions) {
  const auto decision = [](std::string_view text) {
    Conversation talk = make(kLowTub, kHighTub, "a7c593ede303f1ec");
    EXPECT_TRUE(talk.receive(hello_of(kHighTub)));
    EXPECT_EQ(talk.stage(), Stage::decision);
    return code_after(std::move(talk), text);
  };
  const std::string version = "banana-decision-version: 3\r\n";
  EXPECT_EQ(decision("banana-decision-version: 2\r\n\r\n"), Errc::invalid_argument);
  EXPECT_EQ(decision(version + "initial-vocab-table-index: 2 0000\r\n\r\n"),
            Errc::invalid_argument);
  EXPECT_EQ(decision(version + "initial-vocab-table-index: 1 bb34\r\n\r\n"),
            Errc::invalid_argument);
  EXPECT_EQ(decision(version + "error: duplicate\r\n\r\n"), Errc::unavailable);
}

TEST(Conversation, RefusesWhatIsTooMuch) {
  // A string that claims four gigabytes is refused by its header.
  EXPECT_EQ(code_after(connected(), wire("0088 0d87 0000000010 82")), Errc::too_large);
  EXPECT_EQ(code_after(connected(), std::string(kMaxHeaderDigits + 1, '\x01')), Errc::too_large);
  EXPECT_EQ(code_after(connected(), std::string(9, '\x7f') + "\x7f\x81"), Errc::too_large);
  EXPECT_EQ(code_after(connected(), wire("690f 8d")), Errc::too_large);  // ERROR of 2025 bytes
  std::string deep;
  for (std::size_t i = 0; i <= kMaxDepth; ++i) deep += wire("0088 0487");
  EXPECT_EQ(code_after(connected(), deep), Errc::too_large);
  std::string many = wire("0088 0d87");
  for (std::size_t i = 0; i <= kMaxMessageTokens; ++i) many += wire("0181");
  EXPECT_EQ(code_after(connected(), many), Errc::too_large);
  std::string large = wire("0088 0d87");
  for (int i = 0; i < 3; ++i) large += wire("00 00 04 82") + std::string(kMaxStringBytes, 'x');
  EXPECT_EQ(code_after(connected(), large), Errc::too_large);
}

TEST(Conversation, RefusesWhatIsNoBanana) {
  for (const char* bytes : {
           "0181",                                     // outside of a message
           "0089",                                     // CLOSE without OPEN
           "0088 0d87 0181 0089 00",                   // an answer without its object
           "0088 0d87 0181 0188 0087 0289",            // CLOSE of another OPEN
           "0088 0089",                                // no open type
           "0088 0181",                                // an open type that is no word
           "0088 0188",                                // a container as open type
           "0088 7f87",                                // no such word
           "0088 0987",                                // set-vocab
           "0088 0a87",                                // add-vocab
           "0088 0d87 008a",                           // ABORT
           "00c0",                                     // no such token
           "0088 0487 0089",                           // a list is no message
           "0088 0d87 0281 0188 0087 0189 0089",       // answers what nobody asked
           "0088 0d87 0181 0188 0087 0189 0089",       // none is no reference
           "0088 0d87 0181 0188 0f87 0183 0189 0089",  // a negative id
           "0088 0b87 0181 0089",                      // half a call
       }) {
    EXPECT_EQ(code_after(connected(), wire(bytes)), Errc::invalid_argument) << bytes;
  }
}

TEST(Conversation, ShowsRefusalsWithoutTheCapability) {
  const auto words_after = [](const std::string& bytes) {
    Conversation talk = connected();
    const Status taken = talk.receive(bytes);
    return taken ? std::string() : taken.error().message();
  };
  const std::string failure = wire(
      "0088 0e87 0181 0188 1287 2082'twisted.python.failure.Failure..' 0482'type' "
      "1382'exceptions.KeyError' 0582'value' 2482'no: hrvow2wud6ocy4yuyymiuasbi4ooatz7' "
      "0189 0089");
  EXPECT_EQ(words_after(failure), "the peer refuses: 'exceptions.KeyError: no: ***'");
  EXPECT_EQ(words_after(wire("068d 'a\x1b[31m'")), "the peer refuses: 'a\\x1b[31m'");
}

TEST(Conversation, RefusesAPeerThatIsNoIntroducer) {
  Conversation talk = connected();
  ASSERT_TRUE(talk.receive(captured_reference()));
  EXPECT_EQ(code_after(std::move(talk), wire("0288 0d87 0281 0388 0387 0389 0289")),
            Errc::unsupported);
}

TEST(Conversation, AnswersDecrefAndIgnoresOtherCalls) {
  Conversation talk = connected();
  ASSERT_TRUE(talk.receive(wire("0088 0b87 0781 0081 0682'decref' 0188 0c87 0081 0189 0089")));
  EXPECT_EQ(talk.take_output(), wire("0288 0d87 0781 0388 0087 0389 0289"));
  ASSERT_TRUE(talk.receive(wire("0288 0b87 0881 0581 0482'boom' 0388 0c87 0081 0389 0289")));
  EXPECT_EQ(talk.take_output(), "");
}

}  // namespace
}  // namespace sharestore::grid
