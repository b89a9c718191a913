#include "storage_server/http/request_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace sharestore::http {
namespace {

class RequestParserTest : public testing::Test {
 protected:
  // Keeps the text, into which the request points.
  ParseResult parse(std::string_view text) {
    text_ = text;
    return parse_head(text_, limits_, request_, framing_);
  }
  // The status that `text` is refused with; 0 when it is not.
  int refusal(std::string_view text) {
    auto result = parse(text);
    return result.state == ParseState::bad ? result.status : 0;
  }
  bool complete(std::string_view text) {
    auto result = parse(text);
    return result.state == ParseState::complete && result.head_bytes == text.size();
  }

  std::string text_;
  Limits limits_;
  Request request_;
  Framing framing_;
};

TEST_F(RequestParserTest, TakesAHeadApart) {
  std::string_view text =
      "GET /storage/v1/version?x=1?2 HTTP/1.1\r\nHost: h\r\nA:b\r\nEmpty:\r\nA: \t c d "
      "\t\r\n\r\nrest";
  auto result = parse(text);
  ASSERT_EQ(result.state, ParseState::complete);
  EXPECT_EQ(text.substr(result.head_bytes), "rest");
  EXPECT_EQ(request_.method, Method::get);
  EXPECT_EQ(request_.method_text, "GET");
  EXPECT_EQ(request_.path, "/storage/v1/version");
  EXPECT_EQ(request_.query, "x=1?2");
  ASSERT_EQ(request_.headers.size(), 4u);
  EXPECT_EQ(request_.headers[1].name, "A");
  EXPECT_EQ(request_.headers[1].value, "b");
  EXPECT_EQ(request_.headers[2].value, "");
  EXPECT_EQ(request_.headers[3].value, "c d");
  EXPECT_EQ(request_.first_header("a"), "b");
  EXPECT_EQ(request_.last_header("a"), "c d");
  EXPECT_EQ(request_.first_header("b"), std::nullopt);
  EXPECT_TRUE(framing_.keep_alive);
  EXPECT_FALSE(framing_.chunked);
  EXPECT_EQ(framing_.content_length, 0u);
}

TEST_F(RequestParserTest, EveryPrefixNeedsMore) {
  std::string_view text =
      "\r\nPATCH https://node/a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nB: c\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(parse(text.substr(0, size)).state, ParseState::more) << size;
  }
  EXPECT_TRUE(complete(text));
}

TEST_F(RequestParserTest, Methods) {
  for (auto [text, method] :
       std::vector<std::pair<std::string, Method>>{{"GET", Method::get},
                                                   {"HEAD", Method::head},
                                                   {"PATCH", Method::patch},
                                                   {"POST", Method::post},
                                                   {"PUT", Method::put},
                                                   {"DELETE", Method::del},
                                                   {"OPTIONS", Method::options},
                                                   {"get", Method::other},
                                                   {"BREW", Method::other}}) {
    ASSERT_TRUE(complete(text + " / HTTP/1.1\r\n\r\n")) << text;
    EXPECT_EQ(request_.method, method) << text;
    EXPECT_EQ(request_.method_text, text);
  }
}

TEST_F(RequestParserTest, Targets) {
  for (auto [target, path, query] :
       std::vector<std::array<std::string, 3>>{{"/", "/", ""},
                                               {"/a%2Fb", "/a%2Fb", ""},
                                               {"/?", "/", ""},
                                               {"http://h/p?q", "/p", "q"},
                                               {"HTTPS://h:1", "/", ""},
                                               {"http://h?q", "/", "q"},
                                               {"*", "*", ""},
                                               {"/\xc3\xa9", "/\xc3\xa9", ""}}) {
    ASSERT_TRUE(complete("GET " + target + " HTTP/1.1\r\n\r\n")) << target;
    EXPECT_EQ(request_.path, path);
    EXPECT_EQ(request_.query, query);
  }
  for (std::string target : {"a", "ftp://h/", "http:///", "h:80", "?", "**"}) {
    EXPECT_EQ(refusal("GET " + target + " HTTP/1.1\r\n\r\n"), 400) << target;
  }
}

TEST_F(RequestParserTest, RefusesWhatIsNotAHead) {
  for (std::string_view text :
       {" GET / HTTP/1.1\r\n\r\n", "G\x01T / HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "GET / http/1.1\r\n\r\n",
        "GET / HTTP/11\r\n\r\n", "GET /\r\n\r\n", "GET /\t HTTP/1.1\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "\rGET / HTTP/1.1\r\n\r\n", "\nGET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01 / HTTP/1.1\r\n\r\n"}) {
    EXPECT_EQ(refusal(text), 400) << text;
  }
  for (std::string_view line : {"A : b\r\n", ": b\r\n", "A b\r\n", "A\r\n", "A: b\n", "A: b\r",
                                " A: b\r\n", "B: c\r\n folded\r\n", "B: c\r\n\tfolded\r\n",
                                "A: b\x01\r\n", "A: \x7f\r\n", "A: b\rc\r\n", "A(): b\r\n"}) {
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\n" + std::string(line) + "\r\n"), 400) << line;
  }
  EXPECT_EQ(refusal(std::string_view("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24)), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\rx"), 400);
}

TEST_F(RequestParserTest, Versions) {
  EXPECT_TRUE(complete("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(framing_.http10);
  EXPECT_FALSE(framing_.keep_alive);
  EXPECT_EQ(refusal("GET / HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(refusal("GET / HTTP/1.2\r\n\r\n"), 505);
  EXPECT_EQ(refusal("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}

TEST_F(RequestParserTest, Persistence) {
  auto keeps = [&](std::string version, std::string connection) {
    EXPECT_TRUE(complete("GET / HTTP/" + version + "\r\n" + connection + "\r\n"));
    return framing_.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_FALSE(keeps("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: a ,CLOSE, b\r\n"));
  EXPECT_TRUE(keeps("1.1", "Connection: closed\r\n"));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive\r\nConnection: close\r\n"));
}

TEST_F(RequestParserTest, Bodies) {
  auto with = [](std::string lines) { return "PUT / HTTP/1.1\r\n" + lines + "\r\n"; };
  EXPECT_TRUE(complete(with("Content-Length: 9223372036854775807\r\n")));
  EXPECT_EQ(framing_.content_length, 9223372036854775807u);
  EXPECT_TRUE(complete(with("content-length: 007\r\n")));
  EXPECT_EQ(framing_.content_length, 7u);
  EXPECT_TRUE(complete(with("Transfer-Encoding: chunKed\r\n")));
  EXPECT_TRUE(framing_.chunked);
  for (std::string value :
       {"9223372036854775808", "99999999999999999999", "-1", "+1", "1 2", "", "0x1", "1,1", "1."}) {
    EXPECT_EQ(refusal(with("Content-Length: " + value + "\r\n")), 400) << value;
  }
  EXPECT_EQ(refusal(with("Content-Length: 1\r\nContent-Length: 1\r\n")), 400);
  EXPECT_EQ(refusal(with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(refusal(with("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n")), 400);
  EXPECT_EQ(refusal("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  for (std::string coding : {"gzip", "gzip, chunked", "chunked, chunked", "identity", ""}) {
    EXPECT_EQ(refusal(with("Transfer-Encoding: " + coding + "\r\n")), 501) << coding;
  }
  EXPECT_EQ(refusal(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 501);
}

TEST_F(RequestParserTest, Expectations) {
  EXPECT_TRUE(complete("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"));
  EXPECT_TRUE(framing_.expects_continue);
  EXPECT_TRUE(complete("PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_FALSE(framing_.expects_continue) << "there is no body to continue with";
  EXPECT_TRUE(complete("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
  EXPECT_FALSE(framing_.expects_continue) << "HTTP/1.0 knows no interim answer";
  EXPECT_EQ(refusal("PUT / HTTP/1.1\r\nExpect: miracles\r\n\r\n"), 417);
}

TEST_F(RequestParserTest, HostMayBeMissingButNotDoubled) {
  EXPECT_TRUE(complete("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400);
}

TEST_F(RequestParserTest, Limits) {
  limits_.head_bytes = 60;
  limits_.header_lines = 2;
  limits_.target_bytes = 10;
  EXPECT_TRUE(complete("GET /123456789 HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(refusal("GET /1234567890 HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(refusal("GET /1234567890"), 414) << "known before its end";
  EXPECT_TRUE(complete("GET / HTTP/1.1\r\nA: b\r\nA: b\r\n\r\n"));
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), 431);
  std::string exact = "GET / HTTP/1.1\r\nA: " + std::string(37, 'x') + "\r\n\r\n";
  ASSERT_EQ(exact.size(), 60u);
  EXPECT_TRUE(complete(exact));
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: " + std::string(38, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(parse(exact.substr(0, 59)).state, ParseState::more);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: " + std::string(41, 'x')), 431);
  EXPECT_EQ(refusal(std::string(60, 'G')), 414);
}

TEST_F(RequestParserTest, FindsTheEndOfAHeadThatCameInPieces) {
  std::string_view text = "GET / HTTP/1.1\r\nA: b\r\n\r\nbody";
  std::size_t end = text.find("body");
  EXPECT_TRUE(has_head_end(text, 0));
  EXPECT_TRUE(has_head_end(text, end - 1));
  EXPECT_FALSE(has_head_end(text.substr(0, end - 1), 0));
  EXPECT_FALSE(has_head_end(text, end + 3));
}

}  // namespace
}  // namespace sharestore::http
