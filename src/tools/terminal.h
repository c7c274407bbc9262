// Questions at a terminal: a line is read, shown as it is typed or hidden. Whatever ends the
// question, a signal among it, leaves the terminal as it was.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace posthorn::tools {

enum class Echo { shown, hidden };

// Somebody can be asked: what is typed comes from a terminal, and what is said goes to one.
bool is_anybody_there();
// Of what is said; where that is no terminal, as many as a page has.
std::size_t columns_of(int fd);
// Says prompt on standard error and reads a line without its end, of a terminal or of what standard
// input is. closed: it ended, or the question was broken off (^C).
Result<std::string> ask_line(std::string_view prompt, Echo echo);

}  // namespace posthorn::tools
