// What Sieve's redirect (RFC 5228 section 4.2) does: a copy of the message goes back to the queue,
// to wherever the address leads. The sender stays the message's own, so that a bounce finds it.
//
// A message that this account has sent on before comes back no further (X-Sieve-Redirected-From);
// one that the queue hands over again, because storing it failed, is not sent on twice.
#pragma once

#include <deque>
#include <expected>
#include <string>
#include <unordered_set>

#include "lda/message_copy.h"
#include "message/envelope.h"
#include "net/blocking_pool.h"
#include "net/task.h"
#include "route/directory.h"
#include "smtp/server/sink.h"

namespace posthorn::lda {

class Redirector {
 public:
  struct Parts {
    route::Directory& directory;
    smtp::SinkFactory& queue;
    net::BlockingPool& pool;
  };
  explicit Redirector(Parts parts) : parts_(parts) {}

  struct Request {
    const message::Envelope& envelope;
    StagedMessage message;
    std::string account;    // whose script it is
    std::string recipient;  // as the message came, with its tag
    const sieve::Redirect& what;
    sieve::VersionPtr version;  // as a script left the message; nullptr: as it came
  };
  // The queue's id of what was sent; empty: it was sent on before. The inner error: it may not or
  // need not be sent on, keep it. An Error: try again later.
  net::Task<std::expected<std::string, std::string>> send(Request request);

 private:
  net::Task<> copy(const Request& request, smtp::Sink& sink);
  void remember(const std::string& key);

  Parts parts_;
  std::unordered_set<std::string> done_;
  std::deque<std::string> order_;  // of done_, the oldest first
};

}  // namespace posthorn::lda
