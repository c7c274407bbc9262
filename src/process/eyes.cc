#include "process/eyes.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <set>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/sandbox.h"

namespace posthorn::process {
namespace {

constexpr char kField = '\x1F', kRecord = '\x1E';

std::string pack(const config::Findings& findings) {
  std::string bytes;
  for (const config::Finding& finding : findings)
    bytes += fmt::format("{}{}{}{}{}{}{}{}", static_cast<int>(finding.weight), kField,
                         finding.where, kField, finding.reason, kField, finding.remedy, kRecord);
  return bytes;
}

config::Findings unpack(std::string_view bytes) {
  config::Findings findings;
  while (!bytes.empty()) {
    std::string_view record = bytes.substr(0, bytes.find(kRecord));
    bytes.remove_prefix(std::min(record.size() + 1, bytes.size()));
    std::array<std::string, 4> fields;
    for (std::string& field : fields) {
      field = record.substr(0, record.find(kField));
      record.remove_prefix(std::min(field.size() + 1, record.size()));
    }
    findings.push_back(
        {fields[1], fields[2], fields[3],
         static_cast<config::Weight>(std::clamp(std::atoi(fields[0].c_str()), 0, 2))});
  }
  return findings;
}

[[noreturn]] void look_in_child(const config::Config& config, RoleKind role,
                                const std::function<config::Findings()>& look, int out) {
  config::Findings findings;
  if (const auto became = become(user_of(config, role), key_group_of(config, role)); !became)
    findings.push_back({"", became.error().what});
  else
    findings = look();
  const std::string bytes = pack(findings);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(out, bytes.data() + at, bytes.size() - at);
    if (n <= 0) ::_exit(1);
    at += static_cast<std::size_t>(n);
  }
  ::_exit(0);
}

struct Walked {
  std::vector<Path> folders;  // from the top, links followed
  Path file;
};

// realpath(3), and every folder that it passed on the way.
void walk(const Path& path, Walked& walked, std::set<Path>& seen, int links_left) {
  Path at = "/";
  for (const Path& part : path.relative_path()) {
    if (seen.insert(at).second) walked.folders.push_back(at);
    const Path next = part == ".." ? at.parent_path() : at / part;
    std::error_code error;
    if (links_left > 0 && std::filesystem::is_symlink(next, error)) {
      const Path target = std::filesystem::read_symlink(next, error);
      walk(target.is_absolute() ? target : (at / target).lexically_normal(), walked, seen,
           links_left - 1);
      at = walked.file;
      continue;
    }
    at = next;
  }
  walked.file = at;
}

}  // namespace

config::Findings look_as(const config::Config& config, RoleKind role,
                         const std::function<config::Findings()>& look) {
  if (!may_change_account()) return look();
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return look();
  File in(pipe[0]), out(pipe[1]);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) look_in_child(config, role, look, out.fd());
  out.close();
  if (child < 0) return look();
  std::string bytes;
  std::array<char, 4096> piece{};
  ssize_t n = 0;
  while ((n = ::read(in.fd(), piece.data(), piece.size())) > 0)
    bytes.append(piece.data(), static_cast<std::size_t>(n));
  int status = 0;
  ::waitpid(child, &status, 0);
  config::Findings findings = unpack(bytes);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    findings.push_back({"", fmt::format("the look with the eyes of {} ended before it was done",
                                        to_string(role))});
  const KeyGroup key_group = key_group_of(config, role);
  const std::string account = user_of(config, role);
  const auto tls_group = key_group.is_member ? find_group(key_group.name) : std::nullopt;
  const std::string group = tls_group && *tls_group ? key_group.name : account;
  for (config::Finding& finding : findings)
    if (finding.remedy.empty() && finding.reason.find("ermission denied") != std::string::npos) {
      const Path file = finding.where.substr(0, finding.where.rfind(':'));
      const std::string commands = how_to_open({file}, account, group);
      finding.remedy = fmt::format("the account {} cannot read it{}{}", account,
                                   commands.empty() ? "" : ": ", commands);
    }
  return findings;
}

std::string group_of_keys(const config::Config& config) {
  const auto found = find_group(config.users.tls_group);
  return found && *found ? config.users.tls_group : config.users.edge;
}

std::optional<std::string> find_stranger_on_the_way(const Path& file) {
  Walked walked;
  std::set<Path> seen;
  walk(std::filesystem::absolute(file).lexically_normal(), walked, seen, 40);
  walked.folders.push_back(walked.file);
  for (const Path& path : walked.folders) {
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0)
      return fmt::format("{}: {}", path.native(), std::strerror(errno));
    if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
      return fmt::format("{} is not root's alone (mode {:04o}, account number {})", path.native(),
                         st.st_mode & 07777U, st.st_uid);
  }
  return std::nullopt;
}

std::string how_to_open(const std::vector<Path>& files, const std::string& account,
                        const std::string& group) {
  const auto who = find_account(account);
  const auto gid = find_group(group);
  if (!who) return "";
  std::vector<gid_t> groups(256);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(account.c_str(), who->gid, groups.data(), &count) < 0) count = 0;
  groups.resize(static_cast<std::size_t>(count));
  if (gid && *gid) groups.push_back(**gid);
  const auto may = [&](const Path& path, unsigned right) {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return true;  // another fault, told of elsewhere
    if (st.st_uid == who->uid) return (st.st_mode >> 6U & right) != 0;
    const bool is_member = std::ranges::find(groups, st.st_gid) != groups.end();
    return ((is_member ? st.st_mode >> 3U : st.st_mode) & right) != 0;
  };
  std::vector<std::string> closed_folders, closed_files;
  std::set<Path> seen;
  for (const Path& file : files) {
    Walked walked;
    walk(std::filesystem::absolute(file).lexically_normal(), walked, seen, 40);
    for (const Path& folder : walked.folders)
      if (!may(folder, S_IXOTH)) closed_folders.push_back(folder.native());
    if (!may(walked.file, S_IROTH)) closed_files.push_back(walked.file.native());
  }
  std::vector<std::string> commands;
  std::vector<std::string> all = closed_folders;
  all.insert(all.end(), closed_files.begin(), closed_files.end());
  if (!all.empty()) commands.push_back(fmt::format("chgrp {} {}", group, fmt::join(all, " ")));
  if (!closed_folders.empty())
    commands.push_back(fmt::format("chmod g+x {}", fmt::join(closed_folders, " ")));
  if (!closed_files.empty())
    commands.push_back(fmt::format("chmod g+r {}", fmt::join(closed_files, " ")));
  return fmt::format("{}", fmt::join(commands, " && "));
}

}  // namespace posthorn::process
