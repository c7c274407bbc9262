// Recording: one connection that a role makes, kept for who has ordered it and looks at it
// afterwards: its lines, of which no secret is one (tap/dialog.h), and what its server showed in
// the TLS handshake. Bounded in lines and in time: no operation of the stream outlasts `until`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/peer_certificate.h"
#include "net/stream.h"

namespace posthorn::tap {

struct Recording {
  std::vector<std::string> lines;  // "S: 220 …", "C: EHLO …", "-- TLSv1.3 …"; printable
  std::optional<net::PeerCertificate> certificate;
  std::optional<net::TlsInfo> tls;
  SteadyTime until = SteadyTime::max();
};

// stream as it came from net::connect(). recording outlives what is given back.
net::StreamPtr record_client(net::StreamPtr stream, Recording& recording);

}  // namespace posthorn::tap
