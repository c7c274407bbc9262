#include "lda/scripts.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/libsieve/sequence.h"

namespace posthorn::lda {
namespace {

using Group = std::span<const Script>;
using End = sieve::Outcome::End;

bool is_foreign(const Script& script) {
  return script.foreign != nullptr;
}

sieve::Action action_of(const sieve::libsieve::Action& action) {
  using namespace sieve;
  if (const auto* into = std::get_if<libsieve::FileInto>(&action))
    return {FileInto{{.mailbox = into->mailbox, .flags = into->flags}}};
  if (const auto* redirect = std::get_if<libsieve::Redirect>(&action))
    return {Redirect{redirect->address}};
  if (const auto* reject = std::get_if<libsieve::Reject>(&action)) return {Reject{reject->reason}};
  if (const auto* keep = std::get_if<libsieve::Keep>(&action)) return {Keep{keep->flags}};
  return {Discard{}};
}

sieve::Outcome run_foreign(Group group, const sieve::RunInput& input) {
  std::vector<const sieve::libsieve::Script*> scripts;
  for (const Script& script : group) scripts.push_back(script.foreign.get());
  const message::Headers headers(input.mail.header);
  sieve::libsieve::Outcome outcome = sieve::libsieve::run_in_order(
      scripts, {headers, input.mail.size, input.mail.sender, input.mail.recipient});
  // Of its commands libsieve tells no lines.
  sieve::Outcome out;
  for (std::size_t i = 0; i < outcome.actions.size(); ++i) {
    const std::string& script = group[outcome.by[i]].name;
    out.dropped_by = {script, 0};
    if (std::holds_alternative<sieve::libsieve::Discard>(outcome.actions[i])) continue;
    out.actions.push_back(action_of(outcome.actions[i]));
    out.actions.back().script = script;
  }
  out.keeps = std::ranges::any_of(out.actions, [](const sieve::Action& one) {
    return std::holds_alternative<sieve::Keep>(one.what);
  });
  if (outcome.fault) {
    out.end = End::fault;
    out.fault_text = outcome.fault->what;
    out.fault_at = {group[outcome.faulty].name, 0};
    out.fault = fmt::format("{}: {}", out.fault_at.script, outcome.fault->what);
    out.actions.back().by = sieve::Action::By::fault;  // its keep
  }
  return out;
}

sieve::Outcome run_group(Group group, const sieve::RunInput& input) {
  if (is_foreign(group.front())) return run_foreign(group, input);
  std::vector<sieve::ProgramPtr> programs;
  for (const Script& script : group) programs.push_back(script.program);
  return sieve::run_programs(programs, input);
}

// The keep of the scripts so far is not stored yet: the next ones may cancel it, and have its flags
// if they do not.
sieve::Flags take_keep(std::vector<sieve::Action>& actions) {
  sieve::Flags flags;
  std::erase_if(actions, [&](sieve::Action& one) {
    auto* keep = std::get_if<sieve::Keep>(&one.what);
    if (keep != nullptr) std::ranges::move(keep->flags, std::back_inserter(flags));
    return keep != nullptr;
  });
  return flags;
}

void add_flags(std::vector<sieve::Action>& actions, const sieve::Flags& flags) {
  for (sieve::Action& action : actions)
    if (auto* keep = std::get_if<sieve::Keep>(&action.what))
      for (const std::string& flag : flags)
        if (std::ranges::none_of(keep->flags, [&](const std::string& one) {
              return equals_ignoring_case(one, flag);
            }))
          keep->flags.push_back(flag);
}

}  // namespace

sieve::Outcome run_scripts(std::span<const Script> scripts, const sieve::RunInput& input) {
  if (scripts.empty()) return sieve::run_programs({}, input);
  sieve::Outcome all;
  while (!scripts.empty() && all.keeps && all.end == End::done) {
    std::size_t size = 1;
    while (size < scripts.size() && is_foreign(scripts[size]) == is_foreign(scripts.front()))
      ++size;
    sieve::Outcome next = run_group(scripts.first(size), input);
    scripts = scripts.subspan(size);
    if (next.end == End::waiting) return next;
    add_flags(next.actions, take_keep(all.actions));
    const auto append = [](auto& to, auto& from) {
      std::ranges::move(from, std::back_inserter(to));
    };
    append(all.actions, next.actions);
    append(all.repeats, next.repeats);
    append(all.seen, next.seen);
    append(all.log, next.log);
    append(all.doubts, next.doubts);
    all.end = next.end;
    all.keeps = next.keeps;
    all.fault = std::move(next.fault);
    all.fault_text = std::move(next.fault_text);
    all.fault_at = std::move(next.fault_at);
    all.dropped_by = std::move(next.dropped_by);
    all.steps += next.steps;
  }
  return all;
}

}  // namespace posthorn::lda
