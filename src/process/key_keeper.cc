#include "process/key_keeper.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/events.h"
#include "base/last_good.h"
#include "net/certificate_folder.h"
#include "net/tls.h"
#include "net/watched_files.h"
#include "process/eyes.h"
#include "process/sandbox.h"
#include "process/sockets.h"

namespace posthorn::process {
namespace {
constexpr std::uint64_t kFileMax = 1U << 20U;
}  // namespace

void KeyKeeper::look() {
  if (geteuid() != 0) return;
  std::vector<net::CertificateFiles> pairs = {{config_.paths.certificate, config_.paths.key}};
  if (const auto more = net::find_certificates(config_.tls.folder))
    pairs.insert(pairs.end(), more->begin(), more->end());
  for (const net::CertificateFiles& pair : pairs) {
    hand_over(pair.certificate, Half::certificate);
    hand_over(pair.key, Half::key);
  }
  is_first_ = false;
}

void KeyKeeper::hand_over(const Path& file, Half half) {
  const std::string stamp = net::stamp_of_file(file);
  // A file that somebody is still writing must look the same twice.
  const bool is_still = std::exchange(seen_[file], stamp) == stamp || is_first_;
  if (stamp == handed_[file] || !is_still || stamp == "-" || stamp == "!") return;
  handed_[file] = stamp;
  const Path place = folder_of(config_) / flat_name(file);
  const std::string group = group_of_keys(config_);
  if (how_to_open({file}, config_.users.edge, group).empty()) {  // they read it themselves
    (void)Disk::real().remove(place);
    return;
  }
  const auto say = [&](const std::string& why) {
    if (std::exchange(told_[file], why) != why)
      log_.warn(event::files_warning, {{"error", fmt::format("{}:1: {}", file.native(), why)}});
  };
  if (const auto fault = find_stranger_on_the_way(file))
    return say(
        fmt::format("only root can read it, and it is not handed to the roles that need it: "
                    "{}; {}",
                    *fault, how_to_open({file}, config_.users.edge, group)));
  std::error_code error;
  const Path real = std::filesystem::canonical(file, error);
  const auto text = read_file(error ? file : real, kFileMax);
  if (!text || !*text) return say(text ? "there is no such file" : text.error().what);
  if (const auto copied = copy(file, **text, half); !copied) say(copied.error().what);
}

Result<> KeyKeeper::copy(const Path& from, const std::string& text, Half half) const {
  const Path folder = folder_of(config_);
  TRY_OK(make_folders(Disk::real(), folder, 0711));
  // Made by somebody else, it would be his to change.
  struct stat st{};
  if (::lstat(folder.c_str(), &st) != 0) return fail_errno("stat", folder.native(), errno);
  if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(ErrorKind::config, fmt::format("{} is not root's alone", folder.native()));
  TRY(const auto gid, find_group(config_.users.tls_group));
  TRY(const Account edge, find_account(config_.users.edge));
  const Path made = folder / (flat_name(from) + ".made");
  TRY_OK(replace_file(Disk::real(), made, text, 0600));
  if (::chown(made.c_str(), 0, gid ? *gid : edge.gid) != 0 ||
      ::chmod(made.c_str(), half == Half::key ? 0640 : 0644) != 0)
    return fail_errno("chown", made.native(), errno);
  return Disk::real().rename(made, folder / flat_name(from));
}

}  // namespace posthorn::process
