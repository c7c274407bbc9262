#include "process/listeners.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "process/control_rights.h"

namespace posthorn::process {

void Listeners::serve(net::Scope& scope, const net::Listener::Options& options,
                      const net::Listener::Session& session) {
  ASSERT(!is_control(options.name));  // nobody would look who asks
  const auto given = sockets_.extract(options.name);
  if (given.empty()) return;
  for (File& socket : given.mapped()) {
    listeners_.push_back(
        std::make_unique<net::Listener>(scope, std::move(socket), options, session));
    listeners_.back()->start();
  }
}

void Listeners::serve_desk(net::Scope& scope, const std::string& name, const Desk& desk) {
  const auto given = sockets_.extract(name);
  if (given.empty()) return;
  for (File& socket : given.mapped()) {
    const auto session = [name, desk, owner = owner_of(socket)](net::StreamPtr stream) {
      net::LineGate gate = gate_of(name, stream->peer(), owner);
      return desk(std::move(stream), std::move(gate));
    };
    listeners_.push_back(std::make_unique<net::Listener>(
        scope, std::move(socket), net::Listener::Options{.name = name}, session));
    listeners_.back()->start();
  }
}

void Listeners::answer(net::Scope& scope, const std::string& name,
                       const net::LineHandler& handler) {
  serve_desk(scope, name, [&scope, handler](net::StreamPtr stream, net::LineGate gate) {
    return net::serve_lines(scope, std::move(stream), handler, std::move(gate));
  });
}

void Listeners::answer(net::Scope& scope, RoleKind role, std::string_view kind,
                       const net::LineHandler& handler) {
  const std::string prefix = fmt::format("{}-", to_string(role));
  const std::string suffix = fmt::format(".{}.sock", kind);
  for (const std::string& name : names())
    if (name.starts_with(prefix) && name.ends_with(suffix)) answer(scope, name, handler);
}

void Listeners::stop() {
  for (const auto& listener : listeners_) listener->stop();
}

std::vector<std::string> Listeners::names() const {
  std::vector<std::string> names;
  for (const auto& [name, files] : sockets_) names.push_back(name);
  return names;
}

net::ConnectionLimits::Options connection_limits(
    const config::Limits& limits, std::function<bool(const std::string& address)> is_exempt) {
  return {.per_address_max = limits.connections_per_address_max,
          .per_minute_max = limits.connections_per_minute_max,
          .per_ipv4_24_max = limits.connections_per_ipv4_24_max,
          .per_ipv6_56_max = limits.connections_per_ipv6_56_max,
          .per_ipv6_48_max = limits.connections_per_ipv6_48_max,
          .loopback_exempt = false,  // it stands in the list, or does not
          .exempt = std::move(is_exempt)};
}

}  // namespace posthorn::process
