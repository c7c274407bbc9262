// sieve_suite FILE.svtest …: runs tests that are written in Sieve (suite_extension.h) with the engine of
// src/sieve. A line for each failure, a line for each file, and the sum at the end; the exit status
// is 0 only if nothing failed.
#include <cstdio>
#include <fmt/format.h>
#include <string>

#include "sieve/extensions/table.h"
#include "suite_extension.h"

int main(int argc, char** argv) {
  using namespace posthorn::sieve;
  if (argc < 2) {
    fmt::print(stderr, "usage: sieve_suite FILE.svtest …\n");
    return 2;
  }
  const Extension testsuite = suite::testsuite_extension();
  Language all = language();
  all.push_back(&testsuite);
  std::size_t tests = 0, failed = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    suite::Host host(all);
    suite::TestRun run(host);
    (void)suite::run_file(path, run, all);
    for (const suite::Failure& failure : run.failures) {
      fmt::print("FAIL {}: {}{}{}\n", path, failure.test, failure.test.empty() ? "" : ": ",
                 failure.reason);
    }
    if (run.failures.empty()) fmt::print("ok   {}: {} tests\n", path, run.tests);
    tests += run.tests;
    failed += run.failures.size();
  }
  fmt::print("{} tests, {} failed\n", tests, failed);
  return failed == 0 ? 0 : 1;
}
