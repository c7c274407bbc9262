#include "process/sandbox.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace posthorn::process {
namespace {

using CapabilitySets =
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;  // capget(2), low half first

// A change from root takes every capability along; one between two other accounts takes none, so it
// is done by hand.
Result<> drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const CapabilitySets none{};
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (::syscall(SYS_capset, &header, none.data()) != 0) return fail_errno("capset", "", errno);
  return {};
}

Result<> take_groups(const std::string& account, gid_t own, const KeyGroup& key_group) {
  if (initgroups(account.c_str(), own) != 0) return fail_errno("initgroups", account, errno);
  if (key_group.name.empty()) return {};
  TRY(const auto key_gid, find_group(key_group.name));
  if (!key_gid || *key_gid == own) return {};
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, getgroups(0, nullptr))));
  if (getgroups(static_cast<int>(groups.size()), groups.data()) < 0)
    return fail_errno("getgroups", account, errno);
  std::erase(groups, *key_gid);
  if (key_group.is_member) groups.push_back(*key_gid);
  if (setgroups(groups.size(), groups.data()) != 0) return fail_errno("setgroups", account, errno);
  return {};
}

}  // namespace

bool may_change_account() {
  if (geteuid() == 0) return true;  // and if a capability is missing, the change fails loudly
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  CapabilitySets sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  constexpr unsigned kNeeded = (1U << CAP_SETUID) | (1U << CAP_SETGID);
  return (sets[0].effective & kNeeded) == kNeeded;
}

Result<Account> find_account(const std::string& name) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (const int error = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      error != 0)
    return fail_errno("getpwnam", name, error);
  if (found == nullptr)
    return fail(ErrorKind::config,
                fmt::format("there is no system account {}; scripts/setup --accounts or the "
                            "package makes it, or name another in [users]",
                            name));
  return Account{entry.pw_uid, entry.pw_gid, entry.pw_dir};
}

Result<std::optional<unsigned>> find_group(const std::string& name) {
  std::vector<char> buffer(65'536);
  group entry{};
  group* found = nullptr;
  if (const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
      error != 0 && error != ENOENT)
    return fail_errno("getgrnam", name, error);
  if (found == nullptr) return std::nullopt;
  return entry.gr_gid;
}

Result<std::string> find_login_name(uid_t uid) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (const int error = getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
      error != 0 && error != ENOENT)
    return fail_errno("getpwuid", fmt::format("{}", uid), error);
  if (found == nullptr) return fmt::format("uid{}", uid);
  return std::string(entry.pw_name);
}

Result<> become(const std::string& account, const KeyGroup& key_group) {
  if (!may_change_account()) return {};
  TRY(const Account to, find_account(account));
  TRY_OK(take_groups(account, to.gid, key_group));
  if (setresgid(to.gid, to.gid, to.gid) != 0) return fail_errno("setresgid", account, errno);
  if (setresuid(to.uid, to.uid, to.uid) != 0) return fail_errno("setresuid", account, errno);
  TRY_OK(drop_capabilities());
  // Cannot come back: if it could, the drop did not hold.
  if (to.uid != 0 && setuid(0) == 0) return fail(ErrorKind::permanent, "the privileges came back");
  // Libraries look for files of the user's: root's are none of the role's, and what may not be read
  // is an error to them (libpq with TLS).
  ::setenv("HOME", to.home.c_str(), 1);
  ::setenv("USER", account.c_str(), 1);
  ::setenv("LOGNAME", account.c_str(), 1);
  return {};
}

Result<> restrict_process() {
  umask(0077);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_errno("prctl", "no_new_privs", errno);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  // The leak checker of a sanitizer build traces its own process, which this would forbid.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("prctl", "dumpable", errno);
#endif
  return {};
}

Result<> take_descriptors(std::string_view whoever, std::size_t needed) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return fail_errno("getrlimit", "NOFILE", errno);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return fail_errno("getrlimit", "NOFILE", errno);
  if (files.rlim_cur >= needed) return {};
  return fail(ErrorKind::config,
              fmt::format("{} needs {} open files and may have {}: raise the limit (LimitNOFILE= "
                          "of systemd, ulimit -n of a shell, --ulimit nofile= of a container)",
                          whoever, needed, files.rlim_cur));
}

}  // namespace posthorn::process
