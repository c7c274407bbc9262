#include "app/srs_secret.h"

#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

#include "app/sandbox.h"
#include "base/ids.h"

namespace posthorn::app {

Result<bool> make_srs_secret(const config::Config& config) {
  const Path& path = config.srs.secret_file;
  TRY(const auto there, find_file_info(path));
  if (there) return false;
  TRY_OK(make_folders(Disk::real(), path.parent_path(), 0755));
  const std::string text = fmt::format(
      "# Secrets of rewritten senders (srs.domain): the first one signs, all are taken. To change "
      "it,\n# put a new one above it, and take the old one out three weeks later.\n{}\n",
      random_hex(24));
  TRY_OK(replace_file(Disk::real(), path, text, 0640));
  if (!may_change_account()) return true;
  TRY(const Account lookup, find_account(config.users.lookup));
  if (::chown(path.c_str(), static_cast<uid_t>(-1), lookup.gid) != 0)
    return fail_errno("chown", path.native(), errno);
  return true;
}

}  // namespace posthorn::app
