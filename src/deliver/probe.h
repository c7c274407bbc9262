// Probe: what an attempt at a relay or at MX hosts comes to without a message: name, connection,
// greeting, TLS and login as in every attempt (transports.cc), then at most an envelope, which is
// taken back. It never says DATA. Whoever asks for it has a person waiting, so all is bounded in
// time. It tells what happened; what that means and what to change says diagnosis.h.
#pragma once

#include <string>
#include <vector>

#include "config/choices.h"
#include "net/peer_certificate.h"
#include "smtp/proto/reply.h"
#include "tap/recording.h"

namespace posthorn::deliver {

// How far an attempt came; it ended there, but for done.
enum class Stage {
  name,       // the host's addresses
  connect,    // TCP
  greeting,   // and EHLO
  start_tls,  // offered, and begun
  handshake,
  login,
  sender,     // MAIL
  recipient,  // RCPT
  done
};
std::string_view to_string(Stage stage);

// Of one host's address.
struct HostProbe {
  std::string name;     // as it is asked for; its certificate must be for it
  std::string address;  // empty: none was found
  std::uint16_t port = 0;
  Stage stage = Stage::name;
  smtp::Reply reply;  // what the server said there last; code 0: error says why there is none
  Error error;
  bool has_sent_login = false;
  bool is_secure = false;
  tap::Recording recording;

  bool is_done() const { return stage == Stage::done; }
  std::string remote() const;  // "smtp.example.org[192.0.2.1]:587"
};

struct Probe {
  std::vector<HostProbe> hosts;  // in the order in which they were asked; at least one
  config::TlsPolicy tls = config::TlsPolicy::verify;
  bool has_login = false;
  bool is_relay = true;  // false: by the recipient's domain's MX records
};

}  // namespace posthorn::deliver
