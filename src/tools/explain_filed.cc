#include "tools/explain_filed.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

#include "base/ascii.h"
#include "config/account_path.h"
#include "process/instance.h"
#include "scripts/script_folder.h"
#include "store/mailbox_name.h"
#include "store/maildir.h"
#include "tools/complain.h"
#include "tools/mail_ends.h"
#include "tools/store_desk.h"
#include "tools/trail_source.h"

namespace posthorn::tools {
namespace {

constexpr std::size_t kMailsMax = 10;  // of one Message-ID
constexpr auto kAnswer = 60s;

struct Life {
  std::string id;  // of the mail, or of the session where it was in no queue
  std::vector<trail::Record> records;
};

Result<std::vector<Life>> find_lives(const config::Config& config, const std::string& id) {
  TRY(const auto trail, open_trail(config));
  std::vector<Life> lives;
  TRY(auto life, trail->life_of_mail(id));
  if (!life.records.empty()) {
    lives.push_back({id, std::move(life.records)});
    return lives;
  }
  const bool has_brackets = id.starts_with('<') && id.ends_with('>');
  TRY(const auto found, trail->find({.message_id = has_brackets ? id.substr(1, id.size() - 2) : id,
                                     .address = {},
                                     .sender = {},
                                     .recipient = {},
                                     .since = {},
                                     .max = kMailsMax}));
  for (const trail::Match& match : found) {
    const bool is_mail = !match.queue_id.empty();
    const std::string& which = is_mail ? match.queue_id : match.session;
    TRY(life, is_mail ? trail->life_of_mail(which) : trail->life_of_session(which));
    lives.push_back({which, std::move(life.records)});
  }
  return lives;
}

using Take = std::function<void(const net::Message& answer)>;

net::Task<> ask_about(StoreDesk* desk, std::string account, net::Message request,
                      const Take* take) {
  CO_TRY(const auto opened,
         co_await desk->ask(account, net::Message("open").add("user", account), kAnswer));
  if (opened.verb != "ok") co_return fail(ErrorKind::permanent, std::string(opened.get("error")));
  CO_TRY(const auto answer, co_await desk->ask(account, std::move(request), kAnswer));
  if (answer.verb != "ok") co_return fail(ErrorKind::permanent, std::string(answer.get("error")));
  (*take)(answer);
  co_return Result<>{};
}

Result<> ask_store(const config::Config& config, const std::string& account,
                   const net::Message& request, const Take& take) {
  // This process does not become the store for a look.
  TRY(const auto pid, process::find_instance(config));
  if (!pid) return fail(ErrorKind::closed, "the server is not running");
  return work_at_store(config,
                       [&](StoreDesk& desk) { return ask_about(&desk, account, request, &take); });
}

// As far as this process may look into the account's folders; empty: it may not.
std::string path_of(const config::Config& config, const trail::Record& copy) {
  const auto home =
      config::account_path(config.paths.mail, config.store.location, copy.get("account"));
  const auto mailbox = store::check_mailbox_name(copy.get("mailbox"));
  if (!home || !mailbox) return {};
  const Path folder = *home / store::folder_of(*mailbox);
  const auto file = store::find_message_file(folder, copy.get("file"));
  return file && *file ? (*file)->path_in(folder).native() : std::string();
}

Result<std::vector<LiesAt>> find_copy(const config::Config& config, const trail::Record& copy) {
  net::Message request("where");
  for (const std::string_view key : {"mailbox", "uidvalidity", "uid", "size"})
    request.add(key, copy.get(key));
  const auto at = std::chrono::duration_cast<std::chrono::seconds>(copy.at.time_since_epoch());
  request.add("at", std::to_string(at.count()));
  std::vector<LiesAt> found;
  TRY_OK(ask_store(config, std::string(copy.get("account")), request, [&](const auto& answer) {
    for (const auto& [key, value] : answer.fields) {
      if (key == "found") found.push_back({.mailbox = value, .flags = {}, .path = {}});
      if (found.empty()) continue;
      if (key == "uid") found.back().uid = to_number<std::uint32_t>(value).value_or(0);
      if (key == "flags") found.back().flags = value;
    }
  }));
  for (LiesAt& one : found)
    if (one.mailbox == copy.get("mailbox") && std::to_string(one.uid) == copy.get("uid"))
      one.path = path_of(config, copy);
  return found;
}

Result<std::optional<ScriptText>> read_site_script(const config::Config& config,
                                                   const std::string& script) {
  const Path path = config.paths.sieve / script;
  TRY(const auto info, find_file_info(path));
  if (!info) return std::nullopt;
  TRY(auto text, read_file(path, scripts::kScriptSizeMax));
  if (!text) return std::nullopt;
  return ScriptText{*std::move(text), info->modified};
}

// A user's own goes by "ADDRESS/NAME", the site's by its file beneath paths.sieve.
Result<std::optional<ScriptText>> find_script(const config::Config& config,
                                              const std::string& account,
                                              const std::string& script) {
  if (!script.starts_with(account + "/")) return read_site_script(config, script);
  const std::string name = script.substr(account.size() + 1);
  ScriptText found;
  while (found.text.size() < scripts::kScriptSizeMax) {
    const std::size_t before = found.text.size();
    const auto request =
        net::Message("script-text").add("name", name).add("offset", std::to_string(before));
    TRY_OK(ask_store(config, account, request, [&](const net::Message& answer) {
      found.text += answer.get("bytes");
      found.changed = WallTime(
          std::chrono::milliseconds(to_number<std::int64_t>(answer.get("changed")).value_or(0)));
    }));
    if (found.text.size() == before) break;
  }
  return found;
}

}  // namespace

int explain_filed(const config::Config& config, const ExplainOptions& options) {
  const auto lives = find_lives(config, options.mail);
  if (!lives) return complain(lives.error().what, kExitUnasked);
  const EndLookups lookups{
      .find_copy = [&](const trail::Record& copy) { return find_copy(config, copy); },
      .find_script =
          [&](const std::string& account, const std::string& script) {
            return find_script(config, account, script);
          }};
  bool is_any = false;
  auto json = nlohmann::ordered_json::array();
  for (const Life& life : *lives) {
    auto ends = ends_of(life.records);
    std::erase_if(ends, [&](const MailEnd& end) { return !is_end_of(end, options.account); });
    if (ends.empty()) continue;
    const auto shown = look_up(ends, lookups);
    if (options.json)
      json.push_back({{"id", life.id}, {"recipients", json_of(shown)}});
    else
      fmt::print("{}{}\n{}", is_any ? "\n" : "", life.id, tell_ends(shown));
    is_any = true;
  }
  if (options.json)
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (is_any) return 0;
  if (lives->empty())
    return complain(
        fmt::format("the trail knows no mail {}; it keeps what trail.keep says", options.mail));
  return complain(fmt::format(
      "nothing became of {}{} yet; `posthorn trace {}` tells how far it is", options.mail,
      options.account.empty() ? "" : " for " + options.account, options.mail));
}

}  // namespace posthorn::tools
