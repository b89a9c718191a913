#include "storage_server/http/response_writer.h"

#include <charconv>
#include <ctime>

#include "storage_server/http/text.h"

namespace sharestore::http {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

}  // namespace

void ResponseWriter::set_time(WallTime now) {
  std::int64_t second = unix_seconds(now);
  if (second == date_second_) return;
  date_second_ = second;
  std::time_t time = second;
  std::tm parts{};
  gmtime_r(&time, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // strftime would follow the locale.
  char text[64];
  std::snprintf(text, sizeof text, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                kDays[parts.tm_wday % 7], parts.tm_mday % 100, kMonths[parts.tm_mon % 12],
                (parts.tm_year + 1900) % 10000, parts.tm_hour % 100, parts.tm_min % 100,
                parts.tm_sec % 100);
  date_line_ = text;
}

void ResponseWriter::head(std::string& out, const Response& response, std::uint64_t body_bytes,
                          Persistence persistence) const {
  out.assign("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(response.status));
  out.append(" ").append(reason_phrase(response.status)).append("\r\n").append(date_line_);
  if (response.status >= 200 && response.status != 204 && response.status != 304) {
    out.append("Content-Length: ");
    append_number(out, body_bytes);
    out.append("\r\n");
  }
  if (!response.content_type.empty()) {
    out.append("Content-Type: ").append(response.content_type).append("\r\n");
  }
  out.append(response.extra_headers);
  if (persistence == Persistence::close) out.append("Connection: close\r\n");
  if (persistence == Persistence::keep_alive) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace sharestore::http
