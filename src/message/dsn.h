// Delivery status notifications: multipart/report as RFC 3461, 3462 and 3464 have it. What a remote
// server said is a stranger's text: bounded and cleaned before it goes in.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "message/envelope.h"

namespace posthorn::message {

inline constexpr std::size_t kReturnedMax = 50U << 10U;  // of the message that comes back

struct DsnRecipient {
  Recipient recipient;
  std::string status;      // "5.1.1"
  std::string diagnostic;  // "550 5.1.1 User unknown"; empty: none
  std::string remote;      // who said it; empty: nobody
  std::string reason;      // for people
};

struct Dsn {
  // relayed: passed on to a system that sends no notices itself (RFC 3464 section 2.3.3)
  enum class Kind { failed, delayed, delivered, relayed };
  Kind kind = Kind::failed;
  std::string hostname;
  Envelope envelope;  // of the message that is spoken of
  WallTime arrived{};
  WallTime now{};
  WallTime retry_until{};  // delayed: when it will be given up
  std::vector<DsnRecipient> recipients;
  std::string returned;  // the message's header, or all of it (CRLF); cut at kReturnedMax
  bool is_whole = false;
};

// The whole notification, CRLF lines.
std::string make_dsn(const Dsn& dsn);

}  // namespace posthorn::message
