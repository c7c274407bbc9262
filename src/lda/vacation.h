// Vacation (RFC 5230): who is answered, once in a period, and what the answer says. Programs, lists
// and those who did not write to the user are never answered (RFC 5230 section 4, RFC 3834).
//
// "Written to the user" is asked, not guessed: an address of To, Cc, Bcc or Resent-* that is the
// account's, one of `:addresses`, or leads to the account by the tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "lda/memories.h"
#include "lda/outbox.h"
#include "message/envelope.h"
#include "message/headers.h"
#include "sieve/language/actions.h"

namespace posthorn::lda {

// The message that is answered.
struct Incoming {
  const message::Envelope& envelope;
  const message::Headers& headers;
  std::string account;    // whose it is
  std::string recipient;  // as it came, with its tag
};

// Of the fields alone, and of what its parts say.
struct VacationText {
  const sieve::Vacation& vacation;
  const message::Headers& headers;  // of what is answered
  std::string from;                 // an address, perhaps with a name
  std::string to;
  std::string hostname;
  WallTime now{};
};
std::string make_vacation(const VacationText& text);

struct AnswerParts {
  const config::Config& config;
  Outbox& outbox;
  const Clock& clock;
};

struct Answered {
  std::string text;      // of what was sent, for :fcc; empty: nothing was
  std::string why;       // nothing was
  std::string queue_id;  // of what was sent
};
// An Error: it cannot be asked now who is to be answered; nothing was sent, try again later. What
// cannot be queued is not tried again: an answer never holds up a mail.
net::Task<Answered> answer_vacation(AnswerParts parts, const Incoming& mail,
                                    const sieve::Vacation& vacation, const Memories::Held& memory);

}  // namespace posthorn::lda
