// `posthorn explain rcpt|send|relay`: what the server would do with a mail and because of which
// line, row or setting. The running server is asked; where none runs, this process reads the same
// files and decides by the same code (route/explainer.h).
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct ExplainOptions {
  std::string address;  // of the recipient
  std::string account;  // of who sends
  std::string sender;   // "<>": the null sender; empty: any
  std::string client;   // the address that it comes from
  std::string mail;     // its queue id, or its Message-ID
  bool json = false;
};

// Exit statuses of all: 0 it is taken, 1 it is refused, 75 that could not be asked.
inline constexpr int kExitUnasked = 75;  // sysexits(3): EX_TEMPFAIL

int explain_recipient(const config::Config& config, const ExplainOptions& options);
int explain_submission(const config::Config& config, const ExplainOptions& options);
int explain_relay(const config::Config& config, const ExplainOptions& options);

}  // namespace posthorn::tools
