// Reply: what an SMTP or LMTP server says (RFC 5321 section 4.2, enhanced codes RFC 3463), to write
// and to read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace posthorn::smtp {

struct Reply {
  int code = 0;
  std::string enhanced;  // "5.1.1"; empty: none
  std::string text;      // lines separated by \n; no other control characters
  bool is_positive() const { return code >= 200 && code < 400; }
  bool is_done() const { return code >= 200 && code < 300; }  // not "go on"
  bool is_transient() const { return code >= 400 && code < 500; }
  bool is_permanent() const { return code >= 500; }
  bool operator==(const Reply&) const = default;
};

// "250-2.1.0 first\r\n250 2.1.0 last\r\n"
std::string format_reply(const Reply& reply);
// "550 5.1.1 User unknown", on one line, for logs and DSNs.
std::string to_string(const Reply& reply);

// The client's side: fed with lines, gives the reply when it is whole. A server that never ends is
// cut: at most 1 KiB of text is kept and 200 lines are read.
class ReplyParser {
 public:
  // line without CRLF. nullopt: more lines follow. An Error (protocol): this is no SMTP reply.
  Result<std::optional<Reply>> feed(std::string_view line);

 private:
  Reply reply_;
  int lines_ = 0;
};

}  // namespace posthorn::smtp
