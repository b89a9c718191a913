#include "backends/core/digest.h"

#include <sodium.h>

namespace sharestore {

Digest blake2b_256(std::string_view bytes) {
  Digest digest;
  crypto_generichash(digest.data(), digest.size(),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr,
                     0);
  return digest;
}

}  // namespace sharestore
