// What an S3 store answers: a document is what it was asked for or an error, and what is read out
// of it is complete.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backends/s3/xml.h"

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sharestore;
  using namespace sharestore::s3;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string root = root_of(text);
  if (parse_error(text)) must(root == "Error");
  if (const auto listing = parse_listing(text)) {
    must(root == "ListBucketResult");
    for (const ObjectInfo& object : listing->page.objects) must(!object.key.empty());
  }
  if (const auto page = parse_versions(text)) {
    must(root == "ListVersionsResult");
    for (const ObjectVersion& version : page->versions) must(!version.key.empty());
  }
  if (const auto page = parse_uploads(text)) {
    must(root == "ListMultipartUploadsResult");
    for (const Multipart& upload : page->uploads) must(!upload.key.empty() && !upload.id.empty());
  }
  if (const auto id = parse_begun_multipart(text)) {
    must(root == "InitiateMultipartUploadResult" && !id->empty());
    // The tag of a part comes from the store too: it must not break the document it goes into.
    MultipartPart part;
    part.number = 1;
    part.etag = *id;
    must(root_of(complete_document({part})) == "CompleteMultipartUpload");
  }
  if (parse_completed_multipart(text)) must(root == "CompleteMultipartUploadResult");
  if (parse_versioning(text)) must(root == "VersioningConfiguration");
  (void)parse_time(text);
  must(unquoted(text).size() <= text.size());
  return 0;
}
