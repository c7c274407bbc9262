#include "app/command_rights.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "process/admin_group.h"
#include "process/instance.h"

namespace posthorn::app {
namespace {

// What reads the maps alone is everybody's, who may read them; `serve` has its rights from whoever
// starts it.
constexpr std::pair<std::string_view, ForWhom> kCommands[] = {
    {"serve", ForWhom::all},
    {"confined", ForWhom::all},
    {"postmap", ForWhom::all},
    {"alias list", ForWhom::all},
    {"alias add", ForWhom::all},
    {"alias remove", ForWhom::all},
    {"domain list", ForWhom::all},
    {"domain add", ForWhom::all},
    {"domain remove", ForWhom::all},
    {"status", ForWhom::admins},
    {"trace", ForWhom::admins},
    {"explain rcpt", ForWhom::admins},
    {"explain send", ForWhom::admins},
    {"explain relay", ForWhom::admins},
    {"explain login", ForWhom::admins},
    {"explain spam", ForWhom::admins},
    {"explain filed", ForWhom::admins},
    {"queue list", ForWhom::admins},
    {"queue show", ForWhom::admins},
    {"user list", ForWhom::admins},
    {"quota list", ForWhom::admins},
    {"certificate list", ForWhom::admins},
    {"ban list", ForWhom::admins},
    {"sieve list", ForWhom::admins},
    {"sieve show", ForWhom::admins},
    {"sieve test", ForWhom::admins},
    {"vacation show", ForWhom::admins},
    {"spam explain", ForWhom::admins},
    {"spam stats", ForWhom::admins},
};

// One sentence, in place of a fault for each file and socket that is closed.
void tell_it_is_roots(const config::Config& config) {
  fmt::print(
      stderr,
      "posthorn: this is for root: {} and the server's sockets are closed to other accounts; "
      "say it with sudo, or as root\n",
      config.paths.users.native());
}

}  // namespace

ForWhom for_whom(std::string_view command) {
  const auto found =
      std::ranges::find(kCommands, command, [](const auto& row) { return row.first; });
  return found == std::end(kCommands) ? ForWhom::root : found->second;
}

bool is_closed_to_us(const config::Config& config, ForWhom whom) {
  if (whom == ForWhom::all || ::geteuid() == 0) return false;
  // Whose instance it is, can read all of it; with accounts in PostgreSQL there is no such file.
  if (::access(config.paths.users.c_str(), R_OK) == 0) return false;
  if (errno != EACCES && !process::is_anothers(config)) return false;
  const process::Membership membership = process::find_membership(config);
  if (whom == ForWhom::root || membership == process::Membership::no_group) {
    tell_it_is_roots(config);
    return true;
  }
  if (membership == process::Membership::member) return false;
  fmt::print(stderr, "posthorn: {}\n", process::explain_refusal(config, config.paths.run).what);
  return true;
}

}  // namespace posthorn::app
