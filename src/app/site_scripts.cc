#include "app/site_scripts.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"

namespace posthorn::app {
namespace {

constexpr std::size_t kUsersMax = 10'000;
constexpr std::string_view kSuffix = ".sieve";
constexpr std::string_view kMissing = "-";

std::string stamp_of(const Path& path) {
  const auto info = find_file_info(path);
  if (!info || !*info) return std::string(kMissing);
  return fmt::format("{}:{}:{}", (*info)->inode, (*info)->size,
                     (*info)->modified.time_since_epoch().count());
}

}  // namespace

// Those that must be there.
std::vector<Path> SiteScripts::listed() const {
  std::vector<Path> paths;
  for (const auto* names : {&config_.sieve.before, &config_.sieve.after})
    for (const std::string& name : *names) paths.push_back(place(name));
  return paths;
}

SiteScripts::Seen SiteScripts::look() const {
  Seen seen;
  for (const Path& path : listed()) seen[path] = stamp_of(path);
  const Path usual = place("default.sieve");
  if (const std::string stamp = stamp_of(usual); stamp != kMissing) seen[usual] = stamp;
  std::error_code error;
  std::size_t users = 0;
  for (auto at = std::filesystem::directory_iterator(place("users"), error);
       !error && at != std::filesystem::directory_iterator() && users < kUsersMax;
       at.increment(error))
    if (const std::string name = at->path().filename().native(); name.ends_with(kSuffix)) {
      seen[at->path()] = stamp_of(at->path());
      ++users;
    }
  return seen;
}

std::vector<std::string> SiteScripts::load(const Seen& seen) {
  std::erase_if(scripts_, [&](const auto& one) { return !seen.contains(one.first); });
  std::erase_if(faults_, [&](const auto& one) { return !seen.contains(one.first); });
  for (const auto& [path, stamp] : seen) {
    const auto before = loaded_.find(path);
    if (before != loaded_.end() && before->second == stamp && !faults_.contains(path)) continue;
    Result<sieve::Script> script = fail(ErrorKind::config, "");
    auto text = read_file(path, sieve::kScriptMax);
    if (!text)
      script = fail(ErrorKind::config, fmt::format("{}:1: {}", path.native(), text.error().what));
    else if (!*text)
      script = fail(ErrorKind::config, fmt::format("{}:1: there is no such file", path.native()));
    else
      script = sieve::Script::parse(**std::move(text), path.native());
    if (script) {
      scripts_[path] = std::make_shared<const sieve::Script>(*std::move(script));
      faults_.erase(path);
      if (told_ == Told::by_log) log_.info(event::sieve_loaded, {{"file", path.native()}});
    } else if (faults_[path] != script.error().what) {
      faults_[path] = script.error().what;
      if (told_ == Told::by_log) log_.error(event::sieve_refused, {{"error", script.error().what}});
    }
  }
  loaded_ = seen;
  users_.clear();
  const Path folder = place("users");
  for (const auto& [path, script] : scripts_) {
    if (path.parent_path() != folder) continue;
    const std::string name = path.filename().native();
    // Of two names that differ in case the lower one counts.
    const std::string lower = to_lower(name);
    if (name == lower)
      users_[lower] = path;
    else
      users_.try_emplace(lower, path);
  }
  std::vector<std::string> faults;
  for (const auto& [path, fault] : faults_) faults.push_back(fault);
  return faults;
}

const sieve::Script* SiteScripts::find(const Path& path) const {
  const auto found = scripts_.find(path);
  return found == scripts_.end() ? nullptr : found->second.get();
}

// Whatever case the file's name is in.
Path SiteScripts::place_of_user(const std::string& account) const {
  const auto found = users_.find(account + std::string(kSuffix));
  return found == users_.end() ? Path() : found->second;
}

std::vector<sieve::Action> SiteScripts::decide(const sieve::Input& input,
                                               const std::string& account) const {
  std::vector<const sieve::Script*> scripts;
  std::vector<Path> paths;
  const auto add = [&](const Path& path) {
    const sieve::Script* script = find(path);
    if (script == nullptr) return false;
    scripts.push_back(script);
    paths.push_back(path);
    return true;
  };
  for (const std::string& name : config_.sieve.before) add(place(name));
  if (!add(place_of_user(account))) add(place("default.sieve"));
  for (const std::string& name : config_.sieve.after) add(place(name));
  sieve::Outcome outcome = sieve::run_in_order(scripts, input);
  if (outcome.fault)
    log_.error(event::sieve_failed, {{"to", input.recipient},
                                     {"file", paths[outcome.faulty].native()},
                                     {"reason", outcome.fault->what}});
  return std::move(outcome.actions);
}

}  // namespace posthorn::app
