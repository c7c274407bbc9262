#include "store/script_desk.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "store/transfer_desk.h"

namespace posthorn::store {
namespace {

using scripts::Outcome;

constexpr std::size_t kNamesAnswered = 50;

std::string_view describe(Outcome outcome) {
  switch (outcome) {
    case Outcome::bad_name:
      return "no script can have this name: UTF-8 without control characters and \"/\", of 249 "
             "bytes at most";
    case Outcome::not_found:
      return "there is no script of this name";
    case Outcome::exists:
      return "there is a script of this name";
    case Outcome::is_active:
      return "it is the active one; make another one active first, or none";
    case Outcome::too_many:
      return "there are too many scripts";
    case Outcome::too_large:
      return "a script has 1 MiB at most";
    case Outcome::done:
      break;
  }
  return "";
}

Result<net::Message> list(scripts::ScriptFolder& folder, std::string_view after) {
  TRY(const auto all, folder.list());
  net::Message answer("ok");
  std::size_t count = 0;
  for (const scripts::Listed& one : all) {
    if (one.is_active) answer.add("active", one.name);
    if (one.name <= after || count == kNamesAnswered) continue;
    answer.add("name", one.name);
    ++count;
  }
  return answer;
}

Result<net::Message> text_of(scripts::ScriptFolder& folder, const net::Message& request) {
  TRY(const auto text, folder.find_text(request.get("name")));
  if (!text) return fail(ErrorKind::permanent, std::string(describe(Outcome::not_found)));
  const std::size_t offset =
      std::min(to_number<std::size_t>(request.get("offset")).value_or(0), text->size());
  net::Message answer("ok");
  answer.add("bytes", std::string_view(*text).substr(offset, kDeskPieceMax));
  TRY(const auto changed, folder.find_change(request.get("name")));
  if (changed) answer.add("changed", std::to_string(changed->time_since_epoch().count()));
  return answer;
}

}  // namespace

net::Task<net::Message> ScriptDesk::answer(Account& account, const net::Message& request) {
  co_return co_await account.pool().run([&] { return work(account, request); });
}

Result<net::Message> ScriptDesk::work(Account& account, const net::Message& request) {
  if (request.verb == "script-piece") {
    text_ += request.get("bytes");
    if (text_.size() > scripts::kScriptSizeMax)
      return fail(ErrorKind::permanent, std::string(describe(Outcome::too_large)));
    return net::Message("ok");
  }
  scripts::ScriptFolder folder(account.path(), {.scripts_max = SIZE_MAX}, account.disk());
  const std::string_view name = request.get("name");
  if (request.verb == "scripts") return list(folder, request.get("after"));
  if (request.verb == "script-text") return text_of(folder, request);
  Outcome outcome = Outcome::done;
  if (request.verb == "script-put") {
    const std::string text = std::exchange(text_, {});
    TRY(outcome, folder.put(name, text));
  } else if (request.verb == "script-activate" && name.empty()) {
    TRY_OK(folder.deactivate());
  } else if (request.verb == "script-activate") {
    TRY(outcome, folder.activate(name));
  } else if (request.verb == "script-remove") {
    TRY(outcome, folder.remove(name));
  } else {
    return fail(ErrorKind::permanent, "no question of this desk");
  }
  if (outcome != Outcome::done) return fail(ErrorKind::permanent, std::string(describe(outcome)));
  const std::string_view verb = std::string_view(request.verb).substr(std::size("script-") - 1);
  log::Logger().info(
      event::sieve_script_changed,
      {{"account", account.name()}, {"action", std::string(verb)}, {"script", std::string(name)}});
  return net::Message("ok");
}

}  // namespace posthorn::store
