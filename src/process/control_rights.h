// What may be asked over the control sockets, and by whom. Questions that show something are for
// the members of users.admin_group, too; orders, and what opens users' mail, are for root and the
// account that the server runs as. Who asks is the kernel's word (SO_PEERCRED, unix(7)), never the
// connection's own. What does not stand in the table is an order: nobody need think of it.
#pragma once

#include <string_view>

#include "net/line_channel.h"

namespace posthorn::process {

enum class Effect { shows, changes };

struct ControlVerb {
  std::string_view socket;  // its name; of those that there are several of, the end of it
  std::string_view verb;
  Effect effect;
};

inline constexpr ControlVerb kControlVerbs[] = {
    {"lookup-control.sock", "bans", Effect::shows},
    {"lookup-control.sock", "accounts", Effect::shows},
    {"lookup-control.sock", "explain", Effect::shows},
    {"lookup-control.sock", "explain-login", Effect::shows},
    {"lookup-control.sock", "ban", Effect::changes},
    {"lookup-control.sock", "unban", Effect::changes},
    // A waiting message's text as well: who looks after the queue has to see what is in it.
    {"queue-control.sock", "list", Effect::shows},
    {"queue-control.sock", "dns", Effect::shows},
    {"queue-control.sock", "show", Effect::shows},
    {"queue-control.sock", "retry", Effect::changes},
    {"queue-control.sock", "hold", Effect::changes},
    {"queue-control.sock", "release", Effect::changes},
    {"queue-control.sock", "delete", Effect::changes},
    {"trail-control.sock", "status", Effect::shows},
    {"trail-control.sock", "find", Effect::shows},
    {"trail-control.sock", "mail", Effect::shows},
    {"trail-control.sock", "session", Effect::shows},
    {"trail-control.sock", "logins", Effect::shows},
    {"acme-control.sock", "status", Effect::shows},
    {"acme-control.sock", "renew", Effect::changes},
    {"acme-control.sock", "revoke", Effect::changes},
    {".reload.sock", "status", Effect::shows},
    {".reload.sock", "checks", Effect::shows},
    {".reload.sock", "metrics", Effect::shows},
    {".reload.sock", "prepare", Effect::changes},
    {".reload.sock", "commit", Effect::changes},
    {".reload.sock", "drop", Effect::changes},
    // store/transfer_desk.h. What users wrote for the server is shown, their mail is not: folders,
    // list, read.
    {".control.sock", "look", Effect::shows},
    {".control.sock", "room", Effect::shows},
    {".control.sock", "scripts", Effect::shows},
    {".control.sock", "script-text", Effect::shows},
    {".control.sock", "away", Effect::shows},
    {".control.sock", "open", Effect::changes},
};

// It stands in the table: the group may connect.
bool is_control(std::string_view socket);
Effect effect_of(std::string_view socket, std::string_view verb);

// Who called listen(2) on it: the account that the server runs as.
std::uint32_t owner_of(const File& listening);
// For one connection. Whoever may only look may not try passwords, either. Empty where the socket
// is no control socket: its one client may ask all.
net::LineGate gate_of(const std::string& socket, const net::Peer& peer, std::uint32_t owner);

}  // namespace posthorn::process
