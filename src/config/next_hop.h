// NextHop: a host that mail is handed to, as relayhost, maps/transport and maps/relay-sasl name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace posthorn::config {

// "[smtp.sendgrid.net]:587", "smtp.example.org:25", "example.org": host, port, and whether its MX
// is meant.
struct NextHop {
  std::string host;
  std::uint16_t port = 25;
  bool use_mx = false;
};
std::optional<NextHop> parse_next_hop(std::string_view text);

// This server itself, by its name or over loopback at one of its ports: mail that is sent there
// comes back until its Received fields are too many.
bool is_own_entrance(const config::Config& config, const NextHop& hop);

}  // namespace posthorn::config
