// Replies: what is sent because a message came, in the order of the scripts' actions: answers of
// vacation (a script's, or that of `posthorn vacation`), notifications, reports, and the mail to
// the owner of a script that went wrong. Sent before the message is stored, remembered before it
// is sent (lda/memories.h says why). Nothing here ever keeps a message from being stored, but for
// what lookup cannot be asked: then the whole delivery is tried again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lda/memories.h"
#include "lda/outbox.h"
#include "lda/telling.h"
#include "lda/vacation.h"
#include "sieve/language/run.h"
#include "store/account.h"

namespace posthorn::lda {

// The account's memory for the time of one delivery: got when it is first asked for, held to the
// end.
class DeliveryMemory {
 public:
  DeliveryMemory(Memories& memories, std::string account, const Telling& telling)
      : memories_(memories), account_(std::move(account)), telling_(telling) {}
  // nullptr: it cannot be read, which is logged; nothing is known then and nothing sent.
  net::Awaitable<const Memories::Held*> get();
  bool was_got() const { return is_got_; }
  // RFC 7352; to be asked after get(). What cannot be read was not seen.
  bool has(const sieve::Seen& message) const;
  // RFC 7352 section 3.1: to be called when the message is stored. What cannot be noted is logged.
  net::Awaitable<void> note(const std::vector<sieve::Seen>& messages);

 private:
  Memories& memories_;
  std::string account_;
  const Telling& telling_;
  bool is_got_ = false;
  std::optional<Memories::Held> held_;
};

class Replies {
 public:
  struct Parts {
    const config::Config& config;
    Memories& memories;
    Outbox& outbox;
    const Clock& clock = Clock::system();
  };
  explicit Replies(Parts parts) : parts_(parts) {}
  Memories& memories() const { return parts_.memories; }

  struct Case {
    const message::Envelope& envelope;
    const message::Recipient& recipient;
    const std::string& header;  // of the message as it came
    store::Account& account;
    std::function<net::Task<std::string>()> read_text;  // the whole message, in wire form
    DeliveryMemory& memory;
    const Telling& telling;
  };
  // What the outcome wants sent. Copies of it that are to be filed (RFC 8580) come back as actions
  // for Filing. An Error: try the delivery again later.
  net::Task<std::vector<sieve::Action>> send(Case one, const sieve::Outcome& outcome) const;
  // What is wrong with the owner's script; once a day, if sieve.tell_faults says so.
  net::Awaitable<void> tell_owner(Case one, std::string fault) const;

 private:
  net::Awaitable<std::optional<sieve::Action>> find_away(const Case& one,
                                                         const sieve::Outcome& outcome) const;
  net::Task<Answered> do_one(const Case& one, const Incoming& mail,
                             const sieve::Action& action) const;

  Parts parts_;
};

}  // namespace posthorn::lda
