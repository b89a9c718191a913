// What S3 means by the codes of its errors.
//
// Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "backends/core/error.h"
#include "backends/http/retry_policy.h"

namespace sharestore::s3 {

struct ErrorRow {
  std::string_view code;  // as in <Code>
  Errc errc = Errc::io_error;
  http_client::Verdict verdict = http_client::Verdict::final;
  // A change may have been made although this was answered.
  bool doubtful = false;
  // What the operator should do; empty where the store's own words say enough.
  std::string_view advice = {};
};

// Ascending by code. From "Error responses" of the S3 API reference, and the codes that other
// stores add.
std::span<const ErrorRow> error_rows();
// Null: not in the table; the HTTP status decides then.
const ErrorRow* find_error_row(std::string_view code);

}  // namespace sharestore::s3
