// `sendmail`, as thousands of programs know it: the program under that name submits mail from
// standard input to the running server over submit.sock. It has no privileges and keeps nothing:
// who writes is known to the server from the kernel (SO_PEERCRED), so it opens no relay; a server
// that does not run is exit status 75, and the caller still has the mail. A folder that everybody
// may write into (a maildrop) would need a program with privileges to guard it.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

// What the arguments say.
struct SendmailOptions {
  enum class Mode { submit, smtp, list_queue, flush_queue, aliases, daemon } mode = Mode::submit;
  std::string config_file;  // -C
  std::string sender;       // -f; "<>": nobody
  bool has_sender = false;
  std::string sender_name;        // -F
  bool takes_recipients = false;  // -t
  bool ignores_dots = false;      // -i, -oi
  bool is_verbose = false;        // -v
  std::string notify;             // -N never, or some of failure,delay,success
  std::string return_what;        // -R full, hdrs
  std::string envelope_id;        // -V
  std::vector<std::string> recipients;
};
// The Error (protocol) is what is wrong with the arguments.
Result<SendmailOptions> parse_sendmail_arguments(const std::vector<std::string>& arguments);

// argv[0] and on. Returns a status of sysexits.h.
int run_sendmail(const std::vector<std::string>& arguments);

}  // namespace posthorn::tools
