#include "scripts/script_folder.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "scripts/script_name.h"

namespace posthorn::scripts {
namespace {

constexpr std::string_view kFolder = "sieve";
constexpr std::string_view kLink = ".dovecot.sieve";
constexpr std::string_view kPlainName = "dovecot.orig";
// Written by whoever holds the lock, so that one name each is enough and nothing piles up.
constexpr std::string_view kNewText = ".posthorn-new";
constexpr std::string_view kNewLink = ".posthorn-link";
constexpr std::size_t kFilesMax = 100'000;

std::string stamp_of(std::string_view name, const FileInfo& info) {
  return fmt::format("{}:{}:{}:{}:{}", info.inode, info.size,
                     info.modified.time_since_epoch().count(),
                     info.changed.time_since_epoch().count(), name);
}

// "/srv/mail/x/sieve/a.sieve": a.
std::optional<std::string> script_of_target(std::string_view target) {
  return script_of_file(target.substr(target.rfind('/') + 1));
}

}  // namespace

Path ScriptFolder::path_of(std::string_view name) const {
  return folder_ / file_of_script(name);
}

Path ScriptFolder::text_path(const State& state, std::string_view name) const {
  return state.form == ActiveForm::plain && state.active == name ? link_ : path_of(name);
}

// home/ counts only as a real folder with scripts in it. What is neither there nor here is made
// here.
Result<> ScriptFolder::find_home() {
  home_ = account_;
  const Path inner = account_ / "home";
  TRY(const auto info, find_file_info(inner));
  if (info && info->is_folder()) {
    TRY(const auto link, find_file_info(inner / kLink));
    TRY(const auto folder, find_file_info(inner / kFolder));
    if ((link && !link->is_folder()) || (folder && folder->is_folder())) home_ = inner;
  }
  folder_ = home_ / kFolder;
  link_ = home_ / kLink;
  return {};
}

// nullopt: there is none, or what is there is no plain file (a link, a fifo).
Result<std::optional<FileInfo>> ScriptFolder::find_script_file(const Path& path) const {
  TRY(const auto info, find_file_info(path));
  return info && info->is_regular() ? info : std::nullopt;
}

Result<std::optional<std::string>> ScriptFolder::read_text(const Path& path) const {
  TRY(const auto there, find_script_file(path));
  if (!there) return std::nullopt;
  auto opened = disk().open(path, OpenMode::read);  // not through a link
  if (!opened) {
    // One that came with foreign rights is not readable later either.
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES)
      return fail(ErrorKind::permanent, opened.error().what);
    return std::unexpected(opened.error());
  }
  const File file = *std::move(opened);
  TRY(const FileInfo info, read_file_info(file));
  if (info.size > kScriptSizeMax)
    return fail(ErrorKind::permanent, path.native() + ": a script of more than 1 MiB");
  std::string text(info.size, '\0');
  TRY(const std::size_t size, read_at(file, text, 0));
  text.resize(size);
  return text;
}

Result<std::optional<ActiveScript>> ScriptFolder::find_active(std::string_view known_stamp) {
  TRY_OK(find_home());
  TRY(const auto target, find_link_target(link_));
  ActiveScript active;
  Path path = link_;
  if (target) {
    const auto name = script_of_target(*target);
    TRY(const auto folder, find_file_info(folder_));
    if (!name || !folder || !folder->is_folder()) return std::nullopt;
    active.name = *name;
    path = path_of(*name);
  }
  TRY(const auto info, find_script_file(path));
  if (!info) return std::nullopt;
  if (!target) active.name = kPlainName;
  active.stamp = stamp_of(active.name, *info);
  if (active.stamp == known_stamp) return active;
  TRY(auto text, read_text(path));
  if (!text) return std::nullopt;
  active.text = *std::move(text);
  return active;
}

Result<ScriptFolder::State> ScriptFolder::look() {
  TRY_OK(find_home());
  State state;
  TRY(const auto folder, find_file_info(folder_));
  if (folder && folder->is_folder()) {
    std::error_code error;
    std::size_t seen = 0;
    for (auto at = std::filesystem::directory_iterator(folder_, error);
         !error && at != std::filesystem::directory_iterator() && seen < kFilesMax;
         at.increment(error), ++seen) {
      const auto name = script_of_file(at->path().filename().native());
      if (!name) continue;
      TRY(const auto file, find_script_file(at->path()));
      if (file) state.scripts.emplace(*name, file->inode);
    }
    if (error) return fail(ErrorKind::temporary, folder_.native() + ": " + error.message());
  }
  TRY(const auto plain, find_script_file(link_));
  if (plain) {
    TRY_OK(take_plain(*plain, state));
    return state;
  }
  TRY(const auto target, find_link_target(link_));
  if (!target) return state;
  const auto name = script_of_target(*target);
  const auto at = name ? state.scripts.find(*name) : state.scripts.end();
  state.form = at == state.scripts.end() ? ActiveForm::dangling : ActiveForm::link;
  if (state.form == ActiveForm::dangling) return state;
  state.active = *name;
  const std::uint64_t inode = at->second;
  for (const auto& [other, of] : state.scripts)
    if (of == inode && other != state.active) state.hidden.push_back(other);
  for (const std::string& other : state.hidden) state.scripts.erase(other);
  return state;
}

// The name of the old layout's file: one that is free, or that it has in sieve/ already.
Result<> ScriptFolder::take_plain(const FileInfo& plain, State& state) {
  for (int number = 1; number <= 1000; ++number) {
    const std::string name =
        number == 1 ? std::string(kPlainName) : fmt::format("{}-{}", kPlainName, number);
    const auto at = state.scripts.find(name);
    if (at != state.scripts.end() && at->second != plain.inode) continue;
    state.form = ActiveForm::plain;
    state.active = name;
    state.scripts.insert_or_assign(name, plain.inode);
    return {};
  }
  return fail(ErrorKind::permanent, link_.native() + ": no name is left for it");
}

Result<std::vector<Listed>> ScriptFolder::list() {
  TRY(const State state, look());
  std::vector<Listed> all;
  for (const auto& [name, inode] : state.scripts) all.push_back({name, name == state.active});
  return all;
}

Result<std::optional<std::string>> ScriptFolder::find_text(std::string_view name) {
  TRY(const State state, look());
  if (!state.scripts.contains(name)) return std::nullopt;
  return read_text(text_path(state, name));
}

Result<std::optional<WallTime>> ScriptFolder::find_change(std::string_view name) {
  TRY(const State state, look());
  if (!state.scripts.contains(name)) return std::nullopt;
  TRY(const auto info, find_script_file(text_path(state, name)));
  return info ? std::optional(info->modified) : std::nullopt;
}

Outcome ScriptFolder::judge(const State& state, std::string_view name, std::uint64_t size) const {
  if (!is_script_name(name)) return Outcome::bad_name;
  if (size > std::min(limits_.size_max, kScriptSizeMax)) return Outcome::too_large;
  if (!state.scripts.contains(name) && state.scripts.size() >= limits_.scripts_max)
    return Outcome::too_many;
  return Outcome::done;
}

Result<Outcome> ScriptFolder::may_put(std::string_view name, std::uint64_t size) {
  TRY(const State state, look());
  return judge(state, name, size);
}

// Holds the lock until the File is closed. The folder is made; where something else has its name,
// a link above all, nothing can be put.
Result<File> ScriptFolder::begin_change() {
  TRY_OK(find_home());
  TRY(const auto there, find_file_info(folder_));
  if (!there) {
    TRY_OK(disk().make_folder(folder_));
    TRY_OK(disk().sync_folder(home_));
  }
  File folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.is_open()) return fail_errno("open", folder_.native(), errno);
  while (::flock(folder.fd(), LOCK_EX) != 0)
    if (errno != EINTR) return fail_errno("flock", folder_.native(), errno);
  return folder;
}

// What a crash left, and the old layout, are put in order before anything is changed. A link that
// leads nowhere goes, or the next script of its name would be active without having been asked for.
Result<ScriptFolder::State> ScriptFolder::tidy() {
  TRY(State state, look());
  for (const std::string& name : state.hidden) TRY_OK(disk().remove(path_of(name)));
  if (!state.hidden.empty()) TRY_OK(disk().sync_folder(folder_));
  state.hidden.clear();
  if (state.form == ActiveForm::dangling) {
    TRY_OK(disk().remove(link_));
    TRY_OK(disk().sync_folder(home_));
    state.form = ActiveForm::none;
  }
  if (state.form != ActiveForm::plain) return state;
  TRY(const auto there, find_script_file(path_of(state.active)));
  if (!there) TRY_OK(disk().link(link_, path_of(state.active)));
  TRY_OK(disk().sync_folder(folder_));
  TRY_OK(point_at(state.active));
  state.form = ActiveForm::link;
  return state;
}

Result<> ScriptFolder::point_at(std::string_view name) {
  const Path fresh = folder_ / kNewLink;
  TRY_OK(disk().remove(fresh));
  TRY_OK(disk().make_link(Path(kFolder) / file_of_script(name), fresh));
  TRY_OK(disk().rename(fresh, link_));
  return disk().sync_folder(home_);
}

Result<> ScriptFolder::write(std::string_view name, std::string_view text) {
  const Path fresh = folder_ / kNewText;
  TRY_OK(disk().remove(fresh));
  TRY(const File file, disk().open(fresh, OpenMode::create));
  TRY_OK(disk().write(file, text));
  TRY_OK(disk().sync(file));
  TRY_OK(disk().rename(fresh, path_of(name)));
  return disk().sync_folder(folder_);
}

Result<Outcome> ScriptFolder::put(std::string_view name, std::string_view text) {
  if (!is_script_name(name)) return Outcome::bad_name;
  TRY(const File lock, begin_change());
  TRY(const State state, tidy());
  if (const Outcome outcome = judge(state, name, text.size()); outcome != Outcome::done)
    return outcome;
  TRY_OK(write(name, text));
  return Outcome::done;
}

Result<Outcome> ScriptFolder::activate(std::string_view name) {
  if (!is_script_name(name)) return Outcome::not_found;
  TRY(const File lock, begin_change());
  TRY(const State state, tidy());
  if (!state.scripts.contains(name)) return Outcome::not_found;
  TRY_OK(point_at(name));  // also where a link from elsewhere means it already
  return Outcome::done;
}

Result<> ScriptFolder::deactivate() {
  TRY(const File lock, begin_change());
  TRY(const State state, tidy());
  if (state.active.empty()) return {};
  TRY_OK(disk().remove(link_));
  return disk().sync_folder(home_);
}

Result<Outcome> ScriptFolder::remove(std::string_view name) {
  if (!is_script_name(name)) return Outcome::not_found;
  TRY(const File lock, begin_change());
  TRY(const State state, tidy());
  if (!state.scripts.contains(name)) return Outcome::not_found;
  if (state.active == name) return Outcome::is_active;
  TRY_OK(disk().remove(path_of(name)));
  TRY_OK(disk().sync_folder(folder_));
  return Outcome::done;
}

Result<Outcome> ScriptFolder::rename(std::string_view from, std::string_view to) {
  if (!is_script_name(to)) return Outcome::bad_name;
  if (!is_script_name(from)) return Outcome::not_found;
  TRY(const File lock, begin_change());
  TRY(const State state, tidy());
  if (!state.scripts.contains(from)) return Outcome::not_found;
  if (state.scripts.contains(to)) return Outcome::exists;
  if (state.active != from) {
    TRY_OK(disk().rename(path_of(from), path_of(to)));
    TRY_OK(disk().sync_folder(folder_));
    return Outcome::done;
  }
  // RFC 5804 section 2.11.1: the renamed script stays active.
  TRY_OK(disk().link(path_of(from), path_of(to)));
  TRY_OK(disk().sync_folder(folder_));
  TRY_OK(point_at(to));
  TRY_OK(disk().remove(path_of(from)));
  TRY_OK(disk().sync_folder(folder_));
  return Outcome::done;
}

}  // namespace posthorn::scripts
