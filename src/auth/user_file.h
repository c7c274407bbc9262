// conf/users: accounts in Dovecot's passwd-file form,
// user:{SCHEME}hash:uid:gid:gecos:home:shell:extra, or as in a table: user, blanks, hash. Only the
// first two fields are used; what else a line holds is kept when it is edited.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::auth {

struct UserFile {
  std::map<std::string, std::string>
      hashes;  // by lower-case user name as it stands, with or without a domain
  std::vector<std::string> faults;  // "file:line: reason"
};
UserFile parse_users(std::string_view text, const std::string& path);

// The text with one user's line set, or (no hash) gone; all other bytes stay. nullopt: no such user
// to remove.
std::optional<std::string> edit_users(std::string_view text, std::string_view user,
                                      const std::string* hash);

}  // namespace posthorn::auth
