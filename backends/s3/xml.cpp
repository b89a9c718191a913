#include "backends/s3/xml.h"

#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <charconv>

#include "backends/http/http_message.h"
#include "backends/s3/encoding.h"

namespace sharestore::s3 {

namespace {

using tinyxml2::XMLElement;

// "s3:Name" and "Name" are the same to us.
std::string_view local_name(const XMLElement& element) {
  const std::string_view name = element.Name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

const XMLElement* child(const XMLElement& parent, std::string_view name) {
  for (const auto* at = parent.FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) == name) return at;
  }
  return nullptr;
}

std::string text_of(const XMLElement& parent, std::string_view name) {
  const XMLElement* found = child(parent, name);
  const char* text = found == nullptr ? nullptr : found->GetText();
  return text == nullptr ? std::string() : text;
}

std::optional<std::uint64_t> number_of(const XMLElement& parent, std::string_view name) {
  const std::string text = text_of(parent, name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A document whose root was checked.
class Document {
 public:
  Status load(std::string_view xml, std::string_view root) {
    // What is sent to keep a connection open comes before the document.
    const auto begin = xml.find_first_not_of(" \t\r\n");
    xml.remove_prefix(begin == std::string_view::npos ? xml.size() : begin);
    if (document_.Parse(xml.data(), xml.size()) != tinyxml2::XML_SUCCESS ||
        document_.RootElement() == nullptr) {
      return fail(Errc::io_error, "the store's answer is not XML");
    }
    root_ = document_.RootElement();
    if (root.empty() || local_name(*root_) == root) return {};
    return fail(Errc::io_error, fmt::format("the store answered <{}> where <{}> was expected",
                                            local_name(*root_), root));
  }
  const XMLElement& root() const { return *root_; }

 private:
  tinyxml2::XMLDocument document_{true, tinyxml2::PRESERVE_WHITESPACE};
  const XMLElement* root_ = nullptr;
};

// Whether a page is not the last one. Exactly "true" or "false" is expected.
Result<bool> truncated(const XMLElement& root) {
  const std::string text = text_of(root, "IsTruncated");
  if (text == "true") return true;
  if (text == "false") return false;
  return fail(Errc::io_error, "the store's listing does not say whether it is complete");
}

// Keys are written encoded where the store was asked to and says that it does.
class KeyText {
 public:
  explicit KeyText(const XMLElement& root) : encoded_(text_of(root, "EncodingType") == "url") {}
  std::string operator()(const std::string& text) const {
    if (!encoded_) return text;
    // As forms are encoded: some stores write a space as '+'.
    std::string spaced = text;
    for (char& c : spaced) c = c == '+' ? ' ' : c;
    return uri_decode(spaced);
  }

 private:
  bool encoded_;
};

}  // namespace

std::string unquoted(std::string_view tag) {
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"')
    tag = tag.substr(1, tag.size() - 2);
  return std::string(tag);
}

std::int64_t parse_time(const std::string& text) {
  std::string readable = text;
  if (text.size() >= 19 && text[10] == 'T') {
    readable = fmt::format("{}{}{} {} GMT", text.substr(0, 4), text.substr(5, 2), text.substr(8, 2),
                           text.substr(11, 8));
  }
  const auto parsed = http_client::parse_date(readable);
  return parsed ? std::max<std::int64_t>(unix_seconds(*parsed), 0) : 0;
}

std::optional<ErrorDocument> parse_error(std::string_view xml) {
  Document document;
  if (!document.load(xml, "Error")) return std::nullopt;
  const XMLElement& root = document.root();
  return ErrorDocument{text_of(root, "Code"),       text_of(root, "Message"),
                       text_of(root, "Region"),     text_of(root, "Endpoint"),
                       text_of(root, "ServerTime"), text_of(root, "RequestId")};
}

std::string root_of(std::string_view xml) {
  Document document;
  return document.load(xml, "") ? std::string(local_name(document.root())) : std::string();
}

Result<Listing> parse_listing(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "ListBucketResult"); !ok) return fail(std::move(ok.error()));
  const XMLElement& root = document.root();
  const KeyText key_text(root);
  Listing listing;
  listing.is_version_1 = child(root, "Marker") != nullptr && child(root, "KeyCount") == nullptr;
  auto more = truncated(root);
  if (!more) return fail(std::move(more.error()));
  listing.page.more = *more;
  for (const auto* at = root.FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) != "Contents") continue;
    const auto size = number_of(*at, "Size");
    ObjectInfo info;
    info.key = key_text(text_of(*at, "Key"));
    if (info.key.empty() || !size) {
      return fail(Errc::io_error, "the store lists an object without a name or a size");
    }
    info.size_bytes = *size;
    info.etag = unquoted(text_of(*at, "ETag"));
    info.modified_at = parse_time(text_of(*at, "LastModified"));
    listing.page.objects.push_back(std::move(info));
  }
  return listing;
}

Result<VersionPage> parse_versions(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "ListVersionsResult"); !ok) return fail(std::move(ok.error()));
  const XMLElement& root = document.root();
  const KeyText key_text(root);
  VersionPage page;
  auto more = truncated(root);
  if (!more) return fail(std::move(more.error()));
  page.more = *more;
  page.next_key = key_text(text_of(root, "NextKeyMarker"));
  page.next_version = text_of(root, "NextVersionIdMarker");
  for (const auto* at = root.FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) != "Version" && local_name(*at) != "DeleteMarker") continue;
    ObjectVersion version{key_text(text_of(*at, "Key")), text_of(*at, "VersionId")};
    if (version.key.empty() || version.version_id.empty()) {
      return fail(Errc::io_error, "the store lists a version without a name");
    }
    page.versions.push_back(std::move(version));
  }
  return page;
}

Result<UploadPage> parse_uploads(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "ListMultipartUploadsResult"); !ok) {
    return fail(std::move(ok.error()));
  }
  const XMLElement& root = document.root();
  const KeyText key_text(root);
  UploadPage page;
  auto more = truncated(root);
  if (!more) return fail(std::move(more.error()));
  page.more = *more;
  page.next_key = key_text(text_of(root, "NextKeyMarker"));
  page.next_upload = text_of(root, "NextUploadIdMarker");
  for (const auto* at = root.FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) != "Upload") continue;
    Multipart upload{key_text(text_of(*at, "Key")), text_of(*at, "UploadId")};
    if (upload.key.empty() || upload.id.empty()) {
      return fail(Errc::io_error, "the store lists an upload without a name");
    }
    page.uploads.push_back(std::move(upload));
  }
  return page;
}

Result<std::string> parse_begun_multipart(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "InitiateMultipartUploadResult"); !ok) {
    return fail(std::move(ok.error()));
  }
  std::string id = text_of(document.root(), "UploadId");
  if (id.empty()) return fail(Errc::io_error, "the store began an upload without a name");
  return id;
}

Result<std::string> parse_completed_multipart(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "CompleteMultipartUploadResult"); !ok) {
    return fail(std::move(ok.error()));
  }
  return unquoted(text_of(document.root(), "ETag"));
}

Result<bool> parse_versioning(std::string_view xml) {
  Document document;
  if (Status ok = document.load(xml, "VersioningConfiguration"); !ok) {
    return fail(std::move(ok.error()));
  }
  // Suspended: versions of before are still there.
  return !text_of(document.root(), "Status").empty();
}

std::string complete_document(const std::vector<MultipartPart>& parts) {
  tinyxml2::XMLPrinter printer;
  printer.OpenElement("CompleteMultipartUpload", true);
  for (const MultipartPart& part : parts) {
    printer.OpenElement("Part", true);
    printer.OpenElement("PartNumber", true);
    printer.PushText(part.number);
    printer.CloseElement(true);
    printer.OpenElement("ETag", true);
    printer.PushText(fmt::format("\"{}\"", part.etag).c_str());
    printer.CloseElement(true);
    printer.CloseElement(true);
  }
  printer.CloseElement(true);
  return printer.CStr();
}

std::string location_document(std::string_view region) {
  tinyxml2::XMLPrinter printer;
  printer.OpenElement("CreateBucketConfiguration", true);
  printer.PushAttribute("xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
  printer.OpenElement("LocationConstraint", true);
  printer.PushText(std::string(region).c_str());
  printer.CloseElement(true);
  printer.CloseElement(true);
  return printer.CStr();
}

}  // namespace sharestore::s3
