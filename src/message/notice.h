// A mail that the server itself writes to whoever looks after it, and that answers no other mail.
#pragma once

#include <string>

#include "base/clock.h"

namespace posthorn::message {

struct Notice {
  std::string hostname;
  std::string to;       // an address, without brackets
  std::string subject;  // UTF-8, of any length
  std::string text;     // UTF-8, with LF; what others said in it is made harmless
};
// The whole mail, CRLF lines.
std::string make_notice(const Notice& notice, WallTime now);

}  // namespace posthorn::message
