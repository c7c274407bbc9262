#include "tools/script_work.h"

#include <algorithm>
#include <fmt/format.h>

#include "config/account_path.h"
#include "scripts/script_folder.h"

namespace posthorn::tools {

net::Task<ScriptList> list_scripts_of(Desk desk) {
  ScriptList list;
  for (;;) {
    CO_TRY(const auto answer, co_await desk(net::Message("scripts").add(
                                  "after", list.names.empty() ? "" : list.names.back())));
    list.active = answer.get("active");
    const auto more = answer.all("name");
    if (more.empty()) co_return list;
    for (const std::string_view name : more) list.names.emplace_back(name);
  }
}

net::Task<std::string> read_script(Desk desk, std::string name) {
  std::string text;
  for (;;) {
    CO_TRY(const auto answer, co_await desk(net::Message("script-text")
                                                .add("name", name)
                                                .add("offset", std::to_string(text.size()))));
    const std::string_view bytes = answer.get("bytes");
    if (bytes.empty()) co_return text;
    text += bytes;
    if (text.size() > scripts::kScriptSizeMax)
      co_return fail(ErrorKind::permanent, "a script without end");
  }
}

net::Task<> put_script(Desk desk, std::string name, std::string text) {
  for (std::size_t at = 0; at < text.size(); at += store::kDeskPieceMax)
    CO_TRY_OK(
        co_await desk(net::Message("script-piece")
                          .add("bytes", std::string_view(text).substr(at, store::kDeskPieceMax))));
  CO_TRY_OK(co_await desk(net::Message("script-put").add("name", name)));
  co_return Result<>{};
}

std::string format_faults_in(std::string_view file, const std::vector<scripts::Fault>& faults) {
  std::string text;
  for (const scripts::Fault& fault : faults)
    text += fmt::format("{}:{}:{}: {}\n", file, fault.line, fault.column, fault.text);
  return text;
}

Result<> tell_scripts_found(const config::Config& config, std::string_view mailboxes) {
  for (std::string_view rest = mailboxes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view account = rest.substr(0, std::min(rest.find_first_of(" \t"), end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto path = config::account_path(config.paths.mail, config.store.location, account);
    if (!path) continue;  // no line of a table
    scripts::ScriptFolder folder(*path);
    TRY(const auto found, folder.list());
    for (const scripts::Listed& one : found) {
      fmt::print("found    {}: Sieve script of {}{}\n", one.name, account,
                 one.is_active ? ", active" : "");
      TRY(const auto text, folder.find_text(one.name));
      if (text) fmt::print("{}", format_faults_in(one.name, scripts::check_script(*text).faults));
    }
  }
  return {};
}

net::Task<> import_scripts(Desk desk, Path maildir) {
  scripts::ScriptFolder source(maildir);
  CO_TRY(auto found, source.list());
  if (found.empty()) {
    // Dovecot's home is often the folder above: ~/Maildir beside ~/sieve and ~/.dovecot.sieve.
    source =
        scripts::ScriptFolder(std::filesystem::absolute(maildir / "").parent_path().parent_path());
    CO_TRY(found, source.list());
  }
  if (found.empty()) co_return Result<>{};
  CO_TRY(const ScriptList there, co_await list_scripts_of(desk));
  std::string taken;
  for (const scripts::Listed& one : found) {
    if (std::ranges::find(there.names, one.name) != there.names.end()) {
      fmt::print(stderr, "the script {} is there already and stays as it is\n", one.name);
      continue;
    }
    CO_TRY(const auto text, source.find_text(one.name));
    if (!text) continue;  // gone meanwhile
    CO_TRY_OK(co_await put_script(desk, one.name, *text));
    fmt::print(stderr, "{}",
               format_faults_in(one.name + ".sieve", scripts::check_script(*text).faults));
    taken += (taken.empty() ? "" : ", ") + one.name;
    if (!one.is_active || !there.active.empty()) continue;
    CO_TRY_OK(co_await desk(net::Message("script-activate").add("name", one.name)));
    taken += " (active)";
  }
  if (!taken.empty()) fmt::print(stderr, "Sieve scripts: {}\n", taken);
  co_return Result<>{};
}

Result<> export_scripts(const Path& account, const Path& place) {
  scripts::ScriptFolder source(account);
  scripts::ScriptFolder target(place, {.scripts_max = SIZE_MAX});
  TRY(const auto found, source.list());
  for (const scripts::Listed& one : found) {
    TRY(const auto text, source.find_text(one.name));
    if (!text) continue;  // gone meanwhile
    TRY_OK(target.put(one.name, *text));
    if (one.is_active) TRY_OK(target.activate(one.name));
  }
  return {};
}

}  // namespace posthorn::tools
