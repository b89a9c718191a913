// Who makes the tokens that an emulated identity service hands out.
#pragma once

#include <string>

namespace sharestore::test {

struct IssuedToken {
  std::string token;
  std::string storage_url;
};

// Any thread.
class TokenIssuer {
 public:
  virtual ~TokenIssuer() = default;
  // A token that was never given before.
  virtual IssuedToken issue() = 0;
  // From now on the store refuses it.
  virtual void revoke(const std::string& token) = 0;
};

}  // namespace sharestore::test
