#include "lda/site_scripts.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/events.h"
#include "message/mailbox_address.h"
#include "sieve/libsieve/literals.h"
#include "store/mailbox_name.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kUsersMax = 10'000;
constexpr std::string_view kSuffix = ".sieve";
constexpr std::string_view kMissing = "-";

// Those that must be there.
std::vector<Path> listed(const config::Config& config) {
  std::vector<Path> paths;
  for (const auto* names : {&config.sieve.before, &config.sieve.after})
    for (const std::string& name : *names) paths.push_back(config.paths.sieve / name);
  return paths;
}

// Folders and addresses that cannot be: such mail stays in INBOX, and only the log would tell.
config::Findings doubts_of(const std::string& text, const Path& path) {
  constexpr std::size_t kDoubtsMax = 20;
  config::Findings doubts;
  const auto warn = [&](const sieve::libsieve::Literal& literal, std::string reason,
                        std::string remedy) {
    doubts.push_back({fmt::format("{}:{}", path.native(), literal.line), std::move(reason),
                      std::move(remedy), config::Weight::warning});
  };
  struct stat st{};
  if (::stat(path.c_str(), &st) == 0 && (st.st_mode & S_IWOTH) != 0)
    doubts.push_back({path.native(), "every account of this machine can change it",
                      fmt::format("chmod o-w {}", path.native()), config::Weight::warning});
  for (const sieve::libsieve::Literal& literal : sieve::libsieve::find_literals(text)) {
    if (doubts.size() == kDoubtsMax) break;
    const std::string shown = literal.text.substr(0, 80);
    if (literal.kind == sieve::libsieve::Literal::Kind::folder) {
      if (store::mailbox_name_from(literal.text)) continue;
      warn(literal, fmt::format("no folder can be called \"{}\": its mail stays in INBOX", shown),
           "write a name as Work.2026, in UTF-8, without empty parts and of 255 letters at most");
    } else if (!message::parse_mailbox_address(literal.text, message::AddressCharset::utf8)) {
      warn(literal,
           fmt::format("\"{}\" is no address: nothing is sent there, the mail stays here", shown),
           "write one address, as \"bob@example.org\"; one redirect for each");
    }
  }
  return doubts;
}

}  // namespace

SiteScripts::Seen SiteScripts::look_at(const config::Config& config) {
  Seen seen;
  for (const Path& path : listed(config)) seen[path] = net::stamp_of_file(path);
  const Path usual = config.paths.sieve / "default.sieve";
  seen[usual] = net::stamp_of_file(usual);
  std::error_code error;
  std::size_t users = 0;
  for (auto at = std::filesystem::directory_iterator(config.paths.sieve / "users", error);
       !error && at != std::filesystem::directory_iterator() && users < kUsersMax;
       at.increment(error))
    if (const std::string name = at->path().filename().native(); name.ends_with(kSuffix)) {
      seen[at->path()] = net::stamp_of_file(at->path());
      ++users;
    }
  return seen;
}

std::string SiteScripts::look() const {
  std::string text;
  for (const auto& [path, stamp] : look_at(config_))
    text += fmt::format("{}={};", path.filename().native(), stamp);
  return text;
}

// What was good when it was read and looks the same is not read again.
void SiteScripts::read_one(const Path& path, const std::string& stamp, const Set* before,
                           const LastGood& kept, Next& next) {
  One& one = next.set->scripts[path];
  const One* old = nullptr;
  if (before != nullptr)
    if (const auto found = before->scripts.find(path); found != before->scripts.end())
      old = &found->second;
  if (old != nullptr && !old->stamp.empty() && old->stamp == stamp) {
    one = {old->script, stamp, nullptr, old->doubts};
    std::ranges::copy(one.doubts, std::back_inserter(next.outcome.findings));
    return;
  }
  Result<sieve::libsieve::Script> script = fail(ErrorKind::config, "");
  auto text = read_file(path, sieve::libsieve::kScriptMax);
  if (!text || !*text) {
    script = fail(
        ErrorKind::config,
        fmt::format("{}:1: {}", path.native(),
                    text ? "there is no such file; put it there, or take its name out of [sieve]"
                         : text.error().what));
    next.outcome.may_pass = true;
  } else {
    script = sieve::libsieve::Script::parse(**text, path.native());
  }
  if (script) {
    one = {std::make_shared<const sieve::libsieve::Script>(*std::move(script)), stamp,
           std::make_shared<const std::string>(**std::move(text))};
    one.doubts = doubts_of(*one.good, path);
    std::ranges::copy(one.doubts, std::back_inserter(next.outcome.findings));
    next.news.push_back(path.native());
    return;
  }
  next.outcome.findings.push_back(config::finding_of(script.error().what));
  if (old != nullptr && old->script) {
    one.script = old->script;
    return;
  }
  const auto copy = kept.read(path);
  if (!copy) return;
  if (auto last = sieve::libsieve::Script::parse(*copy, path.native())) {
    one.script = std::make_shared<const sieve::libsieve::Script>(*std::move(last));
    next.stale.push_back(path);
  }
}

SiteScripts::Next SiteScripts::read(const config::Config& config, const Set* before,
                                    const LastGood& kept) {
  Next next{.set = std::make_shared<Set>()};
  const Path usual = config.paths.sieve / "default.sieve";
  const auto names = listed(config);
  for (const auto& [path, stamp] : look_at(config)) {
    if (path == usual && stamp == kMissing && std::ranges::find(names, path) == names.end()) {
      next.outcome.findings.push_back(
          {path.native() + ":1",
           "there is no such file: mail that was marked as spam stays in INBOX",
           fmt::format("put the one of sieve/ back; if that is meant: touch {}", path.native()),
           config::Weight::warning});
      continue;
    }
    read_one(path, stamp, before, kept, next);
  }
  const Path folder = config.paths.sieve / "users";
  auto& users = next.set->users;
  for (const auto& [path, one] : next.set->scripts) {
    if (path.parent_path() != folder || !one.script) continue;
    const std::string name = path.filename().native();
    // Of two names that differ in case the lower one counts.
    const std::string lower = to_lower(name);
    if (name == lower)
      users[lower] = path;
    else
      users.try_emplace(lower, path);
  }
  return next;
}

config::Findings SiteScripts::check(const config::Config& config) {
  return read(config, nullptr, LastGood()).outcome.findings;
}

net::Awaitable<net::Prepared> SiteScripts::prepare() {
  auto read = co_await pool_.run([this, before = set_]() -> Result<Next> {
    return SiteScripts::read(config_, before.get(), keeper_.kept());
  });
  if (!read) {
    next_ = {};
    co_return net::Prepared{.findings = {{config_.paths.sieve.native(), read.error().what}},
                            .is_usable = false,
                            .may_pass = true};
  }
  next_ = *std::move(read);
  co_return std::move(next_.outcome);
}

std::shared_ptr<const void> SiteScripts::commit() {
  if (!next_.set) return nullptr;
  constexpr std::size_t kToldMax = 20;
  for (std::size_t i = 0; i < next_.news.size() && i < kToldMax; ++i)
    log_.info(event::sieve_loaded, {{"file", next_.news[i]}});
  if (next_.news.size() > kToldMax)
    log_.info(event::sieve_loaded, {{"file", "and others"}, {"files", next_.news.size()}});
  for (const Path& path : next_.stale)
    log_.error(event::files_stale,
               {{"error", path.native() + " serves as it was kept in paths.state"}});
  net::Keeper::Files good;
  for (auto& [path, one] : next_.set->scripts)
    if (one.good) good.emplace_back(path, std::move(one.good));
  keeper_.keep(std::move(good));
  std::shared_ptr<const void> old = std::exchange(set_, std::move(next_.set));
  next_ = {};
  return old;
}

void SiteScripts::tell(const config::Finding& finding) const {
  if (finding.weight == config::Weight::fault)
    log_.error(event::sieve_refused, {{"error", finding.text()}});
  else
    log_.warn(event::files_warning, {{"error", finding.text()}});
}

const sieve::libsieve::Script* SiteScripts::find(const Path& path) const {
  const auto found = set_->scripts.find(path);
  return found == set_->scripts.end() ? nullptr : found->second.script.get();
}

// Whatever case the file's name is in.
Path SiteScripts::place_of_user(const std::string& account) const {
  const auto found = set_->users.find(account + std::string(kSuffix));
  return found == set_->users.end() ? Path() : found->second;
}

std::vector<sieve::libsieve::Action> SiteScripts::decide(const sieve::libsieve::Input& input,
                                                         const std::string& account) const {
  std::vector<const sieve::libsieve::Script*> scripts;
  std::vector<Path> paths;
  const auto add = [&](const Path& path) {
    const sieve::libsieve::Script* script = find(path);
    if (script == nullptr) return false;
    scripts.push_back(script);
    paths.push_back(path);
    return true;
  };
  for (const std::string& name : config_.sieve.before) add(place(name));
  if (!add(place_of_user(account))) add(place("default.sieve"));
  for (const std::string& name : config_.sieve.after) add(place(name));
  sieve::libsieve::Outcome outcome = sieve::libsieve::run_in_order(scripts, input);
  if (outcome.fault)
    log_.error(event::sieve_failed, {{"to", input.recipient},
                                     {"file", paths[outcome.faulty].native()},
                                     {"reason", outcome.fault->what}});
  return std::move(outcome.actions);
}

}  // namespace posthorn::lda
