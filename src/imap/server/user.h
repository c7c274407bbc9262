// Whose session it is: the account, and what is the same for all that it does. Mailbox names are
// the store's inside of this server, and the client's only where they are read and said.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "imap/proto/parser.h"
#include "imap/server/observer.h"
#include "imap/server/outcome.h"
#include "imap/server/session.h"
#include "store/account.h"

namespace posthorn::imap {

// Between a client's name of a mailbox and the store's: levels are separated by a dot there, and by
// imap.separator here. The other of the two characters is part of no name.
class MailboxNames {
 public:
  explicit MailboxNames(const config::Imap& settings) : settings_(settings) {}

  std::string_view separator() const { return to_string(settings_.separator); }
  // A mailbox's name as an argument, as the store has it; one that no mailbox can have is the
  // store's to refuse.
  std::optional<std::string> take(Parser& parser) const;
  // The pattern of a LIST (RFC 3501 section 6.3.8) for the store's names; nullopt: none fits.
  std::optional<std::string> pattern(const std::string& text) const;
  // A name of the store's as a response has it.
  std::string format(std::string name) const;

 private:
  std::string swap_separators(std::string name) const;

  const config::Imap& settings_;
};

struct User {
  const ServerServices& services;
  log::Logger log;
  store::AccountPtr account;  // from the login on

  MailboxNames names() const { return MailboxNames(services.config.imap); }
  // What the client hears of an Error; what it was stands in the log.
  Outcome failed(const Error& error) const;
  void log_fault(const Error& error) const;
  // What this user has done; account is filled in.
  net::Awaitable<void> tell_observers(Happening happening) const;
};

// What became of an operation with a mailbox's name. missing: the response code when there is no
// such mailbox, TRYCREATE where a message was to go there (RFC 3501 section 7.1).
Outcome name_outcome(store::NameResult result, std::string_view missing = "NONEXISTENT");

}  // namespace posthorn::imap
