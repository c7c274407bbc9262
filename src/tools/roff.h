// Text as the man macros of roff read it (man(7), groff_man(7)): every character stands for itself,
// on every terminal and in every locale, and nothing in a text can become a request.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::tools {

// A sentence: `code` in it is bold, and an option's hyphens are those that one types.
std::string roff_text(std::string_view text);
// What is typed or stands in a file, as it is: its hyphens, quotes and accents can be copied.
std::string roff_code(std::string_view text);
// Lines of a file, unfilled.
std::string roff_lines(std::string_view text);

}  // namespace posthorn::tools
