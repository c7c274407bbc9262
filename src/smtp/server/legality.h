// Where a command is legal: one table, one function that decides, one test that walks it whole
// (tests/unit/smtp/server/legality_test.cc).
#pragma once

#include <optional>

#include "smtp/proto/command.h"

namespace posthorn::smtp {

enum class Protocol { smtp, submission, lmtp };

// What a session has and has been through, as far as it decides what may come next.
struct DialogState {
  Protocol protocol = Protocol::smtp;
  bool internal = false;        // between our roles
  bool tls = false;             // the connection is encrypted
  bool offers_tls = false;      // STARTTLS could be carried out here
  bool has_auth = false;        // there is an authenticator, and this port uses it
  bool may_auth_plain = false;  // also without TLS
  bool authenticated = false;
  bool greeted = false;
  bool in_mail = false;
  bool requires_tls = false;  // before anything that counts (submission)
  bool requires_auth = false;
  bool requires_helo = true;
};

// May AUTH be offered and taken now?
bool offers_auth(const DialogState& state);

// The reply to a command that is out of place; nullopt: it may be carried out.
std::optional<Reply> refuse_illegal(const Command& command, const DialogState& state);

// RFC 2920 section 3.1: the commands that must be the last of a pipelined group.
bool ends_group(Verb verb);

}  // namespace posthorn::smtp
