// The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1) of one process: whoever gets hold
// of one reads what was resumed by it, so each is for some hours, and decrypts for as long again.
// Every worker has its own: a client that comes to another one makes a whole handshake, about a
// millisecond, and no key ever lies in two places.
#pragma once

#include <array>
#include <optional>

#include "base/clock.h"

struct ssl_ctx_st;
struct ssl_st;
struct evp_cipher_ctx_st;
struct evp_mac_ctx_st;

namespace posthorn::net {

inline constexpr auto kTicketKeyLife = 4h;

class TicketKeys {
 public:
  explicit TicketKeys(const Clock& clock = Clock::system()) : clock_(clock) {}
  // All contexts of the process may share them. They live longer than the contexts' handshakes.
  void install(ssl_ctx_st* context);

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
    SteadyTime made;
  };
  static int choose(ssl_st* ssl, unsigned char* name, unsigned char* iv, evp_cipher_ctx_st* cipher,
                    evp_mac_ctx_st* mac, int encrypts);
  bool rotate();

  const Clock& clock_;
  std::optional<Key> current_, before_;
};

}  // namespace posthorn::net
