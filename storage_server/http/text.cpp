#include "storage_server/http/text.h"

namespace sharestore::http {
namespace {

// A storage index has 26 characters, a swissnum 32; the words of our own paths are shorter.
constexpr std::size_t kShownWhole = 20;
constexpr std::size_t kShownOfLong = 5;

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::string loggable_path(std::string_view path) {
  std::string shown;
  while (!path.empty() && shown.size() < kLoggedPathBytes) {
    std::size_t end = path.find('/', 1);
    std::string_view part = path.substr(0, end);
    path.remove_prefix(part.size());
    bool cut = part.size() > kShownWhole + 1;
    for (char c : cut ? part.substr(0, kShownOfLong + 1) : part) {
      shown += c >= 0x21 && c <= 0x7e ? c : '?';
    }
    if (cut) shown += "...";
  }
  if (shown.size() > kLoggedPathBytes) shown.resize(kLoggedPathBytes);
  return shown;
}

}  // namespace sharestore::http
