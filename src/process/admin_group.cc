#include "process/admin_group.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/events.h"
#include "process/sandbox.h"

namespace posthorn::process {
namespace {

std::vector<gid_t> groups_of_process() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  groups.push_back(::getegid());
  return groups;
}

// As the system knows it now, which may be later than this process's login.
std::vector<gid_t> groups_of_account(const std::string& name, gid_t own) {
  constexpr int kGroupsMax = 65'536;  // NGROUPS_MAX
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(name.c_str(), own, groups.data(), &count) < 0 && count <= kGroupsMax)
    groups.resize(static_cast<std::size_t>(std::max(count, static_cast<int>(groups.size()) * 2)));
  groups.resize(static_cast<std::size_t>(std::max(0, count)));
  return groups;
}

bool holds(const std::vector<gid_t>& groups, gid_t group) {
  return std::ranges::find(groups, group) != groups.end();
}

std::optional<unsigned> find_admins(const config::Config& config) {
  if (config.users.admin_group.empty()) return std::nullopt;
  return find_group(config.users.admin_group).value_or(std::nullopt);
}

std::string own_name() {
  return find_login_name(::geteuid()).value_or("NAME");
}

}  // namespace

AdminGroup::AdminGroup(const config::Config& config)
    : name_(config.users.admin_group), gid_(find_admins(config)) {}

void AdminGroup::give(const Path& path, mode_t mode) const {
  if (!gid_) return;
  if (::chown(path.c_str(), static_cast<uid_t>(-1), *gid_) == 0 && ::chmod(path.c_str(), mode) == 0)
    return;
  if (!may_change_account()) return;  // a server of somebody's own, who is no administrator
  log::Logger{}.warn(event::files_warning,
                     {{"error", fmt::format("{}: cannot be given to the group {}: {}; put the "
                                            "server's account into it (SupplementaryGroups= of "
                                            "systemd)",
                                            path.native(), name_, std::strerror(errno))}});
}

bool AdminGroup::may_read(const Path& file) const {
  struct stat st{};
  if (!gid_ || ::stat(file.c_str(), &st) != 0) return false;
  return (st.st_mode & S_IROTH) != 0 || (st.st_gid == *gid_ && (st.st_mode & S_IRGRP) != 0);
}

Membership find_membership(const config::Config& config) {
  const auto gid = find_admins(config);
  if (!gid) return Membership::no_group;
  if (holds(groups_of_process(), *gid)) return Membership::member;
  return holds(groups_of_account(own_name(), ::getegid()), *gid) ? Membership::not_yet
                                                                 : Membership::stranger;
}

Error explain_refusal(const config::Config& config, const Path& path) {
  const std::string& group = config.users.admin_group;
  const auto because = [&](std::string why) {
    return Error{ErrorKind::temporary,
                 fmt::format("Permission denied: {} ({})", why, path.native())};
  };
  switch (find_membership(config)) {
    case Membership::no_group:
      return because("only root and the server's account may ask it; say it with sudo");
    case Membership::stranger:
      return because(
          fmt::format("you are not in the group {}, whose members may ask the server; say it with "
                      "sudo, or let root say: usermod -aG {} {}",
                      group, group, own_name()));
    case Membership::not_yet:
      return because(
          fmt::format("you came into the group {} after this login; log in again, or say it in: "
                      "newgrp {}",
                      group, group));
    case Membership::member:
      break;
  }
  return because(
      fmt::format("the server was started before there was the group {}; let root say: posthorn "
                  "restart",
                  group));
}

}  // namespace posthorn::process
