#include "lda/home_scripts.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

#include "config/account_path.h"
#include "lda/site_reader.h"

namespace posthorn::lda {
namespace {

constexpr std::uint64_t kScriptMax = 1U << 20U;
constexpr const char* kLink = ".dovecot.sieve";
constexpr const char* kFolder = "sieve";
constexpr std::string_view kPlainName = "dovecot.orig";

bool is_script_name(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && std::ranges::none_of(name, [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

// nullopt: there is no regular file of this name; a link is none.
Result<std::optional<FileInfo>> find_regular(const Path& path) {
  TRY(const auto info, find_file_info(path));
  if (!info || !info->is_regular()) return std::nullopt;
  return info;
}

Result<std::string> read(const Path& path, const FileInfo& info) {
  if (info.size > kScriptMax)
    return fail(ErrorKind::permanent, path.native() + ": larger than a script may be");
  TRY(const File file, Disk::real().open(path, OpenMode::read));
  std::string text(info.size, '\0');
  TRY(const std::size_t size, read_at(file, text, 0));
  text.resize(size);
  return text;
}

// The active one of a home.
struct Place {
  std::string name;
  Path path;
};
Result<std::optional<Place>> find_place(const Path& home) {
  std::string target(4096, '\0');
  const Path link = home / kLink;
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  if (size < 0 && errno == EINVAL) return Place{std::string(kPlainName), link};
  if (size < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (size < 0) return fail_errno("readlink", link.native(), errno);
  target.resize(static_cast<std::size_t>(size));
  const std::string file = target.substr(target.rfind('/') + 1);
  if (!file.ends_with(kScriptSuffix)) return std::nullopt;
  std::string name = file.substr(0, file.size() - kScriptSuffix.size());
  if (!is_script_name(name)) return std::nullopt;
  return Place{std::move(name), home / kFolder / file};
}

Result<std::vector<Path>> homes_of(const config::Config& config, const std::string& account) {
  TRY(const Path maildir, config::account_path(config.paths.mail, config.store.location, account));
  return std::vector<Path>{maildir, maildir / "home"};
}

}  // namespace

Result<std::optional<ScriptStorage::Active>> HomeScripts::find_active(
    const std::string& account, const std::string& known_stamp) {
  TRY(const auto homes, homes_of(config_, account));
  for (const Path& home : homes) {
    TRY(const auto place, find_place(home));
    if (!place) continue;
    TRY(const auto info, find_regular(place->path));
    if (!info) continue;
    Active active{.name = place->name,
                  .text = {},
                  .stamp = fmt::format("{}:{}:{}:{}", place->path.native(), info->inode, info->size,
                                       info->changed.time_since_epoch().count())};
    if (active.stamp != known_stamp) {
      TRY(active.text, read(place->path, *info));
    }
    return active;
  }
  return std::nullopt;
}

Result<std::optional<std::string>> HomeScripts::find_text(const std::string& account,
                                                          const std::string& name) {
  if (!is_script_name(name)) return std::nullopt;
  TRY(const auto homes, homes_of(config_, account));
  for (const Path& home : homes) {
    const Path path = home / kFolder / (name + std::string(kScriptSuffix));
    TRY(const auto info, find_regular(path));
    if (info) return read(path, *info);
  }
  return std::nullopt;
}

}  // namespace posthorn::lda
