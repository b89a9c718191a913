// Bytes of the wire, written by hand, apart from the code under test.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sharestore::grid {

// "0088 0b87" and "'text'" side by side: hex digits in pairs, quoted text as it is.
inline std::string wire(std::string_view notation) {
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i < notation.size();) {
    if (notation[i] == ' ') {
      ++i;
    } else if (notation[i] == '\'') {
      const std::size_t end = notation.find('\'', i + 1);
      bytes += notation.substr(i + 1, end - i - 1);
      i = end + 1;
    } else {
      bytes += static_cast<char>(digit(notation[i]) * 16 + digit(notation[i + 1]));
      i += 2;
    }
  }
  return bytes;
}

// What one side of the captured dialogue said, step by step. `q` must hold no quote mark.
inline constexpr std::string_view kLowTub = "jtil3gvsosx25ev2miae3fpmui4gjvze";
inline constexpr std::string_view kHighTub = "kyvofrldjf4xofbianwfnhobn3qgcznv";
inline constexpr std::string_view kName = "hrvow2wud6ocy4yuyymiuasbi4ooatz7";

inline std::string captured_get_reference() {
  return wire(
      "0088 0b87 0181 0081 1282'getReferenceByName' 0188 0c87 0081 0482'name' "
      "2082'hrvow2wud6ocy4yuyymiuasbi4ooatz7' 0189 0089");
}
inline std::string captured_reference() {
  return wire(
      "0088 0d87 0181 0188 0f87 0181 "
      "4082'RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com' "
      "5a82'pb://kyvofrldjf4xofbianwfnhobn3qgcznv@tcp:127.0.0.1:41101/"
      "hrvow2wud6ocy4yuyymiuasbi4ooatz7' 0189 0089");
}
inline std::string captured_get_version() {
  return wire("0288 0b87 0281 0181 0b82'get_version' 0388 0c87 0081 0389 0289");
}
inline std::string captured_version() {
  return wire(
      "0288 0d87 0281 0388 0387 1382'application-version' 1182'tahoe-lafs/1.21.0' "
      "3282'http://allmydata.org/tahoe/protocols/introducer/v2' 0488 0387 0489 0389 0289");
}
inline std::string captured_publish(const std::string& json, const std::string& signature,
                                    const std::string& key) {
  EXPECT_EQ(json.size(), 340U);
  EXPECT_EQ(signature.size(), 106U);
  EXPECT_EQ(key.size(), 55U);
  return wire("0488 0b87 0381 0181 0a82'publish_v2' 0588 0c87 0281 0688 0587 5402 82") + json +
         wire("6a82") + signature + wire("3782") + key +
         wire("0689 0788 0f87 0181 0082 0789 0589 0489");
}
inline std::string captured_accepted() { return wire("0588 0d87 0381 0688 0087 0689 0589"); }

}  // namespace sharestore::grid
