// Signatures against the published vectors.
#include "backends/s3/signature.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "backends/s3/encoding.h"

namespace sharestore::s3 {
namespace {

using Sections = std::map<std::string, std::string>;

// The cases of vectors/sigv4.txt: by name, what stands under each heading.
std::map<std::string, Sections> read_vectors() {
  std::ifstream file(std::string(SHARESTORE_SOURCE_DIR) + "/tests/backends/s3/vectors/sigv4.txt");
  std::map<std::string, Sections> cases;
  std::string line;
  std::string name;
  std::string section;
  while (std::getline(file, line)) {
    if (line.starts_with("=== ")) {
      name = line.substr(4);
      section.clear();
    } else if (line.starts_with("--- ")) {
      section = line.substr(4);
    } else if (!name.empty() && section.empty()) {
      const auto colon = line.find(": ");
      cases[name][line.substr(0, colon)] = line.substr(colon + 2);
    } else if (!name.empty()) {
      std::string& text = cases[name][section];
      text += (text.empty() ? "" : "\n") + line;
    }
  }
  return cases;
}

struct Parsed {
  SignableRequest request;
  std::string body;
};

Parsed parse(const Sections& sections) {
  Parsed parsed;
  std::istringstream lines(sections.at("request"));
  std::string line;
  std::getline(lines, line);
  parsed.request.method = line.substr(0, line.find(' '));
  const std::string target = line.substr(line.find(' ') + 1, line.rfind(' ') - line.find(' ') - 1);
  parsed.request.path = uri_decode(target.substr(0, target.find('?')));
  if (target.find('?') != std::string::npos) {
    std::istringstream query(target.substr(target.find('?') + 1));
    for (std::string part; std::getline(query, part, '&');) {
      const auto equals = part.find('=');
      parsed.request.query.emplace_back(
          uri_decode(part.substr(0, equals)),
          equals == std::string::npos ? "" : uri_decode(part.substr(equals + 1)));
    }
  }
  while (std::getline(lines, line) && !line.empty()) {
    if (line.front() == ' ') {
      parsed.request.headers.back().second += "\n" + line;
    } else {
      parsed.request.headers.emplace_back(line.substr(0, line.find(':')),
                                          line.substr(line.find(':') + 1));
    }
  }
  std::getline(lines, parsed.body, '\0');
  return parsed;
}

const SigningKey kSuiteKey{"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
const ScopeV4 kSuiteScope{"20150830T123600Z", "us-east-1", "service"};

// W29: version 4, for a region.
TEST(SignatureV4, SignsAsThePublishedSuite) {
  const auto cases = read_vectors();
  ASSERT_EQ(cases.size(), 31u);
  for (const auto& [name, sections] : cases) {
    SCOPED_TRACE(name);
    auto [request, body] = parse(sections);
    request.headers.emplace_back("X-Amz-Date", kSuiteScope.date);
    const std::string payload = hex(sha256(body));
    if (sections.at("sign-body") == "true") {
      request.headers.emplace_back("x-amz-content-sha256", payload);
    }
    if (!sections.at("token").empty()) {
      request.headers.emplace_back("X-Amz-Security-Token", sections.at("token"));
    }
    EXPECT_EQ(canonical_request_v4(request, payload), sections.at("canonical"));
    EXPECT_EQ(string_to_sign_v4(request, kSuiteScope, payload), sections.at("string-to-sign"));
    const std::string value = authorization_v4(request, kSuiteScope, payload, kSuiteKey);
    EXPECT_EQ(value.substr(value.rfind('=') + 1), sections.at("signature"));
    EXPECT_TRUE(
        value.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"
                          "service/aws4_request, SignedHeaders="))
        << value;
  }
}

// Keys that a path or a query changes when it is encoded twice, in part or not at all.
TEST(SignatureV4, SendsWhatItSigns) {
  SignableRequest request;
  request.path = "/bucket/sp ace/pl+us/~t'il(de)*!/100%25/\xc3\xa9/../dots//double";
  request.query = {{"prefix", "a b+c&d=e/~"}, {"uploads", ""}};
  EXPECT_EQ(target_of(request),
            "/bucket/sp%20ace/pl%2Bus/~t%27il%28de%29%2A%21/100%2525/%C3%A9/../dots//double"
            "?prefix=a%20b%2Bc%26d%3De%2F~&uploads=");
  const std::string canonical = canonical_request_v4(request, kUnsignedPayload);
  EXPECT_NE(canonical.find("\n/bucket/sp%20ace/pl%2Bus/~t%27il%28de%29%2A%21/100%2525/%C3%A9/../"
                           "dots//double\nprefix=a%20b%2Bc%26d%3De%2F~&uploads=\n"),
            std::string::npos)
      << canonical;
}

TEST(SignatureV4, SortsTheQueryAfterEncodingIt) {
  SignableRequest request;
  request.path = "/";
  // '~' is above 'a' in either form, a letter outside ASCII becomes '%' and moves before it.
  request.query = {{"a~", "1"}, {"a\xc3\xa9", "2"}, {"a", "~"}, {"a", "\x7f"}};
  const std::string canonical = canonical_request_v4(request, kUnsignedPayload);
  EXPECT_NE(canonical.find("a=%7F&a=~&a%C3%A9=2&a~=1"), std::string::npos) << canonical;
}

TEST(SignatureDates, AreThoseOfTheProtocol) {
  const WallTime time =
      WallTime(std::chrono::seconds(1'440'938'160)) + std::chrono::milliseconds(999);
  EXPECT_EQ(amz_date(time), "20150830T123600Z");
  EXPECT_EQ(http_date(time), "Sun, 30 Aug 2015 12:36:00 GMT");
}

// The examples of "Signing and authenticating REST requests" in the S3 developer guide.
const SigningKey kGuideKey{"AKIAIOSFODNN7EXAMPLE",
                           Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};

TEST(SignatureV2, SignsAsTheDeveloperGuide) {
  SignableRequest get;
  get.method = "GET";
  get.headers = {{"Host", "johnsmith.s3.amazonaws.com"},
                 {"Date", "Tue, 27 Mar 2007 19:36:42 +0000"}};
  EXPECT_EQ(authorization_v2(get, "/johnsmith/photos/puppy.jpg", kGuideKey),
            "AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");

  SignableRequest put;
  put.method = "PUT";
  put.headers = {{"Content-Type", "image/jpeg"},
                 {"Content-Length", "94328"},
                 {"Date", "Tue, 27 Mar 2007 21:15:45 +0000"}};
  EXPECT_EQ(authorization_v2(put, "/johnsmith/photos/puppy.jpg", kGuideKey),
            "AWS AKIAIOSFODNN7EXAMPLE:MyyxeRY7whkBe+bq8fHCL/2kKUg=");

  SignableRequest list;
  list.method = "GET";
  list.query = {{"prefix", "photos"}, {"max-keys", "50"}, {"marker", "puppy"}};
  list.headers = {{"User-Agent", "Mozilla/5.0"}, {"Date", "Tue, 27 Mar 2007 19:42:41 +0000"}};
  EXPECT_EQ(authorization_v2(list, "/johnsmith/", kGuideKey),
            "AWS AKIAIOSFODNN7EXAMPLE:htDYFYduRNen8P9ZfE/s9SuKy0U=");

  SignableRequest acl;
  acl.method = "GET";
  acl.query = {{"acl", ""}};
  acl.headers = {{"Date", "Tue, 27 Mar 2007 19:44:46 +0000"}};
  EXPECT_EQ(authorization_v2(acl, "/johnsmith/", kGuideKey),
            "AWS AKIAIOSFODNN7EXAMPLE:c2WLPFtWHVgbEmeEG93a4cG37dM=");
}

TEST(SignatureV2, SignsSubresourcesAmzHeadersAndDigest) {
  SignableRequest part;
  part.method = "PUT";
  part.query = {{"uploadId", "U1"}, {"partNumber", "7"}, {"prefix", "not signed"}};
  part.headers = {{"x-amz-security-token", "user,product"},
                  {"Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="},
                  {"x-amz-date", "Tue, 27 Mar 2007 21:20:26 +0000"},
                  {"Date", "Tue, 27 Mar 2007 21:20:27 +0000"}};
  EXPECT_EQ(string_to_sign_v2(part, "/bucket/key"),
            "PUT\nXrY7u+Ae7tCTyyK7j1rNww==\n\n\n"
            "x-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n"
            "x-amz-security-token:user,product\n"
            "/bucket/key?partNumber=7&uploadId=U1");
}

TEST(Encoding, IsReversible) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(uri_decode(uri_encode(all, false)), all);
  EXPECT_EQ(uri_decode("%4"), "%4");
  EXPECT_EQ(uri_decode("%zz%41"), "%zzA");
  EXPECT_EQ(base64("hello"), "aGVsbG8=");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(hex(md5("hello world")), "5eb63bbbe01eeed093cb22bb8f5acdc3");
}

}  // namespace
}  // namespace sharestore::s3
