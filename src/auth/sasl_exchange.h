// A SASL exchange over a connection, from the mechanism's first step to its last, for every
// protocol that has AUTH or AUTHENTICATE. The protocol sends the challenge and reads the line; what
// they mean is for auth/proto/sasl.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "auth/proto/sasl.h"
#include "net/task.h"

namespace posthorn::auth {

// Sends a challenge and gives the client's line; nullopt: it was longer than may be.
using AskClient =
    std::function<net::Task<std::optional<std::string>>(const std::string& challenge)>;
using Exchanged = std::variant<Credentials, SaslFailure>;

// step: what sasl.start() gave. An Error is the connection's.
net::Task<Exchanged> finish_exchange(SaslServer& sasl, SaslStep step, const AskClient& ask);

}  // namespace posthorn::auth
