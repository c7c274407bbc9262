// The parser's messages name what its grammar wanted ("expected 'false', saw 'fi'"); whoever edits
// a setting needs the key and the right form.
#include "config/toml_words.h"

#include <fmt/format.h>

namespace posthorn::config {
namespace {

struct Words {
  std::string_view parser;   // a part of its message
  std::string_view meaning;  // {0}: the name that the line begins with
};

constexpr std::string_view kNoValue =
    "{0} has a value that is none; a text stands in quotes (\"50MB\", \"30s\"), a number and true "
    "or false without";

// The first that fits counts.
constexpr Words kWords[] = {
    {"could not determine value type", kNoValue},
    {"parsing boolean", kNoValue},
    {"parsing integer", kNoValue},
    {"integer: ", kNoValue},
    {"floating-point: ", kNoValue},
    {"expected value", "{0} has no value; write one behind the =, or take the line out"},
    {"cannot redefine existing table",
     "the section {0} stands in the file twice; put its keys below the first"},
    {"cannot redefine existing", "{0} stands in its section twice; take one of the lines out"},
    {"parsing table header", "a section opens with its name in brackets: [smtp]"},
    {"array: ", "a list that has no end, in this line or above it; the form is [\"one\", \"two\"]"},
    {"unknown escape",
     "{0}: a backslash in a text is written twice, or the text stands in single quotes"},
    {"unescaped control", "{0}: a text without the quote at its end; write it"},
    {"end-of-file", "{0}: a text or list without its end; close the quote or bracket"},
    {"utf-8", "the file is not in UTF-8; save it in that encoding"},
    {"expected a comment",
     "{0}: something stands behind the value; only a comment with # may, so take it out"},
};

std::string_view line_of(std::string_view text, std::size_t line) {
  for (; line > 1; --line) {
    const std::size_t lf = text.find('\n');
    if (lf == std::string_view::npos) return {};
    text.remove_prefix(lf + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The word a line begins with: a key, or a section's name.
std::string_view name_in(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t["), line.size()));
  return line.substr(0, line.find_first_of(" \t=]\r:"));
}

}  // namespace

std::string explain_toml_fault(std::string_view text, std::size_t line, std::string_view parser) {
  const std::string_view name = name_in(line_of(text, line));
  std::string meaning = "this is neither key = value, nor [section], nor a comment with #; mend it";
  for (const Words& words : kWords)
    if (parser.find(words.parser) != std::string_view::npos) {
      meaning = fmt::format(fmt::runtime(words.meaning), name.empty() ? "the line" : name);
      break;
    }
  return fmt::format("{} (the parser says: {})", meaning, parser);
}

}  // namespace posthorn::config
