#include "storage_server/http/tls_engine.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "backends/core/openssl_objects.h"

namespace sharestore::http {
namespace {

// A BIO without memory of its own: it reads the wire's input and writes to its output buffer.
int wire_read(BIO* bio, char* to, std::size_t size, std::size_t* got) {
  auto* wire = static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *got = std::min(size, wire->in_size());
  if (*got == 0) {
    if (!wire->in_ended) BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(to, wire->in_begin, *got);
  wire->in_begin += *got;
  return 1;
}

int wire_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  auto* wire = static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  Buffer& out = wire->output();
  if (out.room() < size) return 0;
  out.append(as_byte_span({from, size}));
  *done = size;
  return 1;
}

long wire_ctrl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

BIO_METHOD* wire_method() {
  static BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    BIO_meth_set_read_ex(made, wire_read);
    BIO_meth_set_write_ex(made, wire_write);
    BIO_meth_set_ctrl(made, wire_ctrl);
    return made;
  }();
  return method;
}

std::unexpected<Error> tls_failure(std::string_view what) {
  char text[256] = "unknown error";
  if (auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return fail(Errc::invalid_argument, fmt::format("{}: {}", what, text));
}

// Fetched once: EVP_aes_256_cbc() would be looked up again by every use.
const EVP_CIPHER* ticket_cipher() {
  static EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;  // a client that names only others still speaks to us
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int sealing) {
  auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  int result = keys->select(name, iv, cipher, mac, sealing == 1);
  // TLS 1.3 clients use a ticket once, so that connections cannot be linked: each use brings
  // another.
  bool opened = sealing == 0 && result == 1;
  return opened && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

Status use_identity(SSL_CTX* context, std::string_view chain_pem, std::string_view key_pem) {
  const BioPtr chain = bio_reader(chain_pem);
  const CertificatePtr leaf = next_certificate(chain);
  if (!leaf) return tls_failure("no certificate in the PEM text");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return tls_failure("the certificate cannot be used");
  }
  while (const CertificatePtr next = next_certificate(chain)) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return tls_failure("the certificate chain cannot be used");
    }
  }
  ERR_clear_error();  // the end of the text
  const KeyPtr key = private_key_of(key_pem);
  if (!key) return tls_failure("no private key in the PEM text");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return tls_failure("the private key does not belong to the certificate");
  }
  return {};
}

}  // namespace

TicketKeys::TicketKeys(Clock& clock) : clock_(clock) {}

TicketKeys::~TicketKeys() {
  OPENSSL_cleanse(&current_, sizeof current_);
  OPENSSL_cleanse(&previous_, sizeof previous_);
}

bool TicketKeys::fill(Key& key, Monotonic now) {
  key.valid = RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1 &&
              RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) == 1 &&
              RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) == 1;
  key.made = now;
  return key.valid;
}

int TicketKeys::select(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, bool sealing) {
  std::lock_guard lock(mutex_);
  Monotonic now = clock_.now();
  if (!current_.valid || now - current_.made >= kPeriod) {
    previous_ = current_;
    if (!fill(current_, now)) return -1;
  }
  if (previous_.valid && now - previous_.made >= 2 * kPeriod) previous_.valid = false;

  Key* key = nullptr;
  if (sealing) {
    key = &current_;
    std::memcpy(name, key->name.data(), key->name.size());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher())) != 1) return -1;
  } else {
    for (Key* candidate : {&current_, &previous_}) {
      if (candidate->valid && std::memcmp(name, candidate->name.data(), 16) == 0) key = candidate;
    }
    if (!key) return 0;
  }
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1 ||
      EVP_CipherInit_ex(cipher, ticket_cipher(), nullptr, key->cipher.data(), iv, sealing) != 1) {
    return -1;
  }
  return key == &current_ ? 1 : 2;
}

Result<TlsContext> TlsContext::create(std::string_view certificate_chain_pem,
                                      std::string_view private_key_pem,
                                      std::shared_ptr<TicketKeys> ticket_keys) {
  TlsContext made;
  made.context_ = SSL_CTX_new(TLS_server_method());
  if (!made.context_) return tls_failure("TLS cannot be set up");
  SSL_CTX* context = made.context_;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // The chain is what the PEM text holds: nothing to look for at every handshake.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // Sessions live in tickets at the clients; this process keeps none.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_timeout(context, std::chrono::seconds(TicketKeys::kPeriod).count());
  made.ticket_keys_ = std::move(ticket_keys);
  SSL_CTX_set_app_data(context, made.ticket_keys_.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key_callback);
  if (auto used = use_identity(context, certificate_chain_pem, private_key_pem); !used) {
    return fail(used.error());
  }
  return made;
}

TlsContext::TlsContext(TlsContext&& other) noexcept
    : context_(std::exchange(other.context_, nullptr)),
      ticket_keys_(std::move(other.ticket_keys_)) {}

TlsContext& TlsContext::operator=(TlsContext&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(ticket_keys_, other.ticket_keys_);
  return *this;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsChannel::TlsChannel(TlsContext& context, Wire& wire) : ssl_(SSL_new(context.context_)) {
  BIO* bio = BIO_new(wire_method());
  if (!ssl_ || !bio) throw std::bad_alloc();
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsChannel::~TlsChannel() { SSL_free(ssl_); }

Flow TlsChannel::handshake() {
  int result = SSL_do_handshake(ssl_);
  if (result == 1) return Flow::done;
  int why = SSL_get_error(ssl_, result);
  if (why == SSL_ERROR_WANT_READ) return Flow::want_input;
  ERR_clear_error();
  return Flow::failed;
}

bool TlsChannel::resumed() const { return SSL_session_reused(ssl_) == 1; }

Flow TlsChannel::read(MutableByteSpan into, std::size_t& got) {
  got = 0;
  auto* wire = static_cast<Wire*>(BIO_get_data(SSL_get_rbio(ssl_)));
  while (got < into.size()) {
    // Spares the call that could only say that there is nothing.
    if (wire->in_size() == 0 && !wire->in_ended && !holds_input()) return Flow::want_input;
    std::size_t count = 0;
    int result = SSL_read_ex(ssl_, into.data() + got, into.size() - got, &count);
    if (result != 1) {
      int why = SSL_get_error(ssl_, result);
      if (why == SSL_ERROR_WANT_READ) return Flow::want_input;
      ERR_clear_error();
      bool ended = why == SSL_ERROR_ZERO_RETURN || (wire->in_ended && wire->in_size() == 0);
      return ended ? Flow::ended : Flow::failed;
    }
    got += count;
  }
  return Flow::done;
}

std::size_t TlsChannel::pending() const { return static_cast<std::size_t>(SSL_pending(ssl_)); }

bool TlsChannel::holds_input() const { return SSL_has_pending(ssl_) == 1; }

bool TlsChannel::write(ByteSpan bytes) {
  if (bytes.empty()) return true;
  std::size_t done = 0;
  int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &done);
  if (result == 1 && done == bytes.size()) return true;
  ERR_clear_error();
  return false;
}

void TlsChannel::shutdown() {
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace sharestore::http
