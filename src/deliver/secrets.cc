#include "deliver/secrets.h"

#include "base/base64.h"

namespace posthorn::deliver {
namespace {

constexpr std::size_t kSecretMin = 4;  // bytes: shorter ones stand in every other word

}  // namespace

Secrets::Secrets(const std::string& user, const std::string& password) {
  using namespace std::string_literals;
  if (password.size() < kSecretMin) return;
  const std::string plain = encode_base64("\0"s + user + "\0"s + password);  // RFC 4616
  forms_ = {plain, encode_base64(password), password};
}

void Secrets::hide_in(std::string& text) const {
  constexpr std::string_view kHidden = "[hidden]";
  for (const std::string& secret : forms_)
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + kHidden.size()))
      text.replace(at, secret.size(), kHidden);
}

}  // namespace posthorn::deliver
