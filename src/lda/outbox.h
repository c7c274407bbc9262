// Outbox: what the store itself writes for an account goes to the queue, by the same way as what
// Sieve sends on: aliases are looked up first, and who may not be written to is not.
#pragma once

#include <expected>
#include <string>

#include "message/envelope.h"
#include "net/task.h"
#include "route/directory.h"
#include "smtp/server/sink.h"

namespace posthorn::lda {

// Of an Error of send(): the connection broke when all was said, the queue may have it or not. Who
// remembers what was sent goes on as if it had.
bool may_be_queued(const Error& error);

class Outbox {
 public:
  struct Parts {
    route::Directory& directory;
    smtp::SinkFactory& queue;
  };
  explicit Outbox(Parts parts) : parts_(parts) {}

  struct Mail {
    std::string sender;  // empty: the null sender
    std::vector<std::string> recipients;
    std::string text;     // wire form
    std::string session;  // of the message that brought it about, for the log
  };
  // The queue's id of it: it is on disk there. The inner error: nobody of them can be written to.
  // An Error: it could not be asked or queued.
  net::Task<std::expected<std::string, std::string>> send(Mail mail);

  // May the account write as this address?
  net::Task<bool> may_send_as(std::string account, std::string address);
  // Does mail to this address reach the account? Aliases, catch-alls and lists of ours are asked
  // for; what is not ours does not. delimiter: of tags.
  net::Task<bool> leads_to(std::string address, std::string account, std::string delimiter);

 private:
  Parts parts_;
};

}  // namespace posthorn::lda
