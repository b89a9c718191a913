#include "backends/http/body_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backends/core/hex.h"

namespace sharestore::http_client {

namespace {

constexpr std::size_t kInlineBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 256 * 1024;

class Hash {
 public:
  explicit Hash(const EVP_MD* method) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), method, nullptr) != 1) {
      throw std::runtime_error("OpenSSL has no such digest");
    }
  }
  void add(ByteSpan bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
  std::string finish() {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), out, &size);
    return {reinterpret_cast<const char*>(out), size};
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

Result<BodyDigest> digest(const ByteSource& body, bool want_sha256) {
  Hash md5(EVP_md5());
  Hash sha256(EVP_sha256());
  const auto add = [&](ByteSpan bytes) {
    md5.add(bytes);
    if (want_sha256) sha256.add(bytes);
  };
  if (const auto bytes = body.in_memory()) {
    add(bytes->span());
  } else {
    std::vector<std::byte> piece(std::min<std::uint64_t>(kPieceBytes, body.size()));
    for (std::uint64_t at = 0; at < body.size(); at += piece.size()) {
      piece.resize(std::min<std::uint64_t>(piece.size(), body.size() - at));
      if (auto read = body.read(at, piece); !read) return fail(std::move(read.error()));
      add(piece);
    }
  }
  return BodyDigest{md5.finish(), want_sha256 ? sha256.finish() : std::string()};
}

}  // namespace

std::string md5_hex(std::string_view bytes) {
  Hash md5(EVP_md5());
  md5.add(as_byte_span(bytes));
  return hex(md5.finish());
}

Task<BodyDigest> digest_body(IoPool& pool, ByteSourcePtr body, bool want_sha256) {
  if (body->size() <= kInlineBytes && body->in_memory()) co_return digest(*body, want_sha256);
  auto job = [body, want_sha256]() { return digest(*body, want_sha256); };
  co_return co_await pool.run(std::move(job));
}

}  // namespace sharestore::http_client
