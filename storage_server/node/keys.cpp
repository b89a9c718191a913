#include "storage_server/node/keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>
#include <sys/stat.h>

#include <array>
#include <optional>
#include <system_error>
#include <vector>

#include "backends/core/base32.h"
#include "config/furl.h"
#include "config/private_files.h"
#include "config/text.h"
#include "storage_server/node/files.h"

namespace sharestore {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kCertificateFile = "node.pem";
constexpr std::string_view kSigningKeyFile = "node.privkey";
constexpr std::string_view kFurlFile = "storage.furl";
constexpr std::string_view kNodeIdFile = "my_nodeid";
constexpr std::string_view kPublicKeyFile = "node.pubkey";
constexpr std::string_view kPermutationSeedFile = "permutation-seed";
// Exists while the first keys are being written: what lies beside it has never been used.
constexpr std::string_view kMakingMarker = "making-keys";

constexpr std::string_view kSigningPrefix = "priv-v0-";
constexpr std::string_view kPublicPrefix = "pub-v0-";
constexpr std::size_t kSwissnumBytes = 20;  // 160 random bits, as the Python node has
constexpr std::size_t kMaxSwissnumChars = 256;
constexpr std::size_t kMaxSeedFileBytes = 4096;

// A dangling symbolic link counts as there: its target may be a volume that is not mounted, and
// making new keys in its place would be the very loss that must not happen.
Result<bool> is_there(const fs::path& file) {
  struct stat ignored{};
  if (::lstat(file.c_str(), &ignored) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(errno_error(errno, file.string()));
}

// Anything in shares/ besides incoming/: the question the permutation seed depends on.
Result<bool> has_share_files(const KeyPlace& place) {
  std::error_code error;
  fs::directory_iterator entries(place.storage_directory / "shares", error);
  if (error == std::errc::no_such_file_or_directory) return false;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->path().filename() != "incoming") return true;
  }
  if (error) {
    return fail(errno_error(error.value(), (place.storage_directory / "shares").string()));
  }
  return false;
}

// The index too: a node whose shares lie elsewhere has nothing in shares/.
Result<bool> has_kept_shares(const KeyPlace& place) {
  auto files = has_share_files(place);
  if (!files || *files) return files;
  return is_there(place.storage_directory / "index.sqlite");
}

struct Presence {
  std::vector<std::string> there;
  std::vector<std::string> missing;
  bool node_id = false;
  bool marker = false;
};

Result<Presence> look(const KeyPlace& place) {
  Presence presence;
  for (const std::string_view name : {kCertificateFile, kSigningKeyFile, kFurlFile}) {
    const fs::path file = place.private_directory / name;
    const auto there = is_there(file);
    if (!there) return fail(there.error());
    (*there ? presence.there : presence.missing).push_back(file.string());
  }
  const auto node_id = is_there(place.node_directory / kNodeIdFile);
  if (!node_id) return fail(node_id.error());
  presence.node_id = *node_id;
  const auto marker = is_there(place.private_directory / kMakingMarker);
  if (!marker) return fail(marker.error());
  presence.marker = *marker;
  return presence;
}

std::unexpected<Error> some_missing(const Presence& presence, std::string_view evidence) {
  return fail(Errc::not_found,
              fmt::format("{} {} missing, but {}: restore from a backup. No new one is made, for "
                          "this would be another node: clients could not write to any mutable file "
                          "that they keep here",
                          fmt::join(presence.missing, ", "),
                          presence.missing.size() == 1 ? "is" : "are", evidence));
}

// Nothing if all keys are there; otherwise why they cannot be read.
Status require_complete(const Presence& presence, const KeyPlace& place) {
  if (presence.missing.empty()) return {};
  if (!presence.there.empty()) {
    return some_missing(presence, fmt::format("{} is there", presence.there.front()));
  }
  if (presence.node_id) {
    return some_missing(presence,
                        fmt::format("{} is there", (place.node_directory / kNodeIdFile).string()));
  }
  const auto kept = has_kept_shares(place);
  if (!kept) return fail(kept.error());
  if (*kept) {
    return some_missing(
        presence, fmt::format("shares are or were kept in {}", place.storage_directory.string()));
  }
  return fail(Errc::not_found,
              fmt::format("{}: this node has no keys yet; its first start makes them",
                          place.node_directory.string()));
}

void init_sodium() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
}

std::string random_bytes(std::size_t size) {
  init_sodium();
  std::string bytes(size, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

std::string public_key_of(const Secret& seed) {
  init_sodium();
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key{};
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(),
                           reinterpret_cast<const unsigned char*>(seed.reveal().data()));
  sodium_memzero(secret_key.data(), secret_key.size());
  return base32_encode({reinterpret_cast<const char*>(public_key.data()), public_key.size()});
}

Result<Secret> parse_signing_seed(const Secret& text) {
  std::string_view digits = text.reveal();
  if (digits.starts_with(kSigningPrefix)) {
    digits.remove_prefix(kSigningPrefix.size());
    auto seed = base32_decode(digits);
    if (seed && seed->size() == kSigningSeedBytes) {
      Secret result(*seed);
      sodium_memzero(seed->data(), seed->size());
      return result;
    }
  }
  return fail(Errc::invalid_argument,
              "expected an Ed25519 key, 'priv-v0-' and 52 characters of base32");
}

// The last part of the FURL, which must lead to this certificate's tub.
Result<Secret> parse_swissnum(const Secret& text, const std::string& tub_id) {
  const auto furl = parse_furl(text.reveal());
  if (!furl) return fail(furl.error());
  if (furl->tub_id != tub_id) {
    return fail(Errc::invalid_argument,
                fmt::format("it names the tub {}, but the certificate in private/node.pem is that "
                            "of tub {}; restore the two files that belong together",
                            furl->tub_id, tub_id));
  }
  const std::string_view name = furl->name;
  if (name.size() > kMaxSwissnumChars || name.find_first_of("/?#%\"\\") != std::string_view::npos) {
    return fail(Errc::invalid_argument,
                "the last part of this FURL does not work as the last part of a NURL; expected "
                "letters and digits");
  }
  return Secret(name);
}

// node-directory.md section 1. The base32 *text* of the public key is encoded once more: an oddity
// of the Python node that must be kept, for clients order servers by the result.
Result<std::string> permutation_seed_of(const KeyPlace& place, const NodeKeys& keys) {
  const fs::path file = place.node_directory / kPermutationSeedFile;
  const auto content = read_text_file(file, kMaxSeedFileBytes);
  if (content) {
    std::string seed(trim(*content));
    if (seed.empty() || !base32_decode(seed)) {
      return fail(Errc::invalid_argument,
                  fmt::format("{}: expected base32; restore it from a backup, for clients look for "
                              "shares by it",
                              file.string()));
    }
    return seed;
  }
  if (content.error().code() != Errc::not_found) return fail(content.error());
  const auto kept = has_share_files(place);
  if (!kept) return fail(kept.error());
  return *kept ? keys.certificate.tub_id : base32_encode(keys.public_key);
}

template <class T>
Result<T> located(Result<T> result, const fs::path& file) {
  if (!result) return fail(result.error().with_context(file.string()));
  return result;
}

Result<NodeKeys> read_complete(const KeyPlace& place) {
  const fs::path& folder = place.private_directory;
  NodeKeys keys;
  const auto pem = read_private_file(folder, kCertificateFile, PrivateForm::any_text);
  if (!pem) return fail(pem.error());
  auto certificate = located(parse_certificate(pem->reveal()), folder / kCertificateFile);
  if (!certificate) return fail(certificate.error());
  keys.certificate = std::move(*certificate);

  const auto signing = read_private_file(folder, kSigningKeyFile);
  if (!signing) return fail(signing.error());
  auto seed = located(parse_signing_seed(*signing), folder / kSigningKeyFile);
  if (!seed) return fail(seed.error());
  keys.signing_seed = std::move(*seed);
  keys.public_key = public_key_of(keys.signing_seed);

  const auto furl = read_private_file(folder, kFurlFile);
  if (!furl) return fail(furl.error());
  auto swissnum = located(parse_swissnum(*furl, keys.certificate.tub_id), folder / kFurlFile);
  if (!swissnum) return fail(swissnum.error());
  keys.swissnum = std::move(*swissnum);

  auto permutation_seed = permutation_seed_of(place, keys);
  if (!permutation_seed) return fail(permutation_seed.error());
  keys.permutation_seed = std::move(*permutation_seed);
  return keys;
}

std::string furl_text(const NodeKeys& keys, std::string_view location) {
  return fmt::format("pb://{}@{}/{}", keys.certificate.tub_id, location, keys.swissnum.reveal());
}

Status make_keys(const KeyPlace& place, std::string_view location) {
  const fs::path& folder = place.private_directory;
  const auto folder_there = is_there(folder);
  if (!folder_there) return fail(folder_there.error());
  if (!*folder_there) {
    if (auto made = make_directory(folder, kPrivateDirectoryMode); !made) return made;
  }
  NodeKeys keys;
  const Secret pem = make_certificate();
  keys.certificate = parse_certificate(pem.reveal()).value();
  keys.swissnum = random_secret(kSwissnumBytes);
  const std::string signing =
      std::string(kSigningPrefix) + base32_encode(random_bytes(kSigningSeedBytes)) + "\n";

  const std::array<std::pair<std::string_view, std::string>, 4> files = {{
      {kMakingMarker, "The node's first keys are being made.\n"},
      {kCertificateFile, std::string(pem.reveal())},
      {kSigningKeyFile, signing},
      {kFurlFile, furl_text(keys, location) + "\n"},
  }};
  for (const auto& [name, content] : files) {
    if (auto written = write_file_durably(folder / name, content, kPrivateFileMode); !written) {
      return written;
    }
  }
  return remove_file_durably(folder / kMakingMarker);
}

// Whether keys may be made: there are none and never were, or what there is was left behind by an
// interrupted first start and so has never been shown to anyone.
Result<bool> may_make_keys(const Presence& presence, const KeyPlace& place) {
  if (presence.missing.empty() || presence.node_id) return false;
  if (!presence.there.empty() && !presence.marker) return false;
  const auto kept = has_kept_shares(place);
  if (!kept) return kept;
  return !*kept;
}

Status make_if_new(const KeyPlace& place, std::string_view location) {
  const auto presence = look(place);
  if (!presence) return fail(presence.error());
  const auto may_make = may_make_keys(*presence, place);
  if (!may_make) return fail(may_make.error());
  if (*may_make) return make_keys(place, location);
  if (presence->marker && presence->missing.empty()) {
    return remove_file_durably(place.private_directory / kMakingMarker);
  }
  return require_complete(*presence, place);
}

// Leaves a file alone that says so already: starts must not wear out a disk that is full or
// read-only.
Status keep_current(const fs::path& file, const std::string& content, mode_t mode) {
  const auto old = read_text_file(file, kMaxPrivateFileBytes);
  if (old && *old == content) return {};
  return write_file_durably(file, content, mode);
}

}  // namespace

Secret random_secret(std::size_t size) { return Secret(base32_encode(random_bytes(size))); }

KeyPlace key_place(const NodeConfig& config) {
  return {config.node_directory, config.private_directory, config.storage.storage_directory};
}

Result<NodeKeys> read_keys(const KeyPlace& place) {
  const auto presence = look(place);
  if (!presence) return fail(presence.error());
  if (auto complete = require_complete(*presence, place); !complete) {
    return fail(complete.error());
  }
  return read_complete(place);
}

Status check_keys(const KeyPlace& place) {
  const auto presence = look(place);
  if (!presence) return fail(presence.error());
  const auto may_make = may_make_keys(*presence, place);
  if (!may_make) return fail(may_make.error());
  if (*may_make) return {};
  if (const auto keys = read_keys(place); !keys) return fail(keys.error());
  return {};
}

Result<NodeKeys> prepare_keys(const KeyPlace& place, std::string_view location) {
  if (auto made = make_if_new(place, location); !made) return fail(made.error());
  auto keys = read_complete(place);
  if (!keys) return keys;
  struct Derived {
    fs::path file;
    std::string content;
    mode_t mode;
  };
  const std::array<Derived, 4> derived = {{
      {place.private_directory / kFurlFile, furl_text(*keys, location) + "\n", kPrivateFileMode},
      {place.node_directory / kPublicKeyFile, std::string(kPublicPrefix) + keys->public_key + "\n",
       kPublicFileMode},
      {place.node_directory / kPermutationSeedFile, keys->permutation_seed + "\n", kPublicFileMode},
      {place.node_directory / kNodeIdFile, keys->certificate.tub_id + "\n", kPublicFileMode},
  }};
  for (const auto& [file, content, mode] : derived) {
    if (auto kept = keep_current(file, content, mode); !kept) return fail(kept.error());
  }
  return keys;
}

}  // namespace sharestore
