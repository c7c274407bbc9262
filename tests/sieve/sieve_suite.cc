// sieve_suite FILE.svtest …: runs tests that are written in Sieve (suite_extension.h) with the
// engine of src/sieve. A line for each failure, a line for each file, and the sum at the end; the
// exit status is 0 only if nothing failed.
// sieve_suite --actions SCRIPT SENDER RECIPIENT MAIL…: what the script asks for, a line an action
// behind a line with the mail's name; for a comparison with another engine.
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>
#include <string>

#include "base/ascii.h"
#include "sieve/extensions/table.h"
#include "suite_extension.h"

namespace posthorn::sieve::suite {
namespace {

std::string with_flags(Flags flags) {
  for (std::string& flag : flags) flag = to_lower(flag);
  std::ranges::sort(flags);
  return fmt::format("{}", fmt::join(flags, " "));
}

std::string line_of(const Action& action) {
  if (const auto* keep = std::get_if<Keep>(&action.what))
    return fmt::format("store INBOX {}", with_flags(keep->flags));
  if (const auto* into = std::get_if<FileInto>(&action.what))
    return fmt::format("store {} {}", into->place.mailbox, with_flags(into->place.flags));
  if (const auto* redirect = std::get_if<Redirect>(&action.what))
    return fmt::format("redirect {}", redirect->address);
  if (const auto* reject = std::get_if<Reject>(&action.what))
    return fmt::format("reject {}", trim(reject->reason, "\r\n"));
  if (const auto* vacation = std::get_if<Vacation>(&action.what))
    return fmt::format("vacation {}", vacation->period.count());
  return "another action";
}

int print_actions(std::span<char*> arguments, const Language& language) {
  if (arguments.size() < 3) return 2;
  Host host(language);
  host.folder = ".";
  const auto text = read_script(arguments[0]);
  const ProgramPtr program = text ? host.compile_text(arguments[0], *text) : nullptr;
  for (char* const mail : arguments.subspan(3)) {
    fmt::print("== {}\n", mail);
    const auto message = read_script(mail);
    if (!program || !message) {
      fmt::print("refused\n");
      continue;
    }
    host.set_message(*message);
    host.set_envelope("from", arguments[1]);
    host.set_envelope("to", arguments[2]);
    const Outcome outcome = host.run({program});
    if (outcome.end == Outcome::End::fault) fmt::print("fault\n");
    for (const Action& action : outcome.actions) fmt::print("{}\n", trim(line_of(action)));
    if (outcome.actions.empty()) fmt::print("discard\n");
  }
  return 0;
}

int run_files(std::span<char*> files, const Language& language) {
  std::size_t tests = 0, failed = 0;
  for (const std::string path : files) {
    Host host(language);
    TestRun run(host);
    (void)run_file(path, run, language);
    for (const Failure& failure : run.failures) {
      const std::string name = failure.test.empty() ? "" : fmt::format("\"{}\": ", failure.test);
      fmt::print("FAIL {}: {}{}\n", path, name, failure.reason);
    }
    if (run.failures.empty()) fmt::print("ok   {}: {} tests\n", path, run.tests);
    tests += run.tests;
    failed += run.failures.size();
  }
  fmt::print("{} tests, {} failed\n", tests, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace posthorn::sieve::suite

int main(int argc, char** argv) {
  using namespace posthorn::sieve;
  const std::span<char*> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    fmt::print(stderr, "usage: sieve_suite FILE.svtest …\n");
    return 2;
  }
  const Extension testsuite = suite::testsuite_extension();
  Language all = language();
  all.push_back(&testsuite);
  if (std::string_view(arguments[0]) == "--actions")
    return suite::print_actions(arguments.subspan(1), all);
  return suite::run_files(arguments, all);
}
