#include "tools/roff.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/utf8.h"

namespace posthorn::tools {
namespace {

enum class Kind { prose, code };

std::string escape(std::string_view text, Kind kind) {
  // A full stop or an apostrophe in front would make the line a request.
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  char before = ' ';
  while (!text.empty()) {
    const std::optional<char32_t> point = take_code_point(text);
    if (!point) break;  // our own texts are UTF-8
    const char c = *point < 0x80 ? static_cast<char>(*point) : '\0';
    const bool is_option = before == ' ' || before == '-';
    if (*point == 0x2026)
      out += "...";      // an ASCII terminal has no other way to show it
    else if (c == '\0')  // groff_char(7): a character by its number, whatever the file's encoding
      out += fmt::format("\\[u{:04X}]", static_cast<std::uint32_t>(*point));
    else if (c == '\\')
      out += "\\(rs";
    else if (c == '-' && (kind == Kind::code || is_option))
      out += "\\-";
    else if (c == '\'' && kind == Kind::code)
      out += "\\(aq";
    else if (c == '^')
      out += "\\(ha";
    else if (c == '~')
      out += "\\(ti";
    else if (c == '`')
      out += "\\(ga";
    else
      out += c;
    before = c;
  }
  return out;
}

}  // namespace

std::string roff_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('`');
    const std::size_t close = open == text.npos ? text.npos : text.find('`', open + 1);
    out += escape(text.substr(0, close == text.npos ? text.npos : open), Kind::prose);
    if (close == text.npos) break;
    out += fmt::format("\\fB{}\\fR", escape(text.substr(open + 1, close - open - 1), Kind::code));
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string roff_code(std::string_view text) {
  return escape(text, Kind::code);
}

std::string roff_lines(std::string_view text) {
  std::string out = ".nf\n";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += escape(text.substr(0, end), Kind::code) + '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + ".fi\n";
}

}  // namespace posthorn::tools
