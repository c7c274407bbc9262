// conf/users: accounts in Dovecot's passwd-file form,
// user:{SCHEME}hash:uid:gid:gecos:home:shell:extra, or as in a table: user, blanks, hash. Of the
// fields behind the hash only those in the last one are used that bound somebody:
// userdb_quota_rule=… and its like, nologin, allow_nets=…. What else a line holds is kept when it
// is edited, and what Dovecot would do with it is told.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "net/networks.h"

namespace posthorn::auth {

struct UserFile {
  // By lower-case user name as it stands, with or without a domain.
  using Hashes = std::map<std::string, std::string>;
  Hashes hashes;
  // nologin: the hash is one that no password has.
  std::map<std::string, net::Networks> allow_nets;  // of those who may log in from some only
  std::map<std::string, std::string> quota_rules;   // of those who have any, with blanks between
  // For who asks why: as what the file is known, the lines of hashes, and of those whose line shuts
  // somebody out the word that does.
  std::string path;
  std::map<std::string, std::size_t> lines;
  std::map<std::string, std::string> doors;
  std::vector<std::string> faults;        // "file:line: reason"
  std::vector<std::string> faulty_names;  // whose line has a fault, as far as it names somebody
  std::vector<std::string> warnings;      // rules that do not count, hashes nobody can use
  std::vector<std::string> notes;         // fields that are not used, each once
  bool is_text = true;                    // false: no line of it is known
};
UserFile parse_users(std::string_view text, const std::string& path);

// The text with one user's line set, or (no hash) gone; all other bytes stay. nullopt: no such user
// to remove.
std::optional<std::string> edit_users(std::string_view text, std::string_view user,
                                      const std::string* hash);

// The same for one user's quota rules; empty: none. nullopt: there is no such user.
std::optional<std::string> edit_quota_rules(std::string_view text, std::string_view user,
                                            std::string_view rules);

}  // namespace posthorn::auth
