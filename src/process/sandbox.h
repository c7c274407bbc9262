// The five lines every role begins with: become its own user, give up what it does not need, for
// good.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace posthorn::process {

// Root, or an account that was given CAP_SETUID and CAP_SETGID (as deploy/systemd does): roles get
// accounts of their own.
bool may_change_account();
// Who may read the TLS key is a group of its own: an account's group would open its sockets, too.
struct KeyGroup {
  std::string name;        // one that does not exist is nobody's
  bool is_member = false;  // whatever the account's own groups are
};
// Takes uid, gid and groups of the account, and gives up every capability. Where accounts cannot be
// changed there is nothing to give up but new privileges.
Result<> become(const std::string& account, const KeyGroup& key_group = {});
// No new privileges, no core dumps that hold mail or keys, umask 0077.
Result<> restrict_process();
// Takes descriptors up to the hard limit. An Error: they are fewer than whoever (a role's name)
// needs, and it says how many those are.
Result<> take_descriptors(std::string_view whoever, std::size_t needed);
struct Account {
  unsigned uid = 0;
  unsigned gid = 0;
  std::string home;
};
Result<Account> find_account(const std::string& name);
Result<std::optional<unsigned>> find_group(const std::string& name);
// The login name of a uid, "uid1234" if it has none. Blocks.
Result<std::string> find_login_name(uid_t uid);

}  // namespace posthorn::process
