#include "sieve/language/run.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "sieve/language/conflicts.h"
#include "sieve/language/places.h"

namespace posthorn::sieve {

const Arg* Call::tag(std::string_view name) const {
  for (std::size_t i = 0; i < node_.args_count; ++i) {
    const Arg& one = arg(i);
    if (one.tag != nullptr && one.tag->name == name) return &one;
  }
  return nullptr;
}

std::string_view Call::text(Run& run, const Arg& arg) const {
  if (arg.count == 0) return {};
  const Text& text = program_.strings[arg.first];
  const std::string_view written = program_.text(text);
  return text.has_variables == 0 ? written : run.expand(written);
}

std::optional<std::string_view> Call::text(Run& run, std::string_view tag_name) const {
  const Arg* found = tag(tag_name);
  return found == nullptr ? std::nullopt : std::optional(text(run, *found));
}

std::vector<std::string_view> Call::list(Run& run, const Arg& arg) const {
  std::vector<std::string_view> texts;
  texts.reserve(arg.count);
  for (std::uint32_t i = 0; i < arg.count; ++i) {
    const Text& text = program_.strings[arg.first + i];
    const std::string_view written = program_.text(text);
    texts.push_back(text.has_variables == 0 ? written : run.expand(written));
  }
  return texts;
}

Run::Run(const RunInput& input)
    : flags(input.mail.flags), input_(input), message_(input.mail, input.world) {}

void Run::begin(const Program& program) {
  program_ = &program;
  script_begin_ = outcome_.actions.size();
  states_.clear();
  implicit_keep_ = true;
  variables_.clear();  // RFC 5229 section 3: a script's own
  shared_variables_.clear();
  shared_names_.clear();
  match_values_.clear();
}

bool Run::spend(std::uint64_t steps) {
  outcome_.steps += steps;
  if (outcome_.steps <= settings().steps_max) return !ended_;
  fail("the script takes too long");
  return false;
}

Flow Run::fail(std::string why) {
  if (ended_) return Flow::failed;
  ended_ = true;
  outcome_.fault_at = {program_ == nullptr ? "" : program_->name, line_};
  outcome_.fault = fmt::format("{}:{}: {}", outcome_.fault_at.script, line_, why);
  outcome_.fault_text = std::move(why);
  return Flow::failed;
}

Flow fail_with_reason(Run& run, const Call& call) {
  return run.fail(std::string(call.text(run, 0)));
}

void Run::trace(std::string text) {
  if (input_.trace) input_.trace(program_->name, line_, std::move(text));
}

bool Run::holds(const Program& program, const Node& test) {
  if (!spend(1)) return false;
  line_ = test.line;
  test_ = test.test;
  const RunTest other = program.comparisons[test.comparison].test;
  const RunTest run = other != nullptr ? other : test.test->run;
  const bool holds = run(*this, Call(program, test)) && !ended_;
  if (is_traced()) trace(fmt::format("{}: {}", test.test->name, holds ? "true" : "false"));
  return holds;
}

Flow Run::block(const Call& call) {
  return commands(call.program(), call.node().block, call.node().block_count);
}

Flow Run::branch(const Program& program, const Node& node, bool& is_taken) {
  if (node.command->branch == Branch::opens) is_taken = false;
  if (is_taken) return Flow::next;
  if (node.tests_count > 0) {
    const bool holds_now = holds(program, program.nodes[node.tests]);
    if (ended_) return Flow::failed;
    if (!holds_now) return Flow::next;
  }
  is_taken = true;
  return commands(program, node.block, node.block_count);
}

Flow Run::command(const Program& program, const Node& node) {
  line_ = node.line;
  test_ = nullptr;
  if (is_traced()) trace(std::string(node.command->name));
  const RunCommand other = program.comparisons[node.comparison].command;
  const RunCommand run = other != nullptr ? other : node.command->run;
  const Flow flow = run(*this, Call(program, node));
  return ended_ ? Flow::failed : flow;
}

Flow Run::commands(const Program& program, std::uint32_t first, std::uint32_t count) {
  const Program* const before = std::exchange(program_, &program);
  bool is_taken = false;
  Flow flow = Flow::next;
  for (std::uint32_t i = 0; i < count && flow == Flow::next; ++i) {
    const Node& node = program.nodes[first + i];
    line_ = node.line;
    if (!spend(1)) {
      flow = Flow::failed;
      break;
    }
    const std::size_t kept = kept_.size();
    flow = node.command->branch != Branch::none ? branch(program, node, is_taken)
                                                : command(program, node);
    kept_.resize(kept);
  }
  program_ = before;
  return flow;
}

Flow Run::script(const Program& program) {
  auto variables = std::exchange(variables_, {});
  auto match_values = std::exchange(match_values_, {});
  auto shared_names = std::exchange(shared_names_, {});
  const Flow flow = commands(program, program.commands, program.commands_count);
  variables_ = std::move(variables);
  match_values_ = std::move(match_values);
  shared_names_ = std::move(shared_names);
  return flow == Flow::returned ? Flow::next : flow;
}

// RFC 5228 section 2.10.3: the same twice is one, with the flags of the last (RFC 5232 section 5).
// `fileinto "INBOX"` is `keep` (section 4.3).
bool Run::merge(Action& action) {
  const auto keeps = [](const Action& one) {
    const auto* into = std::get_if<FileInto>(&one.what);
    return std::holds_alternative<Keep>(one.what) ||
           (into != nullptr && equals_ignoring_case(into->place.mailbox, "INBOX") &&
            into->place.special_use.empty() && into->place.mailbox_id.empty());
  };
  for (Action& other : outcome_.actions) {
    if (other.version != action.version) continue;
    bool is_same = keeps(other) && keeps(action);
    if (!is_same && other.what.index() != action.what.index()) continue;
    is_same = is_same || std::holds_alternative<Discard>(action.what);
    if (const auto* into = std::get_if<FileInto>(&action.what); into != nullptr && !is_same) {
      const Place& a = into->place;
      const Place& b = std::get<FileInto>(other.what).place;
      is_same =
          a.mailbox == b.mailbox && a.special_use == b.special_use && a.mailbox_id == b.mailbox_id;
      if (is_same && a.create == Create::yes)
        std::get<FileInto>(other.what).place.create = Create::yes;
    }
    if (const auto* redirect = std::get_if<Redirect>(&action.what))
      is_same = equals_ignoring_case(redirect->address, std::get<Redirect>(other.what).address);
    if (!is_same) continue;
    if (const auto* into = std::get_if<FileInto>(&other.what);
        into != nullptr && std::holds_alternative<Keep>(action.what)) {
      other.what = Keep{Flags(into->place.flags)};
    }
    if (Flags* mine = flags_of(action)) *flags_of(other) = std::move(*mine);
    other.line = action.line;
    other.script = action.script;
    return true;
  }
  return false;
}

Flow Run::act(const Call& call, Action action) {
  action.script = call.program().name;
  action.line = call.node().line;
  action.version = message_.version();
  const bool files_message =
      std::holds_alternative<Keep>(action.what) || std::holds_alternative<FileInto>(action.what);
  if (files_message) *flags_of(action) = flags;  // RFC 5232 section 5: unless `:flags` says others
  for (std::size_t i = 0; i < call.node().args_count; ++i) {
    const Arg& arg = call.arg(i);
    if (arg.tag != nullptr && arg.tag->apply != nullptr) arg.tag->apply(*this, call, arg, action);
  }
  if (ended_) return Flow::failed;
  // RFC 6785 section 3.7: nobody is answered because a client moved an old message.
  if (input_.event == RunInput::Event::mailbox && answers_the_sender(action))
    return fail(fmt::format("`{}` is not for events of a mailbox", name_of(action)));
  const auto others = std::span(outcome_.actions);
  if (auto conflict = conflict_of(others.subspan(script_begin_), action))
    return fail(*std::move(conflict));
  if (!action.keeps) {
    implicit_keep_ = false;
    keep_ended_by_ = &call.program();
    keep_ended_at_ = call.node().line;
  }
  // A script before has answered already.
  if (answers_the_sender(action) &&
      std::ranges::any_of(others.first(script_begin_), answers_the_sender))
    return Flow::next;
  if (merge(action)) return Flow::next;
  if (std::holds_alternative<Discard>(action.what)) return Flow::next;
  if (outcome_.actions.size() >= settings().actions_max)
    return fail(fmt::format("a script may take {} actions", settings().actions_max));
  const bool is_sent =
      std::holds_alternative<Redirect>(action.what) || std::holds_alternative<Report>(action.what);
  if (is_sent && ++redirects_ > settings().redirects_max)
    return fail(fmt::format("a script may redirect a message {} times", settings().redirects_max));
  if (std::holds_alternative<Notify>(action.what) && ++notifications_ > settings().notify_max)
    return fail(fmt::format("a script may notify {} times", settings().notify_max));
  outcome_.actions.push_back(std::move(action));
  return Flow::next;
}

Outcome Run::outcome_so_far() {
  Outcome outcome = outcome_;
  outcome.keeps = implicit_keep_ || std::ranges::any_of(outcome.actions, [](const Action& one) {
                    return std::holds_alternative<Keep>(one.what);
                  });
  if (implicit_keep_)
    outcome.actions.push_back({.what = Keep{flags},
                               .version = message_.version(),
                               .keeps = true,
                               .by = Action::By::no_rule});
  return outcome;
}

void Run::begin_anew() {
  outcome_.actions.clear();
  outcome_.seen.clear();
  outcome_.log.clear();
  outcome_.doubts.clear();
  outcome_.steps = 0;
  outcome_.repeats.clear();
  implicit_keep_ = true;
  redirects_ = 0;
  notifications_ = 0;
  script_begin_ = 0;
  flags.clear();
}

Flow Run::note(Seen seen) {
  const auto is_same = [&](const Seen& one) {
    return one.handle == seen.handle && one.id == seen.id;
  };
  std::erase_if(outcome_.seen, is_same);
  if (outcome_.seen.size() >= settings().seen_max)
    return fail(fmt::format("a script may look for {} duplicates", settings().seen_max));
  outcome_.seen.push_back(std::move(seen));
  return Flow::next;
}

void Run::tell_repeat() {
  ScriptLine here{program_->name, line_};
  // In a loop one test may see it again and again.
  if (std::ranges::find(outcome_.repeats, here) == outcome_.repeats.end())
    outcome_.repeats.push_back(std::move(here));
}

std::string_view Run::keep(std::string text) {
  return kept_.emplace_back(std::move(text));
}

Outcome run_programs(std::span<const ProgramPtr> programs, const RunInput& input) {
  Run run(input);
  Outcome& outcome = run.outcome_;
  bool keeps = true;
  Action kept;  // the implicit keep
  // What the programs before the one at work came to: if that one fails, it counts for nothing.
  std::vector<Action> good_actions;
  std::vector<Seen> good_seen;
  Flags good_flags;
  VersionPtr good_version;
  for (std::size_t i = 0; i < programs.size() && keeps && !run.ended_; ++i) {
    // An explicit keep of the one before is not stored yet: this one may cancel it.
    std::erase_if(outcome.actions,
                  [](const Action& one) { return std::holds_alternative<Keep>(one.what); });
    const Program& program = *programs[i];
    if (i > 0) {
      good_actions = outcome.actions;
      good_seen = outcome.seen;
      good_flags = std::get<Keep>(kept.what).flags;
      good_version = kept.version;
    }
    run.begin(program);
    (void)run.commands(program, program.commands, program.commands_count);
    kept = {.what = Keep{run.flags},
            .version = run.message_.version(),
            .script = program.name,
            .keeps = true,
            .by = Action::By::no_rule};
    keeps = run.implicit_keep_ || std::ranges::any_of(outcome.actions, [](const Action& one) {
              return std::holds_alternative<Keep>(one.what);
            });
  }
  if (run.ended_) {
    outcome.end = run.is_waiting_ ? Outcome::End::waiting : Outcome::End::fault;
    outcome.actions = std::move(good_actions);
    outcome.seen = std::move(good_seen);
    outcome.keeps = true;
    outcome.actions.push_back({.what = Keep{std::move(good_flags)},
                               .version = std::move(good_version),
                               .script = outcome.fault_at.script,
                               .line = outcome.fault_at.line,
                               .keeps = true,
                               .by = Action::By::fault});
    return std::move(outcome);
  }
  if (programs.empty()) kept = {.what = Keep{}, .by = Action::By::no_rule};
  const bool has_keep = std::ranges::any_of(
      outcome.actions, [](const Action& one) { return std::holds_alternative<Keep>(one.what); });
  if (keeps && !has_keep) outcome.actions.push_back(std::move(kept));
  outcome.keeps = keeps;
  if (!keeps && run.keep_ended_by_ != nullptr)
    outcome.dropped_by = {run.keep_ended_by_->name, run.keep_ended_at_};
  return std::move(outcome);
}

}  // namespace posthorn::sieve
