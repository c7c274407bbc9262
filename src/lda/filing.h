// Filing: the copies of a message that its scripts want in mailboxes: where each goes, with what
// flags, and as which version of the message. RFC 5228 section 2.10.6: what cannot be filed where a
// script says ends in INBOX, never in a mail that waits for a folder which cannot be.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lda/message_copy.h"
#include "lda/outcome.h"
#include "maps/table_set.h"
#include "sieve/language/actions.h"
#include "store/account.h"

namespace posthorn::lda {

class Filing {
 public:
  struct Parts {
    const config::Config& config;
    store::Account& account;
    const maps::AddressKeys& keys;  // of the recipient
    StagedMessage message;
    std::optional<WallTime> internal_date = {};  // nullopt: now
  };
  explicit Filing(Parts parts) : parts_(parts) {}

  // A Keep or a FileInto; others are passed over. An Error: a mailbox could not be asked for.
  net::Task<> add(const sieve::Action& action);
  // INBOX, for what could not be done otherwise.
  void keep(Asker by);
  bool is_empty() const { return copies_.empty(); }

  // All copies, or none. An Error: nothing was stored, try again later.
  net::Task<std::vector<Filed>> commit();

 private:
  struct Copy {
    sieve::VersionPtr version;
    store::Target target;
    Filed filed;  // as far as it is known
  };
  // Of what is to be filed; they say of it why it lies elsewhere.
  net::Task<std::string> inbox(Filed& filed);
  net::Task<std::string> mailbox_of(const sieve::Place& place, Filed& filed);
  net::Task<store::DeliveryPtr> stage(const sieve::VersionPtr& version);
  void add(sieve::VersionPtr version, std::string mailbox, const sieve::Flags& flags, Filed filed);

  Parts parts_;
  std::vector<Copy> copies_;
};

}  // namespace posthorn::lda
