#include "net/ticket_keys.h"

#include <algorithm>
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

namespace posthorn::net {
namespace {

constexpr int kIvSize = 16;

bool fill(auto& bytes) {
  return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1;
}

}  // namespace

void TicketKeys::install(SSL_CTX* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose);
}

// False: there is no chance to be had; then there are no tickets.
bool TicketKeys::rotate() {
  const SteadyTime now = clock_.steady_now();
  if (current_ && now - current_->made < kTicketKeyLife) {
    if (before_ && now - before_->made >= 2 * kTicketKeyLife) before_.reset();
    return true;
  }
  Key fresh{};
  fresh.made = now;
  if (!fill(fresh.name) || !fill(fresh.cipher) || !fill(fresh.mac)) return false;
  before_ = current_ && now - current_->made < 2 * kTicketKeyLife ? current_ : std::nullopt;
  current_ = fresh;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return true;
}

// SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 0: no ticket, a whole handshake; 1: this one; 2: this
// one, and the client gets a new one; below 0: the handshake fails.
int TicketKeys::choose(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int encrypts) {
  auto* self = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (!self->rotate()) return 0;
  Key* key = nullptr;
  if (encrypts == 1) {
    key = &*self->current_;
    std::ranges::copy(key->name, name);
    if (RAND_bytes(iv, kIvSize) != 1) return 0;
  } else {
    for (std::optional<Key>* held : {&self->current_, &self->before_})
      if (*held && CRYPTO_memcmp((*held)->name.data(), name, (*held)->name.size()) == 0)
        key = &**held;
    if (key == nullptr) return 0;
  }
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 3> parameters = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv, encrypts) !=
          1 ||
      EVP_MAC_CTX_set_params(mac, parameters.data()) != 1)
    return -1;
  return encrypts == 1 || key == &*self->current_ ? 1 : 2;
}

}  // namespace posthorn::net
