// Telling: what becomes of a mail for one recipient, said once, as it is decided. One call writes
// the line of the log, which is the trail's record, and counts it. Every line says who decided:
// script= and line=, and reason= where it was no plain command. Changes nothing.
#pragma once

#include <string>

#include "base/log.h"
#include "lda/outcome.h"

namespace posthorn::lda {

class Telling {
 public:
  struct Whose {
    std::string to;       // the recipient, with its tag
    std::string account;  // that it is delivered to
  };
  Telling(const log::Logger& log, Whose whose) : log_(log), whose_(std::move(whose)) {}

  void tell(const SentOn& sent) const;
  void tell(const NotSentOn& kept) const;
  void tell(const Reply& reply) const;
  void tell(const Fault& fault) const;
  // A script has seen the message before (RFC 7352).
  void tell_repeat(const sieve::ScriptLine& test) const;
  // What a script has to say itself.
  void tell_said(std::string_view text) const;
  // A mail about a fault lies in the owner's INBOX.
  void tell_owner_told(const store::Placed& mail) const;
  // A copy that a script made because of what an IMAP client did.
  void tell_copy(const Filed& copy) const;
  // How it ended. To be called once.
  smtp::RecipientResult finish(const Ending& ending) const;
  // Something that is no decision: it cannot be read or written.
  void tell_trouble(std::string_view error) const;

 private:
  void tell(const log::Event& event, const Filed& copy) const;
  void tell(const Ending& ending) const;

  log::Logger log_;
  Whose whose_;
};

}  // namespace posthorn::lda
