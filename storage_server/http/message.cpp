#include "storage_server/http/message.h"

#include "storage_server/http/text.h"

namespace sharestore::http {

std::optional<std::string_view> Request::first_header(std::string_view lower_name) const {
  for (const HeaderLine& line : headers) {
    if (equals_lower(line.name, lower_name)) return line.value;
  }
  return std::nullopt;
}

std::optional<std::string_view> Request::last_header(std::string_view lower_name) const {
  for (auto line = headers.rbegin(); line != headers.rend(); ++line) {
    if (equals_lower(line->name, lower_name)) return line->value;
  }
  return std::nullopt;
}

}  // namespace sharestore::http
