// The accounts and relay logins that the environment names, as containers do it: made, or given
// their password, each time the server starts, in the same files that `posthorn user` edits.
// Passwords are hashed where the file holds hashes, and leave the environment before a role is
// started.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/environment.h"

namespace posthorn::tools {

// What the environment says and what becomes of it, a sentence each; no passwords in them.
std::vector<std::string> describe_variables(const config::Config& config,
                                            const config::Variables& variables);
// Accounts that cannot be made, because their table is not a file: each with what to do.
std::vector<std::string> find_variable_faults(const config::Config& config,
                                              const config::Variables& variables);
// Edits conf/users, conf/smtp_users, maps/mailboxes, maps/vusers and maps/relay-sasl where they do
// not say the same already.
Result<> apply_accounts(const config::Config& config, const config::Variables& variables);
// Reads NAME__FILE and NAME_SECRET of those variables, applies them, and takes them out of this
// process' environment.
Result<> take_accounts(const config::Config& config);

}  // namespace posthorn::tools
