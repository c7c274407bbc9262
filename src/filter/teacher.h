// Teacher: has spamd learn that a mail was spam, or ham (SPAMC protocol 1.5, TELL with Set: local).
// What it learns goes into its Bayes database, the one of the User: field where spamd keeps one for
// each. Whether the database could be written, spamd does not say.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"
#include "filter/spamd.h"
#include "message/mail_class.h"

namespace posthorn::filter {

struct Lesson {
  message::MailClass what = message::MailClass::ham;
  std::string account;       // whose it is; empty: the site's
  std::string_view message;  // CRLF lines
};

struct Taught {
  enum class Outcome {
    learned,
    known,   // it had learned this mail as that before
    refused  // this mail can never be learned; said tells why
  };
  Outcome outcome = Outcome::learned;
  std::string said;
};

class Teacher {
 public:
  Teacher(net::Scope& scope, const config::Filter& config, net::Address spamd)
      : config_(config), spamd_(scope, config.timeout, std::move(spamd)) {}

  // An Error of kind closed: spamd cannot be reached, or does not let itself be taught; of another
  // kind: it had the mail, and gave no good answer.
  net::Task<Taught> teach(Lesson lesson);
  // Does it let itself be taught? A TELL that sets nothing, so nothing is learned by it. An Error:
  // it could not be asked.
  net::Task<bool> may_teach();
  void stop() { spamd_.stop(); }

 private:
  const config::Filter& config_;
  Spamd spamd_;
};

}  // namespace posthorn::filter
