// `posthorn dkim …`: makes the keys that outgoing mail is signed with, prints what DNS must say of
// them, and compares it with what it does say.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

struct DkimOptions {
  std::string domain;
  std::string selector;  // empty: "mail", for Ed25519 "mail-ed25519"
  unsigned bits = 2048;
  bool ed25519 = false;
};

int make_dkim_key(const config::Config& config, const DkimOptions& options);
// The records of one domain, or of all.
int show_dkim_keys(const config::Config& config, const DkimOptions& options);
// 1: a record is missing, is another, or could not be asked for.
int check_dkim_records(const config::Config& config, const DkimOptions& options);

// Writes a key where it is looked for, so that nobody but root and the queue's account can read it.
// One that is there is never touched: that is an error.
Result<Path> write_dkim_key(const config::Config& config, const std::string& domain,
                            const std::string& selector, const std::string& pem);
// Keys that can be used, but not by the account that signs, as "file:1: reason".
std::vector<std::string> find_closed_dkim_keys(const config::Config& config);

}  // namespace posthorn::tools
