// What local delivery does with a mail for one recipient, as values: each decision is one of them,
// with the script and the line that asked for it. The lines of the log, the trail's records, what
// is counted and the reply to the queue are all made of these (lda/telling.h, result_of), so that
// none of them can say another thing than was done.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sieve/language/actions.h"
#include "smtp/server/sink.h"
#include "store/types.h"

namespace posthorn::lda {

// What asked for it.
struct Asker {
  sieve::ScriptLine at;
  std::string why;  // in words, where it is no plain command: "no rule matched"
};
Asker asker_of(const sieve::Action& action);
// Adds to what is said.
void add_reason(Asker& asker, std::string_view why);

// A copy lies in a mailbox.
struct Filed {
  Asker by;
  store::Placed placed;
  std::string wanted;      // the mailbox that was meant
  std::string misplaced;   // why it lies in another one; empty: it does not
  std::string flags;       // names, blanks between
  std::uint64_t size = 0;  // in wire form
};

// A copy went back to the queue (Sieve's redirect).
struct SentOn {
  Asker by;
  std::string to;
  std::string child;  // the queue's id of it
};
struct NotSentOn {
  Asker by;
  std::string to;
  std::string why;
};

// What a mail brought about: an answer of vacation, a notification or a report.
struct Reply {
  enum class Kind : std::uint8_t { answer, notification };
  Kind kind = Kind::answer;
  Asker by;
  std::string to;
  std::string child;  // the queue's id of it; empty: none was sent, and why says
  std::string why;
};

// A script failed: the message is kept.
struct Fault {
  sieve::ScriptLine at;
  std::string why;
};

// How the delivery ended.
struct Stored {
  std::vector<Filed> copies;  // one at least
};
struct SentAway {};  // nothing is kept here, and it was sent on
struct Discarded {
  Asker by;
};
struct Refused {
  Asker by;
  sieve::Reject::How how = sieve::Reject::How::reject;
  std::string text;  // as the sender reads it
};
struct Full {
  std::string recipient;
  bool is_put_off = false;  // store.quota_full_tempfail: the queue tries again
};
struct Impossible {  // no mailbox can have this name
  std::string why;
};
struct Postponed {  // it could not be done now; nothing was acknowledged
  std::string why;
};
using Ending = std::variant<Stored, SentAway, Discarded, Refused, Full, Impossible, Postponed>;

// What the queue is answered, and what is counted.
smtp::RecipientResult result_of(const Ending& ending);

}  // namespace posthorn::lda
