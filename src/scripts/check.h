// What is wrong in a user's script, for whoever is about to store it or to make it active:
// ManageSieve and the tools ask here, so that both say the same of it. Sans-I/O.
#pragma once

#include <set>
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
// lists: the names of [sieve.lists], which a script may ask (RFC 6134).
// RFC 6609 section 3.2: what a script includes need not be there yet when it is stored, and is
// looked at by itself when it is; it counts as an empty script here.
Checked check_script(std::string_view text, const std::set<std::string, std::less<>>& lists = {});

// "line 3, column 5: …", a line a fault.
std::string format_faults(const std::vector<Fault>& faults);

}  // namespace posthorn::scripts
