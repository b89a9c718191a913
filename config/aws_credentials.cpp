#include "config/aws_credentials.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "config/text.h"

namespace sharestore {

namespace {

std::string variable(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : std::string(trim(found->second));
}

struct ProfileFile {
  std::filesystem::path path;
  std::string header;  // of the profile wanted, within the brackets
};

std::array<ProfileFile, 2> profile_files(const Environment& environment,
                                         const std::string& profile) {
  const auto file = [&](std::string_view name, std::string_view otherwise) {
    const std::string named = variable(environment, name);
    if (!named.empty()) return std::filesystem::path(named);
    const std::string home = variable(environment, "HOME");
    return home.empty() ? std::filesystem::path() : std::filesystem::path(home) / otherwise;
  };
  return {ProfileFile{file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), profile},
          ProfileFile{file("AWS_CONFIG_FILE", ".aws/config"),
                      profile == "default" ? profile : "profile " + profile}};
}

// Collapses the spaces that may stand inside "[ profile  name ]".
std::string header_name(std::string_view content) {
  std::string result;
  for (const std::string_view word : split(content, ' ')) {
    if (!trim(word).empty()) (result += result.empty() ? "" : " ") += trim(word);
  }
  return result;
}

// What one file says about the profile. The dialect has no interpolation; indented lines belong to
// nested settings, which hold no keys.
struct Profile {
  bool found = false;
  AwsCredentials credentials;
};

Profile scan(std::string_view content, const std::string& header) {
  Profile profile;
  bool inside = false;
  for (const std::string_view line : split_lines(content)) {
    const std::string_view text = trim(line);
    if (text.empty() || text[0] == '#' || text[0] == ';' || is_ascii_space(line[0])) continue;
    if (text[0] == '[') {
      inside = header_name(text.substr(1, text.find(']') - 1)) == header;
      profile.found = profile.found || inside;
      continue;
    }
    const auto equals = text.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const std::string key = ascii_lower(trim(text.substr(0, equals)));
    const std::string_view value = trim(text.substr(equals + 1));
    if (key == "aws_access_key_id") profile.credentials.access_key_id = value;
    if (key == "aws_secret_access_key") profile.credentials.secret_access_key = Secret(value);
    if (key == "aws_session_token") profile.credentials.session_token = Secret(value);
  }
  return profile;
}

Result<Profile> read_profile(const ProfileFile& file) {
  if (file.path.empty()) return Profile();
  auto content = read_text_file(file.path, kMaxAwsFileBytes);
  if (!content) {
    if (content.error().code() == Errc::not_found) return Profile();
    return fail(content.error());
  }
  Profile profile = scan(*content, file.header);
  ::explicit_bzero(content->data(), content->size());
  profile.credentials.origin = fmt::format("profile [{}] of {}", file.header, file.path.string());
  return profile;
}

}  // namespace

Result<std::optional<AwsCredentials>> aws_environment_credentials(const Environment& environment) {
  AwsCredentials credentials;
  credentials.access_key_id = variable(environment, "AWS_ACCESS_KEY_ID");
  credentials.secret_access_key = Secret(variable(environment, "AWS_SECRET_ACCESS_KEY"));
  credentials.session_token = Secret(variable(environment, "AWS_SESSION_TOKEN"));
  credentials.origin = "AWS_ACCESS_KEY_ID";
  const bool has_id = !credentials.access_key_id.empty();
  if (has_id != !credentials.secret_access_key.empty()) {
    constexpr std::string_view kId = "AWS_ACCESS_KEY_ID";
    constexpr std::string_view kSecret = "AWS_SECRET_ACCESS_KEY";
    return fail(Errc::invalid_argument,
                fmt::format("environment: {} is set and {} is not; expected both or neither",
                            has_id ? kId : kSecret, has_id ? kSecret : kId));
  }
  if (!has_id) return std::nullopt;
  return credentials;
}

bool aws_profile_is_named(const Environment& environment) {
  for (const char* name : {"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"}) {
    if (!variable(environment, name).empty()) return true;
  }
  return false;
}

Result<std::optional<AwsCredentials>> aws_profile_credentials(const Environment& environment) {
  std::string name = variable(environment, "AWS_PROFILE");
  if (name.empty()) name = "default";
  bool found = false;
  const auto files = profile_files(environment, name);
  for (const ProfileFile& file : files) {
    auto profile = read_profile(file);
    if (!profile) return fail(profile.error());
    found = found || profile->found;
    const AwsCredentials& credentials = profile->credentials;
    if (!credentials.access_key_id.empty() && !credentials.secret_access_key.empty()) {
      return std::move(profile->credentials);
    }
  }
  if (!found && !aws_profile_is_named(environment)) return std::nullopt;
  return fail(
      Errc::invalid_argument,
      fmt::format("environment: the AWS profile {} {} in {} and {}; expected aws_access_key_id and "
                  "aws_secret_access_key (roles and single sign-on are not supported)",
                  in_quotes(name), found ? "holds no key pair" : "was not found",
                  in_quotes(files[0].path.string()), in_quotes(files[1].path.string())));
}

}  // namespace sharestore
