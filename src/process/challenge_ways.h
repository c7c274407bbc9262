// How an ACME authority that comes to look reaches this server: it asks port 80 (http-01, RFC 8555
// section 8.3) or port 443 (tls-alpn-01, RFC 8737 section 3) of the name, and on neither anything
// else. Where another program has that port, that program must hand the question on. Values; who
// has a port is asked of the caller, since roles do not see it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "config/config.h"
#include "config/finding.h"
#include "process/port_holder.h"

namespace posthorn::process {

struct ChallengeWay {
  enum class State {
    open,       // our own listener has the port
    handed_on,  // we answer, if who has the port hands it on to us
    closed      // nobody answers here
  };
  State state = State::closed;
  std::string reason;  // why it is not open
  std::string remedy;  // what to do, or to write where
};

using FindHolder = std::function<std::optional<PortHolder>(int port)>;

// challenge: "http-01", "tls-alpn-01".
ChallengeWay find_way(const config::Config& config, std::string_view challenge,
                      const FindHolder& find_holder);
// Without a look at this machine, in one sentence; empty: there is an open way. For who tells why a
// name was not proved.
std::string describe_ways(const config::Config& config);
// For the role that answers: why it cannot; empty: it can.
std::string why_unanswerable(const config::Config& config, std::string_view challenge);

// For `check` and the start. Nothing where ACME is off, where a way is open, or where a certificate
// shows that there is one.
config::Findings find_challenge_doubts(const config::Config& config, const FindHolder& find_holder);
// The same to the log, by who may look at this machine's processes.
void log_challenge_doubts(const config::Config& config);

}  // namespace posthorn::process
