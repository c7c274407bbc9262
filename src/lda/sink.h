// StoreSink: what LMTP gives its messages to: Sieve decides for each recipient, then they are in
// their mailboxes for good, or a reply says why not.
#pragma once

#include "config/config.h"
#include "lda/redirect.h"
#include "lda/replies.h"
#include "lda/site_scripts.h"
#include "lda/user_scripts.h"
#include "lda/world.h"
#include "smtp/server/sink.h"
#include "store/account.h"

namespace posthorn::lda {

// What the store's sink needs: the accounts, the scripts of now, and a way out for what Sieve sends
// on.
struct StoreSinkParts {
  const config::Config& config;
  store::Accounts& accounts;
  const SiteScripts& scripts;
  UserScripts& own;
  Redirector& redirector;
  const Replies& replies;
  AskList ask_list = nullptr;  // nullptr: there are no lists
  const Clock& clock = Clock::system();
};

class StoreSinkFactory final : public smtp::SinkFactory {
 public:
  explicit StoreSinkFactory(StoreSinkParts parts) : parts_(parts) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  StoreSinkParts parts_;
};

}  // namespace posthorn::lda
