// One attempt: a message, some of its recipients that go the same way, and what became of each.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "message/envelope.h"
#include "net/task.h"
#include "route/directory.h"
#include "smtp/proto/reply.h"

namespace posthorn::deliver {

// The message: fields to put in front, then a range of a file with CRLF lines. Read in pieces,
// never held whole.
struct Body {
  Path file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string prefix;
  bool is_ours = false;  // a user of ours sends it, or we do: it may be signed in our name
  std::string queue_id = {};
  struct Range {
    std::uint64_t begin = 0, size = 0;  // from offset on
  };
  std::vector<Range> left_out = {};  // in order, none touching another

  // Of all that is sent.
  std::uint64_t text_size() const {
    std::uint64_t whole = prefix.size() + size;
    for (const Range& range : left_out) whole -= range.size;
    return whole;
  }
};

struct Outcome {
  enum class Kind { delivered, deferred, failed };
  Kind kind = Kind::deferred;
  smtp::Reply reply;     // code 0: there was none, reason says why
  std::string reason;    // for the log and the queue list
  std::string remote;    // who said it: "smtp.example.org[192.0.2.1]:25"; empty: nobody was reached
  std::string tls = {};  // "TLSv1.3", of the connection to it; empty: none
  // The next hop knows DSN and was told what the sender wants to be told: it answers for it now.
  bool takes_notices = false;
  bool is_last_word = false;  // deferred, and no other host is to be asked in this attempt
};

struct Attempted {
  std::vector<Outcome> outcomes;  // one a recipient, in order
  bool destination_down =
      false;  // nobody could be reached: others for the same destination may wait, too
  bool login_refused =
      false;  // the smarthost refused our credentials: an alarm, and everything is kept
};

class Transport {
 public:
  virtual ~Transport() = default;
  // envelope.recipients are those of this attempt, all with this plan.
  virtual net::Awaitable<Attempted> attempt(route::Plan plan, message::Envelope envelope, Body body,
                                            std::string queue_id) = 0;
};

}  // namespace posthorn::deliver
