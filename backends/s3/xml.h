// The XML that S3 answers with and wants.
//
// Pure; any thread. Input is what a stranger sent: anything that is not as expected is an error
// (io_error), never a guess. Documents are as long as HttpRequest::max_response_bytes allows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/object/container.h"

namespace sharestore::s3 {

struct ErrorDocument {
  std::string code;
  std::string message;
  std::string region;       // of AuthorizationHeaderMalformed
  std::string endpoint;     // of PermanentRedirect
  std::string server_time;  // of RequestTimeTooSkewed
  std::string request_id;
};
// Nothing: not an error document.
std::optional<ErrorDocument> parse_error(std::string_view xml);

// The name of the root element, without its namespace; empty: not XML.
std::string root_of(std::string_view xml);

struct Listing {
  ObjectPage page;
  // The store answered as version 1 although it was asked for version 2.
  bool is_version_1 = false;
};
Result<Listing> parse_listing(std::string_view xml);

struct ObjectVersion {
  std::string key;
  std::string version_id;
};
struct VersionPage {
  std::vector<ObjectVersion> versions;  // delete markers among them
  bool more = false;
  std::string next_key;
  std::string next_version;
};
Result<VersionPage> parse_versions(std::string_view xml);

struct UploadPage {
  std::vector<Multipart> uploads;
  bool more = false;
  std::string next_key;
  std::string next_upload;
};
Result<UploadPage> parse_uploads(std::string_view xml);

// The upload id.
Result<std::string> parse_begun_multipart(std::string_view xml);
// The object's tag.
Result<std::string> parse_completed_multipart(std::string_view xml);
// Whether the bucket keeps old versions, or has kept some.
Result<bool> parse_versioning(std::string_view xml);

std::string complete_document(const std::vector<MultipartPart>& parts);
std::string location_document(std::string_view region);

// "2006-02-03T16:45:09.000Z" or an HTTP date as unix seconds; 0: neither.
std::int64_t parse_time(const std::string& text);

// An entity tag without its quotes.
std::string unquoted(std::string_view tag);

}  // namespace sharestore::s3
