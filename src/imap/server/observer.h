// Observer: who is told what clients have done with messages: that they put some into a mailbox, or
// changed flags. Scripts that run at such events (RFC 6785) and the spam filter's lessons stand on
// it. IMAP knows none of them.
//
// It is told when the thing has been done and before the client hears so: what an observer writes
// down by then is not lost when the client has its OK. It may wait for the disk, never for a
// network or another role, and it cannot refuse: what goes wrong there is its own to log.
//
// Told of: APPEND, COPY, MOVE, STORE. Not of what a delivery, POP3, another program or the \Seen of
// a FETCH does, and not of an append whose UID is not known yet (store::Placed).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "net/task.h"
#include "store/account.h"

namespace posthorn::imap {

// RFC 6785 section 4.3, imap.cause. A MOVE puts messages into a mailbox as COPY does.
enum class Cause { append, copy, flag };
// "APPEND" …, as scripts read it.
std::string_view to_string(Cause cause);

struct Happening {
  Cause cause;
  store::AccountPtr account = {};
  std::string mailbox = {};           // where the messages are now, by the store's name
  std::string from = {};              // COPY, MOVE: where they were; else empty
  std::vector<store::Uid> uids = {};  // in mailbox, ascending but for COPY's
  // FLAG: what became of each message's flags, only of those where they have changed.
  std::vector<store::FlagChange> changes = {};
  store::KeywordNamesPtr keywords =
      store::KeywordNames::none();  // what those of changes are called
};

// Of one message of a FLAG. Names as clients say them, "\\Seen" and "$Junk".
struct ChangedFlags {
  std::vector<std::string> set, cleared;  // together: imap.changedflags
};
ChangedFlags changed_flags(const Happening& happening, const store::FlagChange& change);

class Observer {
 public:
  virtual ~Observer() = default;
  virtual net::Awaitable<void> see(const Happening& happening) = 0;
};

}  // namespace posthorn::imap
