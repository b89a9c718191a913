// Documents as stores send them, and as they must not.
#include "backends/s3/xml.h"

#include <gtest/gtest.h>

namespace sharestore::s3 {
namespace {

TEST(Xml, ReadsAnError) {
  const auto error = parse_error(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>"
      "<Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>"
      "<Region>eu-west-1</Region><RequestId>4F</RequestId></Error>");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error->region, "eu-west-1");
  EXPECT_EQ(error->request_id, "4F");
  EXPECT_FALSE(parse_error("<Errors><Code>X</Code></Errors>"));
  EXPECT_FALSE(parse_error(""));
  EXPECT_FALSE(parse_error("   "));
  EXPECT_FALSE(parse_error("Bad Gateway"));
}

TEST(Xml, ReadsAListing) {
  const auto listing = parse_listing(
      "<?xml version='1.0'?><s3:ListBucketResult "
      "xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/'>"
      "<s3:IsTruncated>true</s3:IsTruncated><s3:KeyCount>2</s3:KeyCount>"
      "<s3:EncodingType>url</s3:EncodingType>"
      "<s3:Contents><s3:Key>a/%C3%A9+b%2Bc</s3:Key><s3:Size>12</s3:Size>"
      "<s3:ETag>&quot;e1-2&quot;</s3:ETag><s3:LastModified>2023-11-14T22:13:20.000Z"
      "</s3:LastModified></s3:Contents>"
      "<s3:Contents><s3:Key>b</s3:Key><s3:Size>0</s3:Size></s3:Contents></s3:ListBucketResult>");
  ASSERT_TRUE(listing) << listing.error().message();
  EXPECT_TRUE(listing->page.more);
  EXPECT_FALSE(listing->is_version_1);
  ASSERT_EQ(listing->page.objects.size(), 2u);
  EXPECT_EQ(listing->page.objects[0].key, "a/\xc3\xa9 b+c");
  EXPECT_EQ(listing->page.objects[0].size_bytes, 12u);
  EXPECT_EQ(listing->page.objects[0].etag, "e1-2");
  EXPECT_EQ(listing->page.objects[0].modified_at, 1'700'000'000);
}

TEST(Xml, KnowsVersion1ByItsMarker) {
  const auto listing = parse_listing(
      "<ListBucketResult><Marker/><IsTruncated>false</IsTruncated></ListBucketResult>");
  ASSERT_TRUE(listing);
  EXPECT_TRUE(listing->is_version_1);
}

// A listing that is not whole must never pass for a short one.
TEST(Xml, RefusesListingsThatDoNotSayEnough) {
  for (const char* xml :
       {"", "<ListBucketResult/>",
        "<ListBucketResult><IsTruncated>no</IsTruncated></ListBucketResult>",
        "<ListAllMyBucketsResult><IsTruncated>false</IsTruncated></ListAllMyBucketsResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size>"
        "</Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1",
        "<Error><Code>InternalError</Code></Error>"}) {
    const auto listing = parse_listing(xml);
    ASSERT_FALSE(listing) << xml;
    EXPECT_EQ(listing.error().code(), Errc::io_error) << xml;
  }
}

TEST(Xml, ReadsUploadsAndVersions) {
  const auto uploads = parse_uploads(
      "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
      "<NextUploadIdMarker>u</NextUploadIdMarker><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiator><ID>x</ID></Initiator></Upload></ListMultipartUploadsResult>");
  ASSERT_TRUE(uploads);
  EXPECT_EQ(uploads->uploads.at(0).id, "u");
  EXPECT_EQ(uploads->next_key, "k");
  const auto versions = parse_versions(
      "<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>k</Key><VersionId>v1"
      "</VersionId></Version><DeleteMarker><Key>k</Key><VersionId>null</VersionId></DeleteMarker>"
      "</ListVersionsResult>");
  ASSERT_TRUE(versions);
  EXPECT_EQ(versions->versions.size(), 2u);
  EXPECT_FALSE(parse_uploads("<ListMultipartUploadsResult/>"));
  EXPECT_FALSE(
      parse_versions("<ListVersionsResult><IsTruncated>false</IsTruncated><Version/>"
                     "</ListVersionsResult>"));
}

// The answer to a completion may begin with what kept the connection open.
TEST(Xml, ReadsMultipartAnswers) {
  EXPECT_EQ(parse_begun_multipart("<InitiateMultipartUploadResult><UploadId>U</UploadId>"
                                  "</InitiateMultipartUploadResult>"),
            "U");
  EXPECT_FALSE(parse_begun_multipart("<InitiateMultipartUploadResult/>"));
  EXPECT_EQ(
      parse_completed_multipart("\n   \n<?xml version=\"1.0\"?><CompleteMultipartUploadResult>"
                                "<ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>"),
      "e-1");
  EXPECT_FALSE(parse_completed_multipart("<Error><Code>InternalError</Code></Error>"));
  EXPECT_EQ(parse_versioning("<VersioningConfiguration/>"), false);
  EXPECT_EQ(parse_versioning("<VersioningConfiguration><Status>Suspended</Status>"
                             "</VersioningConfiguration>"),
            true);
}

TEST(Xml, WritesWhatStoresWant) {
  EXPECT_EQ(complete_document({{1, "e1", 5}, {2, "e2", 5}}),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag>"
            "</Part><Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag></Part>"
            "</CompleteMultipartUpload>");
  EXPECT_NE(
      location_document("eu-west-1").find("<LocationConstraint>eu-west-1</LocationConstraint>"),
      std::string::npos);
}

TEST(Xml, ReadsTimes) {
  EXPECT_EQ(parse_time("4046-11-14T22:13:20.000Z"), 0) << "after what the clock can hold";
  EXPECT_EQ(parse_time("2023-11-14T22:13:20.000Z"), 1'700'000'000);
  EXPECT_EQ(parse_time("Tue, 14 Nov 2023 22:13:20 GMT"), 1'700'000'000);
  EXPECT_EQ(parse_time("now"), 0);
  EXPECT_EQ(parse_time(""), 0);
}

}  // namespace
}  // namespace sharestore::s3
