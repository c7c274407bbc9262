// The lines of Postfix's text tables (postmap(5)): comments, empty lines and continuations.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::maps {

inline constexpr std::string_view kSpace = " \t\r\v\f";

// Also a CR inside a line: what looks like two lines would be one entry.
bool has_control(std::string_view text);

// Why nothing of it can be read: an editor wrote two bytes a letter.
std::optional<std::string> find_encoding_fault(std::string_view text);
// For an edited text, which must not be taken for one of those when what it began as was none: NULs
// that stand there may come to where such a letter would have them. Empty lines go in front of it.
void keep_encoding(std::string& edited);
// What is said of a line that is not in UTF-8.
inline constexpr std::string_view kNotUtf8 =
    "not in UTF-8, so what stands there is met by nothing that comes; save the file as UTF-8";

// What a database holds as a line would: line ends are blanks, as in a continued line, and outer
// ones are gone.
std::string as_line(std::string_view text);

// The form in which a key is held and looked up: in lower case, a domain in UTF-8 as its A-label
// (RFC 5890), so that all tables speak of one.
std::string table_key(std::string_view word);

struct LogicalLine {
  std::string text;
  std::size_t number = 0;  // of its first line, from 1
};

// Lines with their continuations joined; comments and empty lines are gone, also between
// continuations.
std::vector<LogicalLine> logical_lines(std::string_view text);

}  // namespace posthorn::maps
