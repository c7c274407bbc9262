// The files of docker-mailserver's config folder as the tables of this server: accounts with their
// hashes, aliases, and the logins and places of relays. What has no counterpart is named, not
// guessed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::tools {

struct DmsFiles {
  std::vector<std::string> domains;
  // Lines to be added to the tables of these names.
  std::string users, mailboxes, aliases, relay_sasl, sender_relays;
  // Sieve scripts by their names in the folder sieve: before.sieve, after.sieve, users/….
  std::map<std::string, std::string> scripts;
  std::string alias_patterns;  // the whole of a regexp: table; empty: none
  struct DkimKey {
    std::string domain, selector, pem;
  };
  std::vector<DkimKey> dkim_keys;
  std::vector<std::string> left_out;  // "file:line: reason"
};

// opendkim/keys/DOMAIN/SELECTOR.private are keys of DKIM.
// postfix-accounts.cf, postfix-virtual.cf, postfix-regexp.cf, postfix-sasl-password.cf,
// postfix-relaymap.cf and the Sieve scripts; each may be missing, but not all. dovecot-quotas.cf
// gives the accounts their limits.
Result<DmsFiles> read_dms_files(const Path& folder);

}  // namespace posthorn::tools
