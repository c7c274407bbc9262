// The files that `posthorn init` writes, embedded by the build from maps/, sieve/ and conf/.
#pragma once

#include <string_view>

namespace posthorn::tools {

// name: "domains", "mailboxes", "aliases", "relay-sasl", "senders", "transport", "vusers", "users",
// "smtp_users", "default.sieve", and the profiles "default.toml", "dev.toml", ….
std::string_view template_text(std::string_view name);

}  // namespace posthorn::tools
