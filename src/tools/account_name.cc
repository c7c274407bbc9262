#include "tools/account_name.h"

#include <algorithm>
#include <fmt/format.h>

#include "maps/table.h"
#include "message/mailbox_address.h"

namespace posthorn::tools {

std::string complete_account_name(const config::Config& config, std::string_view given) {
  std::string name = message::to_lower(given);
  if (name.find('@') == std::string::npos && !config.server.default_domain.empty())
    name += "@" + config.server.default_domain;
  return name;
}

Result<std::string> find_account_name(const config::Config& config, std::string_view given) {
  std::string user = complete_account_name(config, given);
  if (config.maps.mailboxes != std::vector<std::string>{"text:mailboxes"}) return user;
  const Path path = config.paths.maps / "mailboxes";
  TRY(const auto text, read_file(path));
  const maps::TextFile file = maps::parse_text(text.value_or(""), path.native());
  if (std::ranges::find(file.entries, user, &maps::Entry::key) == file.entries.end())
    return fail(ErrorKind::permanent, fmt::format("{} has no mailbox ({})", user, path.native()));
  return user;
}

}  // namespace posthorn::tools
