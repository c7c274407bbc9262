// Scripts in the order in which they decide about a message, as Pigeonhole's sieve_before, the
// user's and sieve_after: the next one runs only while a keep is in effect at the end of the one
// before it, and storing that keep waits for the last of them. Each is a program of sieve/, or,
// where a setting asks for it, one of the administrator's for libsieve. Sans-I/O.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sieve/compile.h"
#include "sieve/libsieve/engine.h"

namespace posthorn::lda {

struct Script {
  std::string name;           // for the log: its file, or whose it is
  sieve::ProgramPtr program;  // one of the two
  std::shared_ptr<const sieve::libsieve::Script> foreign;
};
using Scripts = std::vector<Script>;

// A fault: what the scripts before the one that failed wanted, and a keep.
sieve::Outcome run_scripts(std::span<const Script> scripts, const sieve::RunInput& input);

}  // namespace posthorn::lda
