#include "process/folders.h"

#include <cerrno>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "base/events.h"
#include "base/log.h"
#include "process/key_keeper.h"
#include "process/sandbox.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {

// The group is the role's own, or another that exists.
Result<> own(const Path& path, const config::Config& config, RoleKind role, mode_t mode,
             const std::string& group = {}) {
  TRY_OK(make_folders(Disk::real(), path, 0711));
  if (!may_change_account()) return {};
  TRY(const Account account, find_account(user_of(config, role)));
  std::optional<unsigned> other;
  if (!group.empty()) {
    TRY(other, find_group(group));
  }
  const gid_t gid = other.value_or(account.gid);
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return fail_errno("stat", path.native(), errno);
  // A system's own folder, /var/mail, is shared: one that the role's group may write to stays.
  if (st.st_gid == account.gid && (st.st_mode & S_IWGRP) != 0) return {};
  // Already as it should be: a supervisor that is not root may not change it, and need not.
  if (st.st_uid == account.uid && st.st_gid == gid && (st.st_mode & 07777U) == mode) return {};
  if (::chown(path.c_str(), account.uid, gid) != 0 || ::chmod(path.c_str(), mode) != 0)
    return fail_errno("chown", path.native(), errno);
  return {};
}

}  // namespace

Result<> give_to_queue(const Path& path, const config::Config& config, mode_t mode) {
  if (geteuid() == 0) {
    TRY(const Account queue, find_account(config.users.queue));
    if (::chown(path.c_str(), 0, queue.gid) != 0) return fail_errno("chown", path.native(), errno);
  }
  if (::chmod(path.c_str(), mode) != 0) return fail_errno("chmod", path.native(), errno);
  return {};
}

Result<> make_key_folder(const Path& path, const config::Config& config) {
  TRY(const auto there, find_file_info(path));
  if (there) return {};
  TRY_OK(make_folders(Disk::real(), path, 0750));
  return give_to_queue(path, config, 0750);
}

Result<> prepare_folders(const config::Config& config) {
  // Where it may not be made there are no keys yet, and mail goes unsigned.
  (void)make_key_folder(config.dkim.folder, config);
  // As above: then there is no certbot that writes into it.
  (void)make_folders(Disk::real(), config.web.webroot, 0755);
  TRY_OK(make_folders(Disk::real(), config.paths.run, 0711));
  TRY_OK(own(config.paths.spool, config, RoleKind::queue, 0700));
  // Unix users pass through it to their own.
  // There before a role's fence is put up: what is laid into it later can be read.
  if (geteuid() == 0) TRY_OK(make_folders(Disk::real(), KeyKeeper::folder_of(config), 0711));
  // acme writes it, and who serves TLS reads what lies in it.
  if (has_acme(config))
    TRY_OK(own(config.paths.acme, config, RoleKind::acme, 0750, config.users.tls_group));
  // Where it may not be made, a start with a fault has no form of before to fall back on.
  const auto state = [&]() -> Result<> {
    TRY_OK(make_folders(Disk::real(), config.paths.state, 0711));
    TRY_OK(own(config.paths.state / "lookup", config, RoleKind::lookup, 0700));
    TRY_OK(own(config.paths.state / "store", config, RoleKind::store, 0700));
    if (!has_trail(config)) return {};
    return own(trail_folder(config), config, RoleKind::trail, 0700);
  };
  if (const auto made = state(); !made)
    log::Logger{}.warn(event::files_unkept, {{"error", made.error().what}});
  return own(config.paths.mail, config, RoleKind::store, config.store.unix_users ? 0711 : 0700);
}

}  // namespace posthorn::process
