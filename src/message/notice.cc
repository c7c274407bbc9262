#include "message/notice.h"

#include <fmt/format.h>

#include "message/compose.h"
#include "message/received.h"

namespace posthorn::message {

// RFC 3834 section 5: what no person wrote says so.
std::string make_notice(const Notice& notice, WallTime now) {
  std::string out = fmt::format("From: \"Mail Delivery System\" <postmaster@{}>\r\nTo: <{}>\r\n",
                                notice.hostname, notice.to);
  out += text_field("Subject", notice.subject);
  out += fmt::format("Date: {}\r\nMessage-ID: {}\r\n", format_rfc5322(now),
                     make_message_id(notice.hostname, now));
  out += "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n";
  return out + text_part(notice.text);
}

}  // namespace posthorn::message
