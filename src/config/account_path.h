// The folder of an account, as paths.mail and store.location say.
#pragma once

#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::config {

// Where an account's mail lies: location with {domain} {user} {account} replaced, below root. What
// is put in is of [a-z0-9._+=-] (and the @ of {account}); other printable characters of a user
// stand as %xx. An empty part or one with control characters or capitals is a permanent Error.
Result<Path> account_path(const Path& root, std::string_view location, std::string_view account);

}  // namespace posthorn::config
