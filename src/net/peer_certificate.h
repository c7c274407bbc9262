// What a server showed of itself in the TLS handshake, for who looks why it was trusted or was
// not; also where the handshake ended because of it. Decides nothing: net/socket_stream.cc has done
// that.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/stream.h"

namespace posthorn::net {

struct PeerCertificate {
  enum class Fault {
    none,
    name,         // it is for others
    self_signed,  // it, or what stands at its chain's end, is its own authority, which is not known
    authority,    // who issued it is not known, or its chain is not whole
    expired,
    not_yet,
    other
  };
  std::vector<std::string> names;
  std::string issuer;  // "CN=R11, O=Let's Encrypt, C=US"
  std::string sha256;  // as net::CertificateInfo has it
  WallTime not_before{}, not_after{};
  Fault fault = Fault::none;  // by the authorities of the TlsClient and for the name it asked for
  std::string reason;         // OpenSSL's word for it
};

// stream: one that net::connect() gave, after its start_tls() as client for name; nullopt: it has
// shown none.
std::optional<PeerCertificate> find_peer_certificate(const Stream& stream, const std::string& name);

}  // namespace posthorn::net
