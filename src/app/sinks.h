// Where each role's SMTP or LMTP server puts a message: edge hands it to the queue over LMTP, the
// queue to its spool, the store to Sieve and a maildir.
#pragma once

#include "app/redirect.h"
#include "app/site_scripts.h"
#include "auth/networks.h"
#include "config/config.h"
#include "net/line_channel.h"
#include "net/scope.h"
#include "net/socket.h"
#include "queue/queue.h"
#include "smtp/server/sink.h"
#include "store/account.h"
#include "tap/hub.h"

namespace posthorn::app {

class QueueSinkFactory final : public smtp::SinkFactory {
 public:
  // socket: the one of the queue's that this role may use.
  // tap: who may watch the hand-over.
  QueueSinkFactory(net::Scope& scope, const config::Config& config, std::string socket,
                   tap::Hub* tap = nullptr)
      : scope_(scope), config_(config), socket_(std::move(socket)), tap_(tap) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  net::Scope& scope_;
  const config::Config& config_;
  std::string socket_;
  tap::Hub* tap_;
};

// By which of its doors a message comes to the queue. Who sent it follows from that, and from what
// is proved there; what the peer says of it is not believed.
enum class Door {
  edge,      // a stranger's, a trusted network's, or with a token a user's
  store,     // what Sieve sends on
  programs,  // of this machine: the kernel told the queue itself whose
};

class SpoolSinkFactory final : public smtp::SinkFactory {
 public:
  struct Parts {
    queue::Queue& queue;
    net::LineChannel& lookup;
    const auth::Networks& relay_from;
  };
  SpoolSinkFactory(Parts parts, Door door) : parts_(parts), door_(door) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  Parts parts_;
  Door door_;
};

// What the store's sink needs: the accounts, the site's scripts of now, and a way out for what
// Sieve sends on.
struct StoreSinkParts {
  const config::Config& config;
  store::Accounts& accounts;
  const SiteScripts& scripts;
  Redirector& redirector;
};

class StoreSinkFactory final : public smtp::SinkFactory {
 public:
  explicit StoreSinkFactory(StoreSinkParts parts) : parts_(parts) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  StoreSinkParts parts_;
};

}  // namespace posthorn::app
