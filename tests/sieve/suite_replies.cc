// What actions send to people, composed by the code of the server and put into the host's memory
// instead of the queue.
#include <chrono>

#include "message/dsn.h"
#include "suite_host.h"

namespace posthorn::sieve::suite {

// RFC 5429 section 2.1: the message is refused over LMTP, and the queue tells the sender, if there is
// one.
void Host::refuse(const Reject& reject) {
  if (mail_.sender.empty()) return;
  message::Dsn dsn;
  dsn.hostname = "host.example.org";
  dsn.envelope.sender = mail_.sender;
  dsn.arrived = dsn.now =
      std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
  message::DsnRecipient recipient;
  recipient.recipient.address = mail_.recipient;
  recipient.status = "5.7.1";
  recipient.diagnostic = "550 5.7.1 " + reject.reason;
  recipient.remote = dsn.hostname;
  recipient.reason = reject.reason;
  dsn.recipients.push_back(std::move(recipient));
  dsn.returned = mail_.header;
  sent_.push_back({"", mail_.sender, message::make_dsn(dsn)});
}

}  // namespace posthorn::sieve::suite
