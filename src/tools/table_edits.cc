#include "tools/table_edits.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>
#include <unistd.h>

#include "auth/user_file.h"
#include "base/assert.h"
#include "maps/table_set.h"
#include "maps/text_lines.h"

namespace posthorn::tools {
namespace {

constexpr std::uint64_t kFileMax = 256U << 20U;

std::vector<std::string> fault_texts(const maps::Loaded& loaded) {
  std::vector<std::string> texts;
  for (const maps::Finding& finding : loaded.faults) texts.push_back(finding.text());
  return texts;
}

// "path:12: reason" without its number: an edit moves the lines below it.
std::string without_line(const std::string& fault) {
  const std::size_t reason = fault.find(": ");
  const std::size_t colon = fault.rfind(':', reason == std::string::npos ? reason : reason - 1);
  if (reason == std::string::npos || colon == std::string::npos) return fault;
  return fault.substr(0, colon) + fault.substr(reason);
}

}  // namespace

Result<const std::string*> EditedText::text() {
  if (is_read_) return &text_;
  std::error_code ignored;
  real_ = std::filesystem::canonical(path_, ignored);
  if (real_.empty()) real_ = path_;
  is_new_ = ::stat(real_.c_str(), &stat_) != 0;
  if (is_new_ && errno != ENOENT) return fail_errno("stat", real_.native(), errno);
  TRY(auto read, read_file(real_, kFileMax));
  text_ = read ? *std::move(read) : std::string();
  if (const auto why = maps::find_encoding_fault(text_))
    return fail(ErrorKind::permanent,
                fmt::format("{}: {}; nothing was written", path_.native(), *why));
  is_read_ = true;
  return &text_;
}

void EditedText::set(std::string text, std::size_t turn) {
  ASSERT(is_read_);
  if (turn_ == 0) turn_ = turn;
  text_ = std::move(text);
}

Result<> EditedText::check_unchanged() const {
  struct stat now{};
  const bool is_gone = ::stat(real_.c_str(), &now) != 0;
  if (is_gone ? is_new_
              : !is_new_ && now.st_ino == stat_.st_ino && now.st_size == stat_.st_size &&
                    now.st_mtim.tv_sec == stat_.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == stat_.st_mtim.tv_nsec)
    return {};
  return fail(ErrorKind::temporary,
              fmt::format("{} was changed by somebody else at the same time; nothing was written: "
                          "run the command again",
                          path_.native()));
}

// Keeps owner and mode: a role reads the file.
Result<> EditedText::prepare() {
  TRY_OK(check_unchanged());
  made_ = real_.native() + ".edit";
  (void)Disk::real().remove(made_);
  TRY_OK(replace_file(Disk::real(), made_, text_, is_new_ ? 0640 : stat_.st_mode & 07777U));
  if (!is_new_ && geteuid() == 0 && ::chown(made_.c_str(), stat_.st_uid, stat_.st_gid) != 0)
    return fail_errno("chown", made_.native(), errno);
  return check_unchanged();
}

Result<> EditedText::put_in_place() {
  TRY_OK(Disk::real().rename(made_, real_));
  made_.clear();
  turn_ = 0;
  is_read_ = false;
  return Disk::real().sync_folder(real_.parent_path());
}

void EditedText::forget() {
  if (!made_.empty()) (void)Disk::real().remove(made_);
  made_.clear();
}

EditedText& TableEdits::file(const Path& path) {
  auto& file = files_[path];
  if (!file) file = std::make_unique<EditedText>(path);
  return *file;
}

Result<> TableEdits::check() {
  std::map<Path, std::string> texts;
  std::vector<std::string> before, after;
  for (const auto& [path, file] : files_) {
    if (!file->is_changed()) continue;
    TRY(const std::string* text, file->text());
    texts.emplace(path, *text);
    if (path != config_.paths.users) continue;
    TRY(const auto now, read_file(path, kFileMax));
    before = auth::parse_users(now.value_or(""), path.native()).faults;
    after = auth::parse_users(*text, path.native()).faults;
  }
  if (texts.empty()) return {};
  std::ranges::move(fault_texts(maps::load_tables(config_)), std::back_inserter(before));
  std::ranges::move(fault_texts(maps::load_tables(config_, {.instead = &texts})),
                    std::back_inserter(after));
  std::multiset<std::string> known;
  for (const std::string& fault : before) known.insert(without_line(fault));
  std::string fresh;
  for (const std::string& fault : after) {
    if (const auto old = known.find(without_line(fault)); old != known.end())
      known.erase(old);
    else
      fresh += "\n  " + fault;
  }
  if (fresh.empty()) return {};
  return fail(ErrorKind::permanent,
              "nothing was written, because the tables would have a fault:" + fresh);
}

Result<> TableEdits::write() {
  std::vector<EditedText*> changed;
  for (const auto& [path, file] : files_)
    if (file->is_changed()) changed.push_back(file.get());
  std::ranges::sort(changed, {}, &EditedText::turn);
  Result<> done;
  for (EditedText* file : changed)
    if (done) done = file->prepare();
  std::string written;
  for (EditedText* file : changed) {
    if (!done) break;
    done = file->put_in_place();
    if (done) written += fmt::format("{}{}", written.empty() ? "" : ", ", file->path().native());
  }
  for (EditedText* file : changed) file->forget();
  if (done || written.empty()) return done;
  return fail(done.error().kind,
              fmt::format("{}; written already: {}", done.error().what, written));
}

}  // namespace posthorn::tools
