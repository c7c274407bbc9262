#include "managesieve/server/commands.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/assert.h"
#include "base/events.h"
#include "managesieve/proto/response.h"
#include "scripts/check.h"
#include "scripts/script_folder.h"
#include "sieve/compile.h"
#include "sieve/language/settings.h"

namespace posthorn::managesieve {
namespace {

using scripts::format_faults;
using scripts::Outcome;
using scripts::ScriptFolder;
using Answer = net::Awaitable<std::string>;

std::string ok(std::string_view text) {
  return format_response(Status::ok, code::kNone, text);
}

std::string no(std::string_view text, std::string_view code = code::kNone) {
  return format_response(Status::no, code, text);
}

// The disk's work on the user's scripts, in the pool.
template <class R>
net::Task<R> at_scripts(const Context& context, std::function<Result<R>(ScriptFolder&)> work) {
  const config::Sieve& sieve = context.config.sieve;
  ScriptFolder folder(context.account.path(),
                      {.scripts_max = sieve.scripts_max, .size_max = sieve.script_size_max},
                      context.disk);
  co_return co_await context.pool.run([&] { return work(folder); });
}

// Section 1.3: TRYLATER where time may mend it.
std::string failed(const Context& context, const Error& error) {
  context.log.error(event::managesieve_failed,
                    {{"account", context.account.name()}, {"error", error.what}});
  if (error.kind == ErrorKind::permanent) return no("The scripts cannot be read or written");
  return no("The scripts cannot be read or written now", code::kTryLater);
}

std::string refused(Outcome outcome, const config::Sieve& limits) {
  switch (outcome) {
    case Outcome::bad_name:
      return no(
          "No script can have this name: UTF-8 without control characters and \"/\", of "
          "249 bytes at most");
    case Outcome::not_found:
      return no("There is no script of this name", code::kNonexistent);
    case Outcome::exists:
      return no("There is a script of this name", code::kAlreadyExists);
    case Outcome::is_active:
      return no("The script is active; make another one active first, or none", code::kActive);
    case Outcome::too_many:
      return no(fmt::format("You may have {} scripts; remove one first", limits.scripts_max),
                code::kMaxScripts);
    case Outcome::too_large:
      return no(fmt::format("A script has {} bytes at most", limits.script_size_max),
                code::kMaxSize);
    case Outcome::done:
      break;
  }
  return ok("Done.");
}

// What a change became: OK with text, and the log tells of it, or why not.
std::string changed(const Context& context, const Result<Outcome>& outcome, std::string_view action,
                    std::string_view script) {
  if (!outcome) return failed(context, outcome.error());
  if (*outcome != Outcome::done) return refused(*outcome, context.config.sieve);
  context.log.info(event::sieve_script_changed, {{"account", context.account.name()},
                                                 {"action", std::string(action)},
                                                 {"script", std::string(script)}});
  return ok("Done.");
}

net::Task<scripts::Checked> check(const Context& context, const std::string& text) {
  return context.pool.run([&]() -> Result<scripts::Checked> {
    std::set<std::string, std::less<>> lists;
    for (const auto& [name, table] : context.config.sieve.lists) lists.insert(name);
    return scripts::check_script(text, lists);
  });
}

// Section 2.12 and 2.6: faults are NO, warnings stand beside OK.
std::string tell_warnings(const scripts::Checked& checked) {
  if (checked.warnings.empty()) return ok("Done.");
  return format_response(Status::ok, code::kWarnings, format_faults(checked.warnings));
}

Answer capability(const Command&, const Context& context) {
  co_return format_capabilities({.extensions = sieve::extension_names(),
                                 .mechanisms = "",
                                 .offers_tls = false,
                                 .redirects_max = sieve::Settings{}.redirects_max,
                                 .owner = context.account.name()}) +
      ok("Capability completed.");
}

Answer checkscript(const Command& command, const Context& context) {
  const std::string& text = command.strings[0];
  if (text.size() > context.config.sieve.script_size_max)
    co_return refused(Outcome::too_large, context.config.sieve);
  const auto checked = co_await check(context, text);
  if (!checked) co_return failed(context, checked.error());
  if (!checked->faults.empty()) co_return no(format_faults(checked->faults));
  co_return tell_warnings(*checked);
}

// Section 2.6: what there was of this name stays unless the new one is whole and without a fault.
Answer putscript(const Command& command, const Context& context) {
  const std::string& name = command.strings[0];
  const std::string& text = command.strings[1];
  const auto may = co_await at_scripts<Outcome>(
      context, [&](ScriptFolder& folder) { return folder.may_put(name, text.size()); });
  if (!may) co_return failed(context, may.error());
  if (*may != Outcome::done) co_return refused(*may, context.config.sieve);
  const auto checked = co_await check(context, text);
  if (!checked) co_return failed(context, checked.error());
  if (!checked->faults.empty()) co_return no(format_faults(checked->faults));
  const auto put = co_await at_scripts<Outcome>(
      context, [&](ScriptFolder& folder) { return folder.put(name, text); });
  std::string response = changed(context, put, "put", name);
  if (put && *put == Outcome::done) response = tell_warnings(*checked);
  co_return response;
}

Answer havespace(const Command& command, const Context& context) {
  const auto may = co_await at_scripts<Outcome>(context, [&](ScriptFolder& folder) {
    return folder.may_put(command.strings[0], command.number);
  });
  if (!may) co_return failed(context, may.error());
  co_return refused(*may, context.config.sieve);
}

Answer listscripts(const Command&, const Context& context) {
  const auto all = co_await at_scripts<std::vector<scripts::Listed>>(
      context, [](ScriptFolder& folder) { return folder.list(); });
  if (!all) co_return failed(context, all.error());
  std::string out;
  for (const scripts::Listed& one : *all)
    out += format_string(one.name) + (one.is_active ? " ACTIVE\r\n" : "\r\n");
  co_return out + ok("Listscripts completed.");
}

// Section 2.8: the empty name makes none active. What came here by other ways than PUTSCRIPT may
// have faults.
Answer setactive(const Command& command, const Context& context) {
  const std::string& name = command.strings[0];
  if (name.empty()) {
    const auto done =
        co_await at_scripts<Outcome>(context, [](ScriptFolder& folder) -> Result<Outcome> {
          TRY_OK(folder.deactivate());
          return Outcome::done;
        });
    co_return changed(context, done, "deactivate", name);
  }
  const auto text = co_await at_scripts<std::optional<std::string>>(
      context, [&](ScriptFolder& folder) { return folder.find_text(name); });
  if (!text) co_return failed(context, text.error());
  if (!*text) co_return refused(Outcome::not_found, context.config.sieve);
  const auto checked = co_await check(context, **text);
  if (!checked) co_return failed(context, checked.error());
  if (!checked->faults.empty()) co_return no(format_faults(checked->faults));
  const auto done = co_await at_scripts<Outcome>(
      context, [&](ScriptFolder& folder) { return folder.activate(name); });
  co_return changed(context, done, "activate", name);
}

Answer getscript(const Command& command, const Context& context) {
  const auto text = co_await at_scripts<std::optional<std::string>>(
      context, [&](ScriptFolder& folder) { return folder.find_text(command.strings[0]); });
  if (!text) co_return failed(context, text.error());
  if (!*text) co_return refused(Outcome::not_found, context.config.sieve);
  // Section 2.9: a literal, whatever it holds.
  co_return fmt::format("{{{}}}\r\n{}\r\n", (*text)->size(), **text) + ok("Getscript completed.");
}

Answer deletescript(const Command& command, const Context& context) {
  const auto done = co_await at_scripts<Outcome>(
      context, [&](ScriptFolder& folder) { return folder.remove(command.strings[0]); });
  co_return changed(context, done, "remove", command.strings[0]);
}

Answer renamescript(const Command& command, const Context& context) {
  const auto done = co_await at_scripts<Outcome>(context, [&](ScriptFolder& folder) {
    return folder.rename(command.strings[0], command.strings[1]);
  });
  co_return changed(context, done, "rename", command.strings[1]);
}

Answer noop(const Command& command, const Context&) {
  if (command.strings.empty()) co_return ok("NOOP completed.");
  co_return format_tagged(command.strings.front(), "Done");
}

Answer logout(const Command&, const Context&) {
  co_return ok("Logout completed.");
}

struct Row {
  Verb verb;
  Answer (*run)(const Command& command, const Context& context);
};

constexpr Row kRows[] = {
    {Verb::capability, capability},
    {Verb::checkscript, checkscript},
    {Verb::putscript, putscript},
    {Verb::havespace, havespace},
    {Verb::listscripts, listscripts},
    {Verb::setactive, setactive},
    {Verb::getscript, getscript},
    {Verb::deletescript, deletescript},
    {Verb::renamescript, renamescript},
    {Verb::noop, noop},
    {Verb::logout, logout},
};

}  // namespace

net::Awaitable<std::string> answer(const Command& command, Context context) {
  const auto* row = std::ranges::find(kRows, command.verb, &Row::verb);
  ASSERT(row != std::end(kRows));  // parse_command() lets no other through in this state
  co_return co_await row->run(command, context);
}

}  // namespace posthorn::managesieve
