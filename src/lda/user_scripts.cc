#include "lda/user_scripts.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/events.h"

namespace posthorn::lda {
namespace {

constexpr auto kToldEvery = std::chrono::hours(24);

bool is_same(ScriptStorage& storage, const std::string& account,
             const std::map<std::string, std::string>& personal) {
  for (const auto& [name, text] : personal) {
    const auto now = storage.find_text(account, name);
    if (!now || now->value_or("") != text) return false;
  }
  return true;
}

}  // namespace

// Its stamp is none that a script has, so that it is looked at again at each delivery.
UserScripts::Known UserScripts::unreadable(Known known) {
  known.stamp = "unreadable";
  known.faults = "The active script cannot be read: its size, or the rights of its file\n";
  known.bytes = std::max(known.bytes, sizeof(Known) + known.faults.size());
  return known;
}

Result<UserScripts::Known> UserScripts::read(const std::string& account, const Globals& globals,
                                             const Known& known) const {
  ScriptStorage& storage = parts_.storage;
  const bool is_current = (known.globals.empty() || known.globals == globals.stamp) &&
                          is_same(storage, account, known.personal);
  const auto found = storage.find_active(account, is_current ? known.stamp : "");
  // What can never be read holds up no mail (RFC 5228 section 2.10.6): it is a script with a fault.
  if (!found && found.error().kind == ErrorKind::permanent) return unreadable(known);
  if (!found) return std::unexpected(found.error());
  const auto& active = *found;
  if (!active) return Known{};
  Known next = known;
  if (is_current && !known.stamp.empty() && active->stamp == known.stamp) return next;
  next.stamp = active->stamp;
  next.globals.clear();
  next.personal.clear();
  next.faults.clear();
  sieve::CompileSettings settings{.name = fmt::format("{}/{}", account, active->name)};
  for (const auto& [name, table] : parts_.config.sieve.lists) settings.lists.insert(name);
  settings.find_script = [&](sieve::Location location,
                             const std::string& name) -> std::optional<std::string> {
    if (location == sieve::Location::global) {
      next.globals = globals.stamp;
      return globals.find(name);
    }
    auto text = storage.find_text(account, name);
    if (!text) return std::nullopt;
    next.personal[name] = text->value_or("");
    return *std::move(text);
  };
  settings.name_script = [&](sieve::Location location, const std::string& name) {
    return location == sieve::Location::global ? name_of_global(name)
                                               : fmt::format("{}/{}", account, name);
  };
  const sieve::CompileResult compiled = sieve::compile(active->text, settings);
  for (const sieve::Fault& fault : compiled.faults)
    next.faults += fmt::format("line {}, column {}: {}\n", fault.line, fault.column, fault.text);
  if (compiled.program) {
    next.script = Script{.name = settings.name, .program = compiled.program};
    next.told.reset();
  }
  next.bytes = sizeof(Known) + 2 * account.size() + next.faults.size() +
               (next.script ? next.script->program->memory() : 0);
  for (const auto& [name, text] : next.personal) next.bytes += name.size() + text.size();
  return next;
}

net::Task<UserScripts::Found> UserScripts::find(std::string account, GlobalsPtr globals) {
  const auto before = known_.find(account);
  const Known known = before == known_.end() ? Known{} : before->second;
  CO_TRY(Known next, co_await parts_.pool.run([&] { return read(account, *globals, known); }));
  Found found{.script = next.script, .faults = {}};
  const WallTime now = parts_.clock.now();
  if (!next.faults.empty() && (!next.told || now - *next.told >= kToldEvery || now < *next.told)) {
    next.told = now;
    found.faults = next.faults;
    log_.error(event::sieve_refused, {{"to", account},
                                      {"error", next.faults},
                                      {"serves", next.script ? "the one before it" : "none"}});
  }
  keep(account, std::move(next));
  co_return found;
}

void UserScripts::keep(const std::string& account, Known known) {
  if (const auto old = known_.find(account); old != known_.end()) {
    bytes_ -= old->second.bytes;
    order_.erase(old->second.place);
    known_.erase(old);
  }
  if (known.stamp.empty()) return;  // none is active
  order_.push_front(account);
  known.place = order_.begin();
  bytes_ += known.bytes;
  known_.emplace(account, std::move(known));
  drop_beyond_bound();
}

void UserScripts::drop_beyond_bound() {
  while (bytes_ > bytes_max_ && order_.size() > 1) {
    const auto last = known_.find(order_.back());
    bytes_ -= last->second.bytes;
    known_.erase(last);
    order_.pop_back();
  }
}

}  // namespace posthorn::lda
