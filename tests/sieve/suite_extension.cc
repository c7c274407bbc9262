#include "suite_extension.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <memory>

#include "base/ascii.h"
#include "sieve/language/matcher.h"

namespace posthorn::sieve::suite {
namespace {

// Leaves a `test` block, as `break` leaves a loop; no loop of a script can have this name.
constexpr std::string_view kTestBlock = "\ntest";

// The file that is at work: the program runs one at a time, and rows are plain functions.
TestRun* current = nullptr;

TestRun& test_run(Run& /*run*/) {
  return *current;
}

Host& host_of(Run& run) {
  return test_run(run).host;
}

// The message of the run is the host's as it is now.
void begin_message(Run& run) {
  MessageView& view = run.message();
  std::destroy_at(&view);
  std::construct_at(&view, run.mail(), run.world());
}

Flow fail_test(Run& run, std::string reason) {
  TestRun& tests = test_run(run);
  tests.failures.push_back({tests.test, std::move(reason)});
  tests.has_failed = true;
  if (tests.test.empty()) return Flow::next;
  run.loop_to_leave = kTestBlock;
  return Flow::broken;
}

Flow test(Run& run, const Call& call) {
  TestRun& tests = test_run(run);
  if (!tests.test.empty()) return run.fail("a test within a test");
  tests.test = call.text(run, 0);
  if (tests.test.empty()) tests.test = "without a name";
  tests.has_failed = false;
  ++tests.tests;
  const Flow flow = run.block(call);
  tests.test.clear();
  if (flow != Flow::broken || run.loop_to_leave != kTestBlock) return flow;
  run.loop_to_leave.clear();
  return Flow::next;
}

Flow test_fail(Run& run, const Call& call) {
  return fail_test(run, std::string(call.text(run, 0)));
}

Flow test_set(Run& run, const Call& call) {
  const std::string what = to_lower(call.text(run, 0));
  std::string value(call.text(run, 1));
  if (what == "message") {
    host_of(run).set_message(std::move(value));
    run.flags.clear();
  } else if (what.starts_with("envelope.")) {
    host_of(run).set_envelope(std::string_view(what).substr(9), std::move(value));
  } else {
    return run.fail(fmt::format("there is nothing to set by the name \"{}\"", what));
  }
  begin_message(run);
  return Flow::next;
}

Flow config_set(Run& run, const Call& call) {
  const std::string name(call.text(run, 0));
  if (host_of(run).set(name, std::string(call.text(run, 1)))) return Flow::next;
  return fail_test(run, fmt::format("there is no setting {}, or not with this value", name));
}

Flow config_unset(Run& run, const Call& call) {
  const std::string name(call.text(run, 0));
  if (host_of(run).unset(name)) return Flow::next;
  return fail_test(run, fmt::format("there is no setting {}", name));
}

// Settings hold at once.
Flow nothing(Run& /*run*/, const Call& /*call*/) {
  return Flow::next;
}

bool holds_message(Run& run, const Call& call) {
  Host& host = host_of(run);
  const auto which = static_cast<std::size_t>(call.number(0));
  const auto folder = call.text(run, "folder");
  Flags flags;
  const bool is_there =
      folder ? host.take_stored(std::string(*folder), which, flags) : host.take_sent(which);
  if (!is_there) return false;
  run.flags = std::move(flags);
  begin_message(run);
  return true;
}

Flow take_message(Run& run, const Call& call) {
  if (holds_message(run, call)) return Flow::next;
  return fail_test(run, fmt::format("there is no message {} in {}", call.number(0),
                                    call.text(run, "folder").value_or("what was sent")));
}

Flow mailbox_create(Run& run, const Call& call) {
  host_of(run).create_mailbox(std::string(call.text(run, 0)));
  return Flow::next;
}

void begin_result(Run& run) {
  TestRun& tests = test_run(run);
  run.begin_anew();
  tests.result = {};
  tests.has_result = false;
  tests.done = tests.own_done = 0;
}

Flow result_reset(Run& run, const Call& /*call*/) {
  begin_result(run);
  host_of(run).forget_sent();
  return Flow::next;
}

Flow metadata_set(Run& run, const Call& call) {
  host_of(run).set_annotation(std::string(call.text(run, "mailbox").value_or("")),
                              std::string(call.text(run, 0)), std::string(call.text(run, 1)));
  return Flow::next;
}

Flow binary_save(Run& run, const Call& call) {
  Host& host = host_of(run);
  if (!host.script) return fail_test(run, "no script was compiled");
  host.saved[std::string(call.text(run, 0))] = host.script;
  return Flow::next;
}

Flow binary_load(Run& run, const Call& call) {
  Host& host = host_of(run);
  const auto found = host.saved.find(std::string(call.text(run, 0)));
  if (found == host.saved.end()) return fail_test(run, "nothing was saved by this name");
  host.script = found->second;
  return Flow::next;
}

bool compiles(Run& run, const Call& call) {
  return host_of(run).compile(std::string(call.text(run, 0)));
}

bool runs(Run& run, const Call& call) {
  TestRun& tests = test_run(run);
  Host& host = tests.host;
  if (!host.script) {
    (void)run.fail("no script was compiled");
    return false;
  }
  if (!call.has("append_result")) begin_result(run);
  Outcome outcome = host.run({host.script});
  const bool is_good = outcome.end == Outcome::End::done;
  if (tests.has_result)
    outcome.actions.insert(outcome.actions.begin(), tests.result.actions.begin(),
                           tests.result.actions.end());
  tests.result = std::move(outcome);
  tests.has_result = true;
  // A script that itself is made of tests says so by failing them.
  return is_good || host.script->requires_extension("vnd.dovecot.testsuite");
}

bool runs_all(Run& run, const Call& call) {
  Host& host = host_of(run);
  host.forget_errors();
  std::vector<ProgramPtr> programs;
  for (const std::string_view file : call.list(run, 0)) {
    if (!host.compile(std::string(file))) return false;
    programs.push_back(host.script);
  }
  const Outcome outcome = host.run(programs);
  const bool is_done = host.execute(outcome, 0);
  return outcome.end == Outcome::End::done && is_done;
}

bool executes(Run& run, const Call& /*call*/) {
  TestRun& tests = test_run(run);
  Host& host = tests.host;
  host.forget_errors();
  const Outcome own = run.outcome_so_far();
  if (!tests.has_result) {
    const bool is_good = host.execute(own, tests.own_done);
    // The implicit keep at the end is none of them: what a later command asks takes its place.
    tests.own_done = run.actions().size();
    return is_good;
  }
  const bool is_good = host.execute(tests.result, tests.done);
  tests.done = tests.result.actions.size();
  return is_good && tests.result.end == Outcome::End::done;
}

std::string_view name_of(const Action& action) {
  constexpr std::string_view kNames[] = {"keep",   "store",    "redirect", "discard",
                                         "reject", "vacation", "notify",   "report"};
  return kNames[action.what.index()];
}

// The values that :index leaves of all.
bool matches(Run& run, const Call& call, const std::vector<std::string>& values) {
  Matcher matcher(run, call, 0);
  const Arg* const index = call.tag("index");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (index != nullptr && index->number != i + 1) continue;
    if (matcher.value(values[i])) return true;
  }
  return matcher.finish();
}

bool holds_action(Run& run, const Call& call) {
  const TestRun& tests = test_run(run);
  std::vector<std::string> names;
  const auto add = [&](const std::vector<Action>& actions) {
    for (const Action& action : actions)
      if (action.by == Action::By::command) names.emplace_back(name_of(action));
  };
  add(run.actions());
  if (tests.has_result) add(tests.result.actions);
  return matches(run, call, names);
}

// "file:line" of each, the file without its folder.
bool holds_place(Run& run, const Call& call) {
  std::vector<std::string> places;
  for (const Action& action : test_run(run).result.actions)
    places.push_back(
        fmt::format("{}:{}", action.script.substr(action.script.rfind('/') + 1), action.line));
  return matches(run, call, places);
}

bool holds_error(Run& run, const Call& call) {
  return matches(run, call, host_of(run).errors());
}

Flow print(Run& run, const Call& /*call*/) {
  for (const Action& action : run.actions()) fmt::print("  {}\n", name_of(action));
  if (test_run(run).has_result)
    for (const Action& action : test_run(run).result.actions) fmt::print("  {}\n", name_of(action));
  for (const std::string& error : host_of(run).errors()) fmt::print("  error: {}\n", error);
  return Flow::next;
}

Flow print_message(Run& run, const Call& /*call*/) {
  fmt::print("{}\n", *run.world().text());
  return Flow::next;
}

std::vector<CommandRow> commands() {
  const std::vector<Positional> a_name = {{"a name", Kind::string}};
  const std::vector<Positional> name_and_value = {{"a name", Kind::string},
                                                  {"a value", Kind::string}};
  return {
      {.name = "test", .arguments = a_name, .run = test, .block = Block::needed},
      {.name = "test_fail", .arguments = {{"a reason", Kind::string}}, .run = test_fail},
      {.name = "test_set", .arguments = name_and_value, .run = test_set},
      {.name = "test_config_set", .arguments = name_and_value, .run = config_set},
      {.name = "test_config_unset", .arguments = a_name, .run = config_unset},
      {.name = "test_config_reload", .run = nothing},
      {.name = "test_message", .arguments = {{"a number", Kind::number}}, .run = take_message},
      {.name = "test_message_print", .run = print_message},
      {.name = "test_mailbox_create", .arguments = a_name, .run = mailbox_create},
      {.name = "test_result_reset", .run = result_reset},
      {.name = "test_result_print", .run = print},
      {.name = "test_binary_save", .arguments = a_name, .run = binary_save},
      {.name = "test_binary_load", .arguments = a_name, .run = binary_load},
      {.name = "test_imap_metadata_set", .arguments = name_and_value, .run = metadata_set},
  };
}

std::vector<TestRow> tests() {
  using Compares = TestRow::Compares;
  const std::vector<Positional> keys = {{"keys", Kind::list}};
  return {
      {.name = "test_script_compile", .arguments = {{"a file", Kind::string}}, .run = compiles},
      {.name = "test_script_run", .run = runs},
      {.name = "test_multiscript", .arguments = {{"files", Kind::list}}, .run = runs_all},
      {.name = "test_error", .arguments = keys, .run = holds_error, .compares = Compares::yes},
      {.name = "test_result_action",
       .arguments = keys,
       .run = holds_action,
       .compares = Compares::yes},
      {.name = "test_result_place",
       .arguments = keys,
       .run = holds_place,
       .compares = Compares::yes},
      {.name = "test_result_execute", .run = executes},
      {.name = "test_message", .arguments = {{"a number", Kind::number}}, .run = holds_message},
  };
}

}  // namespace

Extension testsuite_extension() {
  return {
      .name = "vnd.dovecot.testsuite",
      .standard = "of Pigeonhole",
      .commands = commands(),
      .tests = tests(),
      .tags = {{.of = "test_message", .name = "smtp", .group = "where"},
               {.of = "test_message", .name = "folder", .argument = Kind::string, .group = "where"},
               {.of = "test_config_reload", .name = "extension", .argument = Kind::string},
               {.of = "test_imap_metadata_set", .name = "mailbox", .argument = Kind::string},
               {.of = "test_error test_result_action test_result_place",
                .name = "index",
                .argument = Kind::number},
               {.of = "test_script_run", .name = "append_result"}},
      .namespaces = {{"tst", [](Run& run, std::string_view variable) {
                        return variable == "path" ? std::optional(host_of(run).folder)
                                                  : std::nullopt;
                      }}}};
}

bool run_file(const std::string& path, TestRun& run, const Language& language) {
  const std::size_t slash = path.rfind('/');
  run.host.folder = slash == std::string::npos ? "." : path.substr(0, slash);
  const auto text = read_script(path);
  if (!text) {
    run.failures.push_back({"", "the file cannot be read"});
    return false;
  }
  CompileSettings settings;
  settings.name = path;
  settings.find_script = [&](Location location, const std::string& name) {
    const char* beneath = location == Location::personal ? "/included/" : "/included-global/";
    return read_script(run.host.folder + beneath + name + ".sieve");
  };
  Includes includes;
  const CompileResult compiled = Checker(language, settings, includes).compile(*text);
  for (const Fault& fault : compiled.faults)
    run.failures.push_back({"", fmt::format("{}:{}: {}", fault.line, fault.column, fault.text)});
  if (!compiled.program) return false;
  current = &run;
  const ProgramPtr programs[] = {compiled.program};
  const Outcome outcome = run_programs(programs, {.mail = run.host.mail(),
                                                  .world = run.host,
                                                  .settings = run.host.settings(),
                                                  .now = std::chrono::system_clock::now()});
  current = nullptr;
  if (outcome.end != Outcome::End::done) run.failures.push_back({run.test, outcome.fault});
  return outcome.end == Outcome::End::done;
}

}  // namespace posthorn::sieve::suite
