#include "maps/migrations.h"

#include <algorithm>

namespace posthorn::maps {

bool uses_pgsql(const config::Config& config) {
  const config::Maps& maps = config.maps;
  const auto is_pgsql = [](const std::string& name) { return name.starts_with("pgsql:"); };
  for (const auto* names : maps.lists())
    if (std::ranges::any_of(*names, is_pgsql)) return true;
  return is_pgsql(maps.relay_sasl) || config.auth.users == config::UserSource::pgsql;
}

}  // namespace posthorn::maps
