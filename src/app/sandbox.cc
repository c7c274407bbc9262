#include "app/sandbox.h"

#include <cerrno>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace posthorn::app {

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
  return Account{entry.pw_uid, entry.pw_gid};
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

Result<> become(const std::string& account) {
  if (geteuid() != 0) return {};
  TRY(const Account to, find_account(account));
  if (initgroups(account.c_str(), to.gid) != 0) return fail_errno("initgroups", account, errno);
  if (setresgid(to.gid, to.gid, to.gid) != 0) return fail_errno("setresgid", account, errno);
  if (setresuid(to.uid, to.uid, to.uid) != 0) return fail_errno("setresuid", account, errno);
  // Cannot come back: if it could, the drop did not hold.
  if (to.uid != 0 && setuid(0) == 0) return fail(ErrorKind::permanent, "the privileges came back");
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
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  return {};
}

}  // namespace posthorn::app
