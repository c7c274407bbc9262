// Local mail: what `sendmail` makes of the text a program gave it before it is submitted: who gets
// it (arguments, or the header with -t), the fields it lacks (RFC 5322 section 3.6), CRLF line
// ends. Bcc is taken out with -t. Sans-I/O; the text is a local program's and may be anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace posthorn::message {

struct LocalMail {
  std::string_view text;
  std::vector<std::string> recipients;  // from the arguments; each may be a list "a, b"
  bool takes_recipients = false;        // -t: from To, Cc and Bcc as well
  std::string sender;                   // for a From that is missing: "alice@example.org"
  std::string sender_name;              // UTF-8; may be empty
  std::string domain;                   // of names that have none
};

struct PreparedMail {
  std::vector<std::string> recipients;  // each once, whole addresses, in the order of their naming
  std::string text;                     // CRLF lines, the last one whole
  bool is_eight_bit = false;
};

// The Error names an address that is none (protocol).
Result<PreparedMail> prepare_local_mail(const LocalMail& mail);

// A text up to a line that holds a dot alone (sendmail without -i); the whole if there is none.
std::string_view up_to_dot(std::string_view text);

}  // namespace posthorn::message
