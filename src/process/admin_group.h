// The administrators' group (users.admin_group): its members may ask the running server what it
// shows (process/control_rights.h), and read what it wrote down of itself, without being root. A
// group that is not there is nobody's, and all is root's and the server's own account's.
#pragma once

#include <optional>

#include "base/file.h"
#include "config/config.h"

namespace posthorn::process {

// The server's side: what it makes it gives to the group. Who may not give files to the group (an
// account that is no member) keeps them for itself, and mail goes its way.
class AdminGroup {
 public:
  explicit AdminGroup(const config::Config& config);
  void let_ask(const Path& socket) const { give(socket, 0660); }
  void let_read(const Path& file) const { give(file, 0640); }
  // As it lies there now.
  bool may_read(const Path& file) const;

 private:
  void give(const Path& path, mode_t mode) const;
  const std::string& name_;
  std::optional<unsigned> gid_;
};

// What this process is to the group.
enum class Membership {
  no_group,
  stranger,
  not_yet,  // since its login its account became a member
  member
};
Membership find_membership(const config::Config& config);

// The words for who was refused a socket or a file of the running server.
Error explain_refusal(const config::Config& config, const Path& path);

}  // namespace posthorn::process
