#include "tools/srs_secret.h"

#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ids.h"
#include "process/sandbox.h"

namespace posthorn::tools {

Result<bool> make_srs_secret(const config::Config& config) {
  const Path& path = config.srs.secret_file;
  TRY(const auto there, find_file_info(path));
  if (there) return false;
  TRY_OK(make_folders(Disk::real(), path.parent_path(), 0755));
  const std::string text = fmt::format(
      "# Secrets of rewritten senders (srs.domain): the first one signs, all are taken. To change "
      "it,\n# put a new one above it, and take the old one out three weeks later.\n{}\n",
      random_hex(24));
  // A service that is not root may not write there.
  if (const auto written = replace_file(Disk::real(), path, text, 0640); !written)
    return fail(
        ErrorKind::config,
        fmt::format("{}:1: srs.domain needs a secret, which cannot be made here ({}); as "
                    "root: openssl rand -hex 24 | install -m 0640 -g {} /dev/stdin {}",
                    path.native(), written.error().what, config.users.lookup, path.native()));
  if (!process::may_change_account()) return true;
  TRY(const process::Account lookup, process::find_account(config.users.lookup));
  if (::chown(path.c_str(), static_cast<uid_t>(-1), lookup.gid) != 0)
    return fail_errno("chown", path.native(), errno);
  return true;
}

}  // namespace posthorn::tools
