#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "config/aws_credentials.h"
#include "config/service_url.h"
#include "config/storage_loader.h"
#include "config/text.h"

namespace sharestore {

namespace {

constexpr std::string_view kDefaultUrl = "https://s3.amazonaws.com";
constexpr std::string_view kDefaultRegion = "us-east-1";
constexpr const char* kUrlVariable = "AWS_S3_ENDPOINT_URL";
constexpr std::size_t kMinBucketChars = 3;
constexpr std::size_t kMaxBucketChars = 255;  // today's rule is 63; old buckets may have more

bool is_name_char(char c) {
  return is_ascii_letter(c) || is_ascii_digit(c) || c == '-' || c == '.' || c == '_';
}

bool is_ip(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// "eu-west-1" and its like at other providers ("us-west-002", "fr-par").
bool looks_like_region(std::string_view label) {
  const auto dash = label.find('-');
  return dash != std::string_view::npos && dash >= 2 && label.size() > dash + 1 &&
         std::ranges::all_of(label.substr(0, dash), is_ascii_letter);
}

// The region that the host's name tells: s3.eu-west-1.amazonaws.com, s3-eu-west-1.amazonaws.com,
// s3.dualstack.eu-west-1.amazonaws.com, s3.us-west-002.example.com. Empty when it tells none.
std::string region_of_host(const std::string& host) {
  const auto labels = split(host, '.');
  if (labels.size() < 3 || is_ip(host)) return {};
  if (labels[0].starts_with("s3-") && labels[1] == "amazonaws") {
    const std::string_view region = labels[0].substr(3);
    return looks_like_region(region) && !region.starts_with("external-") ? std::string(region)
                                                                         : std::string();
  }
  if (labels[0] != "s3" || labels.size() < 4) return {};
  const std::string_view region = labels[1] == "dualstack" ? labels[2] : labels[1];
  return looks_like_region(region) ? std::string(region) : std::string();
}

void load_url_and_region(KeyReader& storage, S3Config& config) {
  const auto from_variable = storage.context().variable(kUrlVariable);
  const auto from_key = storage.text("s3.url");
  if (from_key && from_variable && *from_key != *from_variable) {
    storage.notice(
        fmt::format("[storage] s3.url is used; {} in the environment is not", kUrlVariable));
  }
  const std::string text = from_key.value_or(from_variable.value_or(std::string(kDefaultUrl)));
  auto url = parse_service_url(text);
  if (url && !url->path.empty()) {
    url = fail(Errc::invalid_argument,
               fmt::format("{} has a path; expected scheme, host and port only (the bucket goes "
                           "into s3.bucket, a folder in it into s3.prefix)",
                           in_quotes(text)));
  }
  if (!url && from_key) {
    storage.refuse("s3.url", url.error().message());
  } else if (!url) {
    storage.context().refuse(
        url.error().with_context(fmt::format("environment: {}", kUrlVariable)));
  } else {
    config.url = std::move(*url);
    check_transport(storage, from_key ? "[storage] s3.url" : kUrlVariable, config.url,
                    "shares and signed requests");
  }
  config.region_was_given = storage.text("s3.region").has_value();
  config.region = storage.text_or("s3.region", region_of_host(config.url.host));
  if (config.region.empty()) config.region = kDefaultRegion;
  if (!std::ranges::all_of(config.region, is_name_char)) {
    storage.refuse("s3.region", fmt::format("{} is not a region; expected a name such as eu-west-1",
                                            in_quotes(config.region)));
  }
}

void load_bucket(KeyReader& storage, S3Config& config) {
  config.bucket = storage.required("s3.bucket", "the name of the bucket that keeps the shares");
  const bool valid = config.bucket.size() >= kMinBucketChars &&
                     config.bucket.size() <= kMaxBucketChars &&
                     std::ranges::all_of(config.bucket, is_name_char);
  if (!config.bucket.empty() && !valid) {
    storage.refuse("s3.bucket",
                   fmt::format("{} is not the name of a bucket; expected {} to {} letters, digits, "
                               "'-', '.' or '_' (a folder in it goes into s3.prefix)",
                               in_quotes(config.bucket), kMinBucketChars, kMaxBucketChars));
  }
}

void check_access_key_id(KeyReader& storage, const S3Config& config, const std::string& origin) {
  const auto forbidden = [](char c) {
    return is_ascii_control(c) || c == ' ' || c == ',' || c == '/';
  };
  if (!std::ranges::any_of(config.access_key_id, forbidden)) return;
  const std::string sentence =
      fmt::format("{} is not an access key id; expected no spaces, ',' or '/'",
                  in_quotes(config.access_key_id));
  if (config.credential_source == S3Config::CredentialSource::tahoe_cfg) {
    storage.refuse("s3.access_key_id", sentence);
  } else {
    storage.context().refuse(Error(Errc::invalid_argument, origin + ": " + sentence));
  }
}

void notice_unused_sources(KeyReader& storage, std::string_view used,
                           const std::vector<std::string>& unused) {
  for (const std::string& source : unused) {
    storage.notice(
        fmt::format("S3 credentials come from {}; those of {} are not used", used, source));
  }
}

void use_aws_credentials(S3Config& config, AwsCredentials credentials,
                         S3Config::CredentialSource source) {
  config.access_key_id = std::move(credentials.access_key_id);
  config.secret_access_key = std::move(credentials.secret_access_key);
  config.session_token = std::move(credentials.session_token);
  config.credential_source = source;
}

// tahoe.cfg, then the environment's variables, then its profile: the first that is there wins.
void load_credentials(KeyReader& storage, S3Config& config) {
  using Source = S3Config::CredentialSource;
  LoadContext& context = storage.context();
  const bool has_profile = aws_profile_is_named(context.environment);
  const std::string profile_name = "the AWS profile";
  std::vector<std::string> unused;
  if (const auto id = storage.text("s3.access_key_id")) {
    config.access_key_id = *id;
    check_access_key_id(storage, config, "");
    config.secret_access_key =
        required_secret(context, "s3secret", "the secret key that belongs to s3.access_key_id");
    if (context.variable("AWS_ACCESS_KEY_ID")) unused.emplace_back("AWS_ACCESS_KEY_ID");
    if (has_profile) unused.push_back(profile_name);
    return notice_unused_sources(storage, "tahoe.cfg and private/s3secret", unused);
  }
  std::error_code ignored;
  if (std::filesystem::exists(context.private_directory / "s3secret", ignored)) {
    unused.emplace_back("private/s3secret (tahoe.cfg has no s3.access_key_id)");
  }
  Source source = Source::environment;
  auto found = aws_environment_credentials(context.environment);
  if (found && *found && has_profile) unused.push_back(profile_name);
  if (found && !*found) {
    source = Source::profile;
    found = aws_profile_credentials(context.environment);
  }
  if (!found) return context.refuse(found.error());
  std::optional<AwsCredentials> credentials = std::move(*found);
  if (!credentials) {
    storage.refuse("s3.access_key_id",
                   "it is missing; expected the access key id here and its secret in "
                   "private/s3secret, or both in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                   "in an AWS profile");
    return;
  }
  const std::string origin = credentials->origin;
  use_aws_credentials(config, std::move(*credentials), source);
  check_access_key_id(storage, config, origin);
  notice_unused_sources(storage, origin, unused);
}

void load_devpay(KeyReader& storage, S3Config& config) {
  LoadContext& context = storage.context();
  config.devpay_user_token = optional_secret(context, "s3usertoken");
  config.devpay_product_token = optional_secret(context, "s3producttoken");
  const auto bad = [&](std::string_view sentence) {
    context.refuse(Error(Errc::invalid_argument,
                         fmt::format("{}: {}", context.private_directory.string(), sentence)));
  };
  if (!config.devpay_product_token.empty() && config.devpay_user_token.empty()) {
    bad("s3producttoken is there and s3usertoken is not; expected both, or the user token alone, "
        "or neither");
  }
  if (!config.devpay_user_token.empty() && !config.session_token.empty()) {
    bad("s3usertoken is there and the AWS credentials have a session token; expected one of "
        "them, for both use the same header");
  }
}

void load_protocol(KeyReader& storage, S3Config& config) {
  using Signature = S3Config::Signature;
  using Addressing = S3Config::Addressing;
  using Payload = S3Config::Payload;
  constexpr std::array<std::pair<std::string_view, Signature>, 2> kSignatures{
      {{"v4", Signature::v4}, {"v2", Signature::v2}}};
  constexpr std::array<std::pair<std::string_view, Addressing>, 3> kAddressings{
      {{"auto", Addressing::automatic},
       {"path", Addressing::path},
       {"virtual", Addressing::virtual_host}}};
  constexpr std::array<std::pair<std::string_view, Payload>, 2> kPayloads{
      {{"signed", Payload::signed_hash}, {"unsigned", Payload::unsigned_payload}}};
  config.signature = storage.choice<Signature>("s3.signature", Signature::v4, kSignatures);
  config.addressing =
      storage.choice<Addressing>("s3.addressing", Addressing::automatic, kAddressings);
  config.payload = storage.choice<Payload>("s3.payload", Payload::signed_hash, kPayloads);
  if (config.addressing == Addressing::virtual_host && is_ip(config.url.host)) {
    storage.refuse("s3.addressing",
                   "virtual needs a host name, and s3.url has an address; "
                   "expected path or auto");
  }
  if (config.payload == Payload::unsigned_payload) {
    if (config.signature == Signature::v2) {
      storage.notice("[storage] s3.payload = unsigned has no effect with s3.signature = v2");
    } else if (!config.url.tls && !config.url.is_loopback()) {
      storage.refuse("s3.payload",
                     "unsigned over plain http leaves the shares unprotected on the "
                     "way; expected signed, or an https URL");
    }
  }
}

void load_object_headers(KeyReader& storage, S3Config& config) {
  config.storage_class = storage.text_or("s3.storage_class", "");
  const bool valid = std::ranges::all_of(config.storage_class, [](char c) {
    return (c >= 'A' && c <= 'Z') || is_ascii_digit(c) || c == '_' || c == '-';
  });
  if (!valid) {
    storage.refuse("s3.storage_class", fmt::format("{} is not a storage class; expected capitals "
                                                   "such as STANDARD_IA",
                                                   in_quotes(config.storage_class)));
  }
  if (config.storage_class == "GLACIER" || config.storage_class == "DEEP_ARCHIVE") {
    storage.refuse("s3.storage_class",
                   fmt::format("{} takes hours to read a share back; expected a class that is "
                               "read at once, such as STANDARD_IA or GLACIER_IR",
                               config.storage_class));
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kEncryptions{
      {{"AES256", "AES256"}, {"aws:kms", "aws:kms"}}};
  if (storage.text("s3.server_side_encryption")) {
    config.server_side_encryption =
        storage.choice<std::string_view>("s3.server_side_encryption", "", kEncryptions);
  }
}

}  // namespace

S3Config load_s3(LoadContext& context, std::uint64_t memory_limit_bytes) {
  KeyReader storage(context, "storage");
  S3Config config;
  load_bucket(storage, config);
  load_url_and_region(storage, config);
  load_credentials(storage, config);
  load_devpay(storage, config);
  load_protocol(storage, config);
  load_object_headers(storage, config);
  config.prefix = load_prefix(storage, "s3");
  config.part_size_bytes =
      storage.size("s3.part_size", kDefaultPartSizeBytes, kMinPartSizeBytes, kMaxPartSizeBytes);
  config.ca_file = storage.existing_file("s3.ca_file");
  config.max_requests = storage.number("s3.max_requests", kDefaultMaxRequests, 1, kMaxMaxRequests);
  config.cache_size_bytes = load_cache_size(storage, "s3", memory_limit_bytes);
  return config;
}

}  // namespace sharestore
