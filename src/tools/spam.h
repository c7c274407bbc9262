// `posthorn spam …`: what the spam filter says of a mail and why, and what it was asked and taught.
#pragma once

#include "config/config.h"

namespace posthorn::tools {

struct SpamOptions {
  Path mail;         // a file, "-": standard input; else the id of a mail that has come
  std::string user;  // whose preferences; empty: as filter.user says
  bool json = false;
};

// Score, each rule that hit with its points and description, and what the administrator's scripts
// do with such a mail.
inline constexpr const char* kSpamStatuses =
    "Exit status: 0 it is no spam; 1 it is spam; 2 nobody could say, and the cause is told.";
int explain_spam(const config::Config& config, const SpamOptions& options);
// What the running server has counted since it was started.
int print_spam_stats(const config::Config& config, const SpamOptions& options);

}  // namespace posthorn::tools
