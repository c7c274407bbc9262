// Reception: how an SMTP server decides at MAIL and RCPT: whose right it is to write to other
// servers, whether anybody asks whose a sender's address is, and what is replied. The server and
// `posthorn explain` decide by the same functions. RFC 5321 section 4.1.1, RFC 6409 section 6.1.
#pragma once

#include <string>

#include "config/config.h"
#include "route/directory.h"

namespace posthorn::route {

// Who is at the other end of a session, as far as this depends on it.
struct Client {
  std::string account;              // who is logged in, or whose program it is; empty: nobody
  bool account_may_relay = true;    // a program's may not, where the settings do not say so
  bool may_use_any_sender = false;  // root's program, or the server's own account's
  bool is_in_relay_from = false;  // its address stands in smtp.relay_from, at a port for strangers
};

enum class RelayRight { none, login, network };
RelayRight relay_right(const Client& client);

// RFC 6409 section 6.1: a user may not speak for others. RFC 8098 section 3: the null sender, of a
// read receipt or a vacation's answer, is anybody's.
bool is_sender_asked(const config::Submission& settings, const Client& client,
                     const std::string& sender);
// At MAIL. Nobody's sender is asked where is_sender_asked says so.
Answer<void> ask_sender(Directory& directory, const config::Submission& settings,
                        const Client& client, SenderQuestion question);

// At RCPT. The question's right to relay is the client's.
Answer<Expansion> ask_recipient(Directory& directory, const Client& client,
                                RecipientQuestion question);

struct Reply {
  int code = 250;
  std::string enhanced, text;
};
Reply reply_to(const Refusal& refusal);
Reply reply_to(const Error& error);  // "could not ask": the client comes again
Reply sender_taken();
Reply recipient_taken();

}  // namespace posthorn::route
