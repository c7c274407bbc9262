// What is wrong in a user's script, for whoever is about to store it or to make it active:
// ManageSieve and the tools ask here, so that both say the same of it. Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/compile.h"

namespace posthorn::scripts {

using sieve::Fault;

struct Checked {
  std::vector<Fault> faults;    // with one it is not to be stored
  std::vector<Fault> warnings;  // told, and stored all the same
};
Checked check_script(std::string_view text);

// "line 3, column 5: …", a line a fault.
std::string format_faults(const std::vector<Fault>& faults);

}  // namespace posthorn::scripts
