// Authorization, secrets, media types and ranges: what each header may say.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "storage_server/protocol/authorization.h"
#include "storage_server/protocol/byte_range.h"
#include "storage_server/protocol/media_types.h"
#include "tests/storage_server/protocol/requests.h"

namespace sharestore {
namespace {

using http::Method;

constexpr std::string_view kSecrets = "X-Tahoe-Authorization";

Errc authorization_code(std::vector<std::pair<std::string, std::string>> headers) {
  const TestRequest request(Method::get, "/", std::move(headers));
  const auto checked = check_authorization(request.get(), expected_authorization(Secret("abc")));
  return checked ? Errc{255} : checked.error().code();
}

TEST(Authorization, AcceptsTheSwissnumOnly) {
  const auto accepted = Errc{255};
  EXPECT_EQ(authorization_code({{"Authorization", "Tahoe-LAFS YWJj"}}), accepted);
  EXPECT_EQ(authorization_code({{"authorization", "Tahoe-LAFS YWJj"}}), accepted);
  for (const char* wrong :
       {"", "Tahoe-LAFS", "Tahoe-LAFS YWJk", "tahoe-lafs YWJj", "Tahoe-LAFS  YWJj",
        "Tahoe-LAFS YWJj=", "Tahoe-LAFS YWJjYWJj", "Bearer YWJj", "YWJj"}) {
    EXPECT_EQ(authorization_code({{"Authorization", wrong}}), Errc::unauthorized) << wrong;
  }
  EXPECT_EQ(authorization_code({}), Errc::unauthorized);
  EXPECT_EQ(authorization_code({{"Authorization", std::string("\xff\x00", 2)}}),
            Errc::invalid_argument);
}

TEST(Authorization, LooksAtTheFirstLineOnly) {
  EXPECT_EQ(authorization_code({{"Authorization", "Tahoe-LAFS YWJj"}, {"Authorization", "no"}}),
            Errc{255});
  EXPECT_EQ(authorization_code({{"Authorization", "no"}, {"Authorization", "Tahoe-LAFS YWJj"}}),
            Errc::unauthorized);
}

TEST(Base64, EncodesWithPadding) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foo"), "Zm9v");
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("\xff\xfe\xfd"), "//79");
}

TEST(Base64, DecodesLeniently) {
  for (const std::string bytes : {"", "f", "fo", "foo", "foob", "\xff\xfe\xfd\x01"}) {
    EXPECT_EQ(lenient_base64_decode(base64_encode(bytes)), bytes);
  }
  EXPECT_EQ(lenient_base64_decode("Z m\t9*v\xff"), "foo");
  EXPECT_EQ(lenient_base64_decode("[]<>"), "");
  EXPECT_EQ(lenient_base64_decode("=Zm9v"), "foo");
  EXPECT_EQ(lenient_base64_decode("Zg==Zm9v"), "f");  // complete padding ends it
  EXPECT_EQ(lenient_base64_decode("Zg=*="), "f");
  EXPECT_EQ(lenient_base64_decode("Z"), std::nullopt);
  EXPECT_EQ(lenient_base64_decode("Zg"), std::nullopt);
  EXPECT_EQ(lenient_base64_decode("Zg="), std::nullopt);
  EXPECT_EQ(lenient_base64_decode("Zm8"), std::nullopt);
  EXPECT_EQ(lenient_base64_decode("Z==="), std::nullopt);
}

std::string line(std::string_view name, std::string_view secret) {
  return std::string(name) + " " + base64_encode(secret);
}

Result<RequestSecrets> secrets_of(const std::vector<std::string>& lines, SecretSet required) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const std::string& value : lines) headers.emplace_back(kSecrets, value);
  const TestRequest request(Method::get, "/", std::move(headers));
  return read_secrets(request.get(), required);
}

bool refused(const std::vector<std::string>& lines, SecretSet required) {
  const auto read = secrets_of(lines, required);
  return !read && read.error().code() == Errc::invalid_argument;
}

const std::string kA(32, 'a');
const std::string kB(32, 'b');

TEST(Secrets, AnySubsetIsRead) {
  for (unsigned wanted = 0; wanted < 16; ++wanted) {
    const auto set = static_cast<SecretSet>(wanted);
    std::vector<std::string> lines;
    if ((set & kWriteEnabler) != 0) lines.push_back(line("write-enabler", "w"));
    if ((set & kUploadSecret) != 0) lines.push_back(line("upload-secret", "up"));
    if ((set & kLeaseCancelSecret) != 0) lines.push_back(line("lease-cancel-secret", kB));
    if ((set & kLeaseRenewSecret) != 0) lines.push_back(line("lease-renew-secret", kA));
    const auto read = secrets_of(lines, set);
    ASSERT_TRUE(read) << wanted;
    EXPECT_EQ(read->lease_renew.reveal(), (set & kLeaseRenewSecret) != 0 ? kA : "");
    EXPECT_EQ(read->lease_cancel.reveal(), (set & kLeaseCancelSecret) != 0 ? kB : "");
    EXPECT_EQ(read->upload.reveal(), (set & kUploadSecret) != 0 ? "up" : "");
    EXPECT_EQ(read->write_enabler.reveal(), (set & kWriteEnabler) != 0 ? "w" : "");
    for (unsigned other = 0; other < 16; ++other) {
      EXPECT_EQ(refused(lines, static_cast<SecretSet>(other)), other != wanted);
    }
  }
}

TEST(Secrets, BadLinesAreRefused) {
  for (const std::string& bad : std::vector<std::string>{
           "", "lease-renew-secret", "lease-renew-secret ", "FOO eA==", "upload-secret []<>",
           "upload-secret eA=", "upload-secret", line("lease-renew-secret", "x"),
           line("lease-cancel-secret", "x"), line("lease-renew-secret", kA + "x"),
           line("Upload-Secret", "x"), "upload-secret\teA=="}) {
    for (const SecretSet required :
         {kNoSecrets, kLeaseRenewSecret, kLeaseCancelSecret, kLeaseSecrets, kUploadSecret}) {
      EXPECT_TRUE(refused({bad}, required)) << bad;
    }
  }
  // Joined lines are one line: what follows the first secret's padding is not looked at.
  const std::string one = line("lease-renew-secret", kA);
  const std::string other = line("lease-cancel-secret", kB);
  EXPECT_TRUE(refused({one + "," + other}, kLeaseSecrets));
  EXPECT_TRUE(refused({one + ", " + other}, kLeaseSecrets));
  // A good line does not make up for a bad one of the same name.
  EXPECT_TRUE(refused({"upload-secret []", line("upload-secret", "x")}, kUploadSecret));
}

TEST(Secrets, TheLastOfAName) {
  const auto read =
      secrets_of({line("upload-secret", "one"), line("upload-secret", "two")}, kUploadSecret);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->upload.reveal(), "two");
}

TEST(Secrets, NoMessageShowsAValue) {
  const auto read = secrets_of({line("lease-renew-secret", "hunter2")}, kLeaseRenewSecret);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message().find("hunter2"), std::string::npos);
  EXPECT_EQ(read.error().message().find(base64_encode("hunter2")), std::string::npos);
}

bool accepts(std::string_view accept) { return accepts_cbor(accept); }

TEST(MediaTypes, Accept) {
  EXPECT_TRUE(accepts("application/cbor"));
  EXPECT_TRUE(accepts("application/cbor;q=0.5"));
  EXPECT_TRUE(accepts("application/cbor ; q=0.5"));
  EXPECT_TRUE(accepts("application/json;q=0.5, application/cbor"));
  EXPECT_TRUE(accepts("application/cbor, application/json"));
  EXPECT_TRUE(accepts("application/cbor;q=0.1, */*"));
  EXPECT_TRUE(accepts("*/*"));
  EXPECT_TRUE(accepts("*/*;q=0.1"));
  EXPECT_FALSE(accepts(""));
  EXPECT_FALSE(accepts("application/*"));
  EXPECT_FALSE(accepts("image/gif"));
  EXPECT_FALSE(accepts("application/cbor;charset=x"));
  EXPECT_FALSE(accepts("Application/CBOR"));
  EXPECT_FALSE(accepts("application/json, application/cbor"));
  EXPECT_FALSE(accepts("application/json;q=0.9, application/cbor;q=0.8"));
  EXPECT_FALSE(accepts("text/html, */*"));
  EXPECT_FALSE(accepts(",;,;q=1,"));
  EXPECT_FALSE(accepts("application/cborx"));
}

TEST(MediaTypes, AcceptOfARequest) {
  EXPECT_TRUE(accepts_cbor(TestRequest(Method::get, "/").get()));
  EXPECT_FALSE(accepts_cbor(TestRequest(Method::get, "/", {{"Accept", ""}}).get()));
  EXPECT_FALSE(accepts_cbor(
      TestRequest(Method::get, "/", {{"Accept", "image/gif"}, {"Accept", "application/cbor"}})
          .get()));
}

bool is_cbor(std::string content_type) {
  return is_cbor_request(
      TestRequest(Method::post, "/", {{"Content-Type", std::move(content_type)}}).get());
}

TEST(MediaTypes, ContentType) {
  EXPECT_TRUE(is_cbor_request(TestRequest(Method::post, "/").get()));
  EXPECT_TRUE(is_cbor("application/cbor"));
  EXPECT_TRUE(is_cbor("application/cbor; charset=utf-8"));
  EXPECT_TRUE(is_cbor("application/cbor;charset=utf-8"));
  EXPECT_FALSE(is_cbor("Application/cbor"));
  EXPECT_FALSE(is_cbor("some/value"));
  EXPECT_FALSE(is_cbor("application/json"));
  EXPECT_FALSE(is_cbor(""));
}

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(ByteRange, Range) {
  const auto range = [](std::string_view text) { return parse_range(text); };
  const RequestedRange five{0, 5};
  EXPECT_EQ(range("bytes=0-9"), (RequestedRange{0, 9}));
  EXPECT_EQ(range("bytes=7-7"), (RequestedRange{7, 7}));
  EXPECT_EQ(range("Bytes=0-5"), five);
  EXPECT_EQ(range("bytes= 0-5"), five);
  EXPECT_EQ(range("bytes=0 - 5"), five);
  EXPECT_EQ(range("bytes=00-05"), five);
  EXPECT_EQ(range("bytes=3-18446744073709551615"), (RequestedRange{3, kMax}));
  EXPECT_EQ(range("bytes=3-99999999999999999999999"), (RequestedRange{3, kMax}));
  EXPECT_EQ(range("bytes=18446744073709551616-99999999999999999999999"),
            (RequestedRange{kMax, kMax}));
  for (const char* bad : {"bytes=0-",
                          "bytes=-5",
                          "bytes=5-2",
                          "bytes=0-5,6-7",
                          "bytes=0-5, 6-7",
                          "bytes=",
                          "",
                          "bytes",
                          "octets=0-5",
                          "molluscs=0-9",
                          "bytes 0-5",
                          "junk",
                          "bytes=-2-9",
                          "bytes=0--10",
                          "bytes=-300-",
                          "bytes=a-b",
                          "bytes=0x1-2",
                          "bytes=1-2-3",
                          "bytes==1-2",
                          "=0-5",
                          "bytes=99999999999999999999999-99999999999999999999998",
                          "bytes=+1-2",
                          "bytes=1 2-3"}) {
    EXPECT_EQ(range(bad), std::nullopt) << bad;
  }
}

TEST(ByteRange, ContentRange) {
  const auto range = [](std::string_view text) { return parse_content_range(text); };
  const RequestedRange ten{0, 9};
  EXPECT_EQ(range("bytes 0-9/10"), ten);
  EXPECT_EQ(range("bytes 0-9/*"), ten);
  EXPECT_EQ(range("bytes 0-9/5"), ten);  // the total is not compared with the end
  EXPECT_EQ(range("bytes 0-9/99999999999999999999999999"), ten);
  EXPECT_EQ(range("bytes 3-17/*"), (RequestedRange{3, 17}));
  EXPECT_EQ(range("bytes 0-99999999999999999999999/*"), (RequestedRange{0, kMax}));
  for (const char* bad : {"",
                          "bytes",
                          "bytes 0-9",
                          "bytes 0-9/",
                          "bytes 0-9/x",
                          "bytes 9-0/10",
                          "bytes */10",
                          "bytes */*",
                          "Bytes 0-9/10",
                          "teapots 0-9/10",
                          "bytes -1-9/10",
                          "bytes 0--9/10",
                          "bytes=0-9/10",
                          "bytes 0-/10",
                          "bytes 10-19/5",
                          "bytes 10-19/10",
                          "bytes 0-9/-1",
                          "bytes 0-9/*/*",
                          "not a valid content-range header",
                          "bytes0-9/10"}) {
    EXPECT_EQ(range(bad), std::nullopt) << bad;
  }
}

TEST(ByteRange, ContentRangeLine) {
  EXPECT_EQ(content_range_line(20, 25), "Content-Range: bytes 20-25/*\r\n");
}

}  // namespace
}  // namespace sharestore
