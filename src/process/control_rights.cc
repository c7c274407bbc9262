#include "process/control_rights.h"

#include <algorithm>
#include <sys/socket.h>
#include <unistd.h>

#include "base/events.h"

namespace posthorn::process {
namespace {

bool is_of(const ControlVerb& row, std::string_view socket) {
  return row.socket.starts_with('.') ? socket.ends_with(row.socket) : socket == row.socket;
}

net::Message refusal(const std::string& socket, const std::string& verb, const net::Peer& peer) {
  log::Logger{}.warn(event::control_refused, {{"socket", socket},
                                              {"verb", verb.substr(0, 50)},
                                              {"uid", peer.uid ? std::to_string(*peer.uid) : "-"}});
  return net::Message("refused").add("error",
                                     "this is for root and the server's own account, not for the "
                                     "administrators' group; say it with sudo, or as root");
}

}  // namespace

bool is_control(std::string_view socket) {
  return std::ranges::any_of(kControlVerbs,
                             [&](const ControlVerb& row) { return is_of(row, socket); });
}

Effect effect_of(std::string_view socket, std::string_view verb) {
  const auto row = std::ranges::find_if(kControlVerbs, [&](const ControlVerb& each) {
    return is_of(each, socket) && each.verb == verb;
  });
  return row == std::end(kControlVerbs) ? Effect::changes : row->effect;
}

std::uint32_t owner_of(const File& listening) {
  ucred owner{};
  socklen_t size = sizeof owner;
  if (::getsockopt(listening.fd(), SOL_SOCKET, SO_PEERCRED, &owner, &size) != 0) return 0;
  return owner.uid;
}

net::LineGate gate_of(const std::string& socket, const net::Peer& peer, std::uint32_t owner) {
  if (!is_control(socket)) return {};
  if (peer.uid && (*peer.uid == 0 || *peer.uid == owner)) return {};
  return [socket, peer](const net::Message& request) -> std::optional<net::Message> {
    if (effect_of(socket, request.verb) == Effect::shows && !request.find("password"))
      return std::nullopt;
    return refusal(socket, request.verb, peer);
  };
}

}  // namespace posthorn::process
