#include "config/next_hop.h"

#include <algorithm>

#include "base/ascii.h"

namespace posthorn::config {

std::optional<NextHop> parse_next_hop(std::string_view text) {
  NextHop hop;
  hop.use_mx = true;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    hop.host = text.substr(1, end - 1);
    hop.use_mx = false;
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    hop.host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (hop.host.empty()) return std::nullopt;
  if (!port.empty()) {
    port.remove_prefix(1);
    hop.port = to_number<std::uint16_t>(port).value_or(0);
    if (hop.port == 0) return std::nullopt;
  }
  return hop;
}

bool is_own_entrance(const config::Config& config, const NextHop& hop) {
  const std::string host = to_lower(hop.host);
  const bool is_loopback = host == "localhost" || host == "::1" || host.starts_with("127.");
  if (!is_loopback && host != to_lower(config.server.hostname)) return false;
  for (const auto* list :
       {&config.listen.smtp, &config.listen.submission, &config.listen.submissions})
    for (const std::string_view address : *list)
      if (to_number<std::uint16_t>(address.substr(address.rfind(':') + 1)) == hop.port) return true;
  return false;
}

}  // namespace posthorn::config
