// The extension vnd.dovecot.testsuite: the commands and tests that tests of Sieve are written with,
// as Pigeonhole defines them. Only the test program has it.
#pragma once

#include <string>
#include <vector>

#include "sieve/language/rows.h"
#include "suite_host.h"

namespace posthorn::sieve::suite {

struct Failure {
  std::string test;
  std::string reason;
};

// What is known of the file at work. The commands reach it by the run's world.
class TestRun {
 public:
  explicit TestRun(Host& host) : host(host) {}

  Host& host;
  std::string test;  // that is open; empty: none
  bool has_failed = false;
  std::size_t tests = 0;
  std::vector<Failure> failures;
  // What a script that was run asked for, besides what the file itself did.
  Outcome result;
  std::size_t done = 0;      // of its actions
  std::size_t own_done = 0;  // of the file's own
  bool has_result = false;
};

Extension testsuite_extension();

// The file's tests, all of them; false: it could not be run, why is in `failures`.
bool run_file(const std::string& path, TestRun& run, const Language& language);

}  // namespace posthorn::sieve::suite
