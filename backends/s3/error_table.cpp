#include "backends/s3/error_table.h"

#include <algorithm>
#include <array>

namespace sharestore::s3 {

namespace {

using enum Errc;
using http_client::Verdict;
constexpr Verdict kFinal = Verdict::final;
constexpr Verdict kRetry = Verdict::retry;
constexpr Verdict kThrottle = Verdict::throttle;

constexpr std::string_view kCheckKey =
    "check s3.access_key_id and the secret that belongs to it (private/s3secret)";
constexpr std::string_view kCheckToken = "the session token is not valid (any more)";
constexpr std::string_view kCheckPolicy =
    "check what the key may do in this bucket: list, read, write and delete";
constexpr std::string_view kCheckClock = "the store finds the time of our requests wrong";

constexpr auto kRows = std::to_array<ErrorRow>({
    {"AccessDenied", forbidden, kFinal, false, kCheckPolicy},
    {"AccountProblem", forbidden},
    {"AllAccessDisabled", forbidden},
    {"AuthorizationHeaderMalformed", unauthorized, kFinal, false, "check s3.region"},
    {"BadDigest", io_error, kRetry},  // the body was damaged on its way
    {"BandwidthLimitExceeded", busy, kThrottle},
    {"BucketAlreadyExists", forbidden, kFinal, false,
     "a bucket of that name belongs to somebody else: choose another name"},
    {"BucketAlreadyOwnedByYou", already_exists},
    {"ConditionalRequestConflict", conflict},
    {"EntityTooLarge", too_large},
    {"EntityTooSmall", invalid_argument, kFinal, false, "check s3.part_size"},
    {"ExpiredToken", unauthorized, kFinal, false, kCheckToken},
    {"IllegalLocationConstraintException", invalid_argument, kFinal, false, "check s3.region"},
    {"IncompleteBody", io_error, kRetry},
    {"InternalError", unavailable, kRetry, true},
    {"InvalidAccessKeyId", unauthorized, kFinal, false, kCheckKey},
    {"InvalidArgument", invalid_argument},
    {"InvalidBucketName", invalid_argument, kFinal, false, "check s3.bucket"},
    {"InvalidDigest", invalid_argument},
    {"InvalidLocationConstraint", invalid_argument, kFinal, false, "check s3.region"},
    {"InvalidObjectState", unavailable, kFinal, false,
     "the object is archived: restore it, and let no rule of the bucket archive what lies there"},
    {"InvalidPart", conflict},
    {"InvalidPartOrder", invalid_argument},
    {"InvalidRange", invalid_argument},
    {"InvalidRequest", invalid_argument},
    {"InvalidSecurity", unauthorized},
    {"InvalidStorageClass", invalid_argument, kFinal, false, "check s3.storage_class"},
    {"InvalidToken", unauthorized, kFinal, false, kCheckToken},
    {"KeyTooLongError", invalid_argument},
    {"MalformedXML", invalid_argument},
    {"MethodNotAllowed", unsupported},
    {"MissingSecurityHeader", unauthorized},
    // The whole container is away: what lies in it cannot be said to be absent.
    {"NoSuchBucket", unavailable, kFinal, false,
     "the bucket is not there: check s3.bucket, or run `sharestore admin create-container`"},
    {"NoSuchKey", not_found},
    {"NoSuchUpload", not_found},
    {"NoSuchVersion", not_found},
    {"NotImplemented", unsupported},
    {"NotSignedUp", forbidden},
    {"OperationAborted", unavailable, kRetry},
    {"PermanentRedirect", unavailable},
    {"PreconditionFailed", conflict},
    {"QuotaExceeded", no_space},
    {"Redirect", unavailable},
    {"RequestExpired", unauthorized, kFinal, false, kCheckClock},
    {"RequestLimitExceeded", busy, kThrottle},
    {"RequestTimeTooSkewed", unauthorized, kFinal, false, kCheckClock},
    {"RequestTimeout", unavailable, kRetry},  // the body did not arrive in time
    {"ServiceUnavailable", busy, kThrottle},
    {"SignatureDoesNotMatch", unauthorized, kFinal, false, kCheckKey},
    {"SlowDown", busy, kThrottle},
    {"SlowDownRead", busy, kThrottle},
    {"SlowDownWrite", busy, kThrottle},
    {"TemporaryRedirect", unavailable, kRetry},
    {"Throttling", busy, kThrottle},
    {"ThrottlingException", busy, kThrottle},
    {"TokenRefreshRequired", unauthorized, kFinal, false, kCheckToken},
    {"TooManyBuckets", forbidden},
    {"TooManyRequests", busy, kThrottle},
    {"XAmzContentSHA256Mismatch", io_error, kRetry},
});

static_assert(std::ranges::is_sorted(kRows, {}, &ErrorRow::code));

}  // namespace

std::span<const ErrorRow> error_rows() { return kRows; }

const ErrorRow* find_error_row(std::string_view code) {
  const auto found = std::ranges::lower_bound(kRows, code, {}, &ErrorRow::code);
  return found != kRows.end() && found->code == code ? &*found : nullptr;
}

}  // namespace sharestore::s3
