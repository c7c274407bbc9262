// ImapEvents: the administrator's scripts at what IMAP clients do (RFC 6785): each message that
// came into a mailbox, or whose flags have changed, is decided about anew where it lies. A keep
// leaves it there, with the flags that the script gives it; fileinto and redirect are carried out,
// and without a keep the message is marked \Deleted. What cannot be done is logged: the client's
// command has been done already, and nothing here makes it fail.
#pragma once

#include "config/config.h"
#include "imap/server/observer.h"
#include "lda/redirect.h"
#include "lda/site_scripts.h"

namespace posthorn::lda {

class ImapEvents final : public imap::Observer {
 public:
  struct Parts {
    const config::Config& config;
    const SiteScripts& scripts;
    Redirector& redirector;
    const Clock& clock = Clock::system();
  };
  explicit ImapEvents(Parts parts) : parts_(parts) {}
  net::Awaitable<void> see(const imap::Happening& happening) override;

  static constexpr std::size_t kMessagesMax = 1000;  // of one command

 private:
  struct Message;
  net::Task<> look_at(const imap::Happening& happening, std::size_t which, const Scripts& scripts,
                      store::Mailbox& mailbox);
  net::Task<> carry_out(const Message& message, const sieve::Outcome& outcome);

  Parts parts_;
  log::Logger log_;
};

}  // namespace posthorn::lda
