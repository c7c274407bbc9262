// Where each role's SMTP or LMTP server puts a message: edge hands it to the queue over LMTP, the
// queue to its spool. The store's own is lda/sink.h.
#pragma once

#include "config/config.h"
#include "filter/teacher.h"
#include "net/line_channel.h"
#include "net/networks.h"
#include "net/scope.h"
#include "net/socket.h"
#include "queue/queue.h"
#include "smtp/server/sink.h"
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
    const net::Networks& relay_from;
  };
  SpoolSinkFactory(Parts parts, Door door) : parts_(parts), door_(door) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  Parts parts_;
  Door door_;
};

// Lessons of the store's: spamd has learned them when they are acknowledged, and nothing is kept
// here (learn/courier.h).
class LessonSinkFactory final : public smtp::SinkFactory {
 public:
  LessonSinkFactory(filter::Teacher& teacher, const config::Filter& config)
      : teacher_(teacher), config_(config) {}
  std::unique_ptr<smtp::Sink> make() override;

 private:
  filter::Teacher& teacher_;
  const config::Filter& config_;
};

}  // namespace posthorn::app
