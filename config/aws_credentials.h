// Credentials for S3 from where AWS's own tools keep them: environment variables and profiles.
//
// No metadata service is ever asked. Pure functions of the environment and the files it names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "backends/core/error.h"
#include "backends/core/secret.h"
#include "config/environment.h"

namespace sharestore {

inline constexpr std::size_t kMaxAwsFileBytes = std::size_t{1} << 20;

struct AwsCredentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  // empty when there is none
  std::string origin;    // for messages: a variable's name, or profile and file
};

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. None when neither of the first two
// is set; `invalid_argument` when only one of them is.
Result<std::optional<AwsCredentials>> aws_environment_credentials(const Environment& environment);

// Whether the operator named a profile or a file of profiles: AWS_PROFILE,
// AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE.
bool aws_profile_is_named(const Environment& environment);

// The profile AWS_PROFILE ("default" when unset) of AWS_SHARED_CREDENTIALS_FILE (default
// ~/.aws/credentials), then of AWS_CONFIG_FILE (default ~/.aws/config). None when no profile was
// named and the default one is not there. `invalid_argument` when a named profile is not there or
// holds no key pair (roles and single sign-on are not supported).
Result<std::optional<AwsCredentials>> aws_profile_credentials(const Environment& environment);

}  // namespace sharestore
