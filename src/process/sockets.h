// Every socket of the server in one table: its name (LISTEN_FDNAMES), where it is bound, which role
// listens on it and which one role may connect. The supervisor binds them all; roles take theirs by
// name, so systemd can bind them too.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "net/placement.h"
#include "net/socket.h"
#include "process/sandbox.h"

namespace posthorn::process {

enum class RoleKind { edge, lookup, queue, store, web, trail, acme };
inline constexpr RoleKind kRoleKinds[] = {RoleKind::edge,  RoleKind::lookup, RoleKind::queue,
                                          RoleKind::store, RoleKind::web,    RoleKind::trail,
                                          RoleKind::acme};
std::string_view to_string(RoleKind kind);
std::optional<RoleKind> find_role(std::string_view name);
// The system account of a role, when the server is started as root.
std::string user_of(const config::Config& config, RoleKind role);
// edge reads the TLS key, and web if it serves https; acme hands over those that it got.
KeyGroup key_group_of(const config::Config& config, RoleKind role);

inline constexpr std::size_t kAllWorkers = static_cast<std::size_t>(-1);  // share it

struct SocketSpec {
  std::string name;  // "smtp", "lookup-edge.sock", "store-0.lmtp.sock"
  net::Address address;
  RoleKind role;
  std::size_t worker = 0;               // which one of the role
  std::optional<RoleKind> client = {};  // Unix sockets: who may connect; unset: root only (control)
  mode_t mode = 0600;                   // 0666: every program of this machine
};

// Where a role tells the web role how it is: "queue.web.sock", "store-0.web.sock".
std::string web_socket(RoleKind role, std::size_t worker);
Result<std::vector<SocketSpec>> list_sockets(const config::Config& config);

// Descriptors that a role was given, by name; a name may have several.
using SocketMap = std::map<std::string, std::vector<File>>;
// From LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds(3)); removes the variables.
Result<SocketMap> take_inherited_sockets();
// A descriptor that the supervisor gave its role, by the variable that tells its number; not open:
// it gave none. Removes the variable.
File take_inherited(const char* variable);
// A socket that was handed over under a name that nobody asks for would be silently deaf.
Result<> check_inherited(const std::vector<SocketSpec>& specs, const SocketMap& inherited);
// Takes one of the name, if there is any left.
std::optional<File> take_socket(SocketMap& inherited, const std::string& name);

// Users teach the spam filter: there is one, and filter.learn is on.
bool has_lessons(const config::Config& config);

// A machine that was set up for the other roles by an earlier version lacks the trail's account:
// then the server goes without. To be asked once, before anything is made of the configuration and
// before a fence is up.
void look_for_trail_account(config::Config& config);
// The same of the role that gets certificates.
void look_for_acme_account(config::Config& config);
// Certificates are got by ACME.
bool has_acme(const config::Config& config);
// The trail of mails is kept.
bool has_trail(const config::Config& config);
Path trail_folder(const config::Config& config);
// The roles that tell it of mails, and as whose word it counts.
struct TrailSource {
  RoleKind role;
  log::Senders sender;
};
std::span<const TrailSource> trail_sources();
std::string trail_socket(RoleKind source);  // "trail-edge.sock"

net::Address run_socket(const config::Config& config, std::string_view name);

// One process of the server, where each role is one or several.
struct Worker {
  RoleKind role;
  std::size_t number = 0;  // of the role, from 0
};
// All of them, in the order in which they are started. Nothing else counts workers.
std::vector<Worker> list_workers(const config::Config& config);

// The accounts of this machine, each in one of the store's workers.
class LocalPlacement final : public net::Placement {
 public:
  explicit LocalPlacement(const config::Config& config) : config_(config) {}
  net::Task<net::Address> find_address(std::string account,
                                       net::AccountService service) const override;

 private:
  const config::Config& config_;
};

}  // namespace posthorn::process
