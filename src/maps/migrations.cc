#include "maps/migrations.h"

#include <algorithm>

namespace posthorn::maps {

bool asks_pgsql(const config::Config& config, Question question) {
  const config::Maps& maps = config.maps;
  const auto is_pgsql = [](const std::string& name) { return name.starts_with("pgsql:"); };
  const auto has = [&](const std::vector<std::string>& names) {
    return std::ranges::any_of(names, is_pgsql);
  };
  switch (question) {
    case Question::domains:
      return has(maps.domains);
    case Question::mailboxes:
      return has(maps.mailboxes);
    case Question::aliases:
      return has(maps.aliases);
    case Question::senders:
      return has(maps.senders);
    case Question::transport:
      return has(maps.transport);
    case Question::sender_relays:
      return has(maps.sender_relays);
    case Question::relay_sasl:
      return is_pgsql(maps.relay_sasl);
    case Question::vusers:
      return has(maps.vusers);
    case Question::users:
    case Question::quotas:
      return config.auth.users == config::UserSource::pgsql;
  }
  return false;
}

bool uses_pgsql(const config::Config& config) {
  return std::ranges::any_of(kPgsqlTables, [&](const PgsqlTableShape& shape) {
    return asks_pgsql(config, shape.question);
  });
}

}  // namespace posthorn::maps
