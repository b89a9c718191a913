#include "tests/storage_server/node/python_node_directory.h"

#include <openssl/sha.h>
#include <sodium.h>

#include <array>
#include <stdexcept>

#include "backends/core/base32.h"
#include "backends/core/digest.h"
#include "backends/core/openssl_objects.h"
#include "storage_server/node/location.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificate.h"

namespace sharestore::test {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSwissnum = "ajl7ebkv54nm6ue5xzzhmmxodzvyyqmo";
constexpr const char* kConfig =
    "# made by the Python node\n"
    "[node]\n"
    "nickname = taken over\n"
    "reveal-IP-address = true\n"
    "web.port =\n"
    "web.static = public_html\n"
    "tub.port = tcp:PORT:interface=127.0.0.1\n"
    "tub.location = tcp:127.0.0.1:PORT\n"
    "[client]\n"
    "helper.furl =\n"
    "shares.needed = 3\nshares.happy = 7\nshares.total = 10\n"
    "[storage]\n"
    "enabled = true\n"
    "reserved_space = 0\n"
    "[helper]\n"
    "enabled = false\n";

std::string tub_id_of(const std::string& certificate_pem) {
  const CertificatePtr certificate = next_certificate(bio_reader(certificate_pem));
  if (!certificate) throw std::runtime_error("no certificate");
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  unsigned int size = 0;
  X509_digest(certificate.get(), EVP_sha1(), digest.data(), &size);
  return base32_encode({reinterpret_cast<const char*>(digest.data()), size});
}

std::string public_key_of(const std::string& seed) {
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key{};
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(),
                           reinterpret_cast<const unsigned char*>(seed.data()));
  return base32_encode({reinterpret_cast<const char*>(public_key.data()), public_key.size()});
}

void write_with_mode(const fs::path& file, const std::string& content, fs::perms mode) {
  write_file(file, content);
  fs::permissions(file, mode);
}

std::string config_with_port(std::uint16_t port) {
  constexpr std::string_view kPlace = "PORT";
  std::string text = kConfig;
  for (std::size_t at = text.find(kPlace); at != std::string::npos; at = text.find(kPlace, at)) {
    text.replace(at, kPlace.size(), std::to_string(port));
  }
  return text;
}

std::string big_endian32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

}  // namespace

PythonNodeDirectory make_python_node_directory(const fs::path& path) {
  PythonNodeDirectory made;
  made.path = path;
  made.swissnum = kSwissnum;
  const TestCertificate certificate = make_rsa_test_certificate();
  made.tub_id = tub_id_of(certificate.certificate_pem);
  const std::string seed(32, 's');
  made.public_key = public_key_of(seed);

  constexpr auto kOpen = static_cast<fs::perms>(0644);
  constexpr auto kClosed = static_cast<fs::perms>(0600);
  const fs::path folder = path / "private";
  fs::create_directories(folder);
  fs::permissions(folder, static_cast<fs::perms>(0700));
  made.port = free_port().value();
  write_file(path / "tahoe.cfg", config_with_port(made.port));
  write_file(path / "tahoe-client.tac", "\n# this file is not used\n");
  write_with_mode(folder / "node.pem", certificate.certificate_pem + certificate.key_pem, kOpen);
  write_with_mode(folder / "node.privkey", "priv-v0-" + base32_encode(seed) + "\n", kOpen);
  write_with_mode(folder / "secret", std::string(52, 'a') + "\n", kOpen);
  write_with_mode(folder / "convergence", std::string(52, 'a') + "\n", kOpen);
  write_with_mode(folder / "api_auth_token", std::string(43, 'x'), kOpen);
  write_with_mode(folder / "storage.furl",
                  "pb://" + made.tub_id + "@tcp:127.0.0.1:1/" + made.swissnum + "\n", kClosed);
  write_with_mode(folder / "logport.furl", "pb://" + made.tub_id + "@tcp:127.0.0.1:1/log\n",
                  kClosed);
  write_file(path / "my_nodeid", made.tub_id + "\n");
  write_file(path / "node.pubkey", "pub-v0-" + made.public_key + "\n");
  write_file(path / "permutation-seed", base32_encode(made.public_key) + "\n");
  write_file(path / "running.process.lock", "");
  fs::create_directories(path / "storage/shares/incoming");
  fs::create_directories(path / "storage/corruption-advisories");
  write_file(path / "storage/lease_checker.state.json", "{}");
  return made;
}

void add_python_share(const fs::path& node_directory, StorageIndex storage_index,
                      ShareNumber number, const std::string& data, std::uint32_t expires_at) {
  std::string file = big_endian32(2) + big_endian32(static_cast<std::uint32_t>(data.size())) +
                     big_endian32(1) + data + big_endian32(0);
  file += as_text(blake2b_256(std::string(32, 'R')));
  file += as_text(blake2b_256(std::string(32, 'C')));
  file += big_endian32(expires_at);
  write_file(node_directory / "storage/shares" / storage_index.prefix() / storage_index.to_text() /
                 std::to_string(number),
             file);
}

}  // namespace sharestore::test
