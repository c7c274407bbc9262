// `posthorn explain login USER`: what the running server would do with a login of USER, step by
// step and because of which line or setting, and what became of the last ones. It knows no password
// but the one that it is given, and tells none.
#pragma once

#include <string>

#include "config/config.h"

namespace posthorn::tools {

struct ExplainLoginOptions {
  std::string user;
  std::string service;  // "imap"; empty: those that differ
  std::string ip;       // empty: from anywhere
  bool password_stdin = false;
  bool json = false;
};

// 0: they all log in; 1: some do not; 75: that could not be asked.
int explain_login(const config::Config& config, const ExplainLoginOptions& options);

}  // namespace posthorn::tools
