// toml++ 3.3 ends the process, or worse, on four kinds of text instead of telling the fault: a
// section that is opened without a name ("[", "[!x]"), a list that a } closes, characters outside
// of quotes and comments that TOML has no use for there, and a date whose time is none. They are
// looked for first. Knows of the language what it needs: where quotes, comments and brackets begin
// and end.
#pragma once

#include <cstddef>
#include <string_view>

namespace posthorn::config {

// The fault's line, with the reason; 0: none was found.
std::size_t find_toml_fault(std::string_view text, std::string_view& reason);

}  // namespace posthorn::config
