#include "setup/fill.h"

#include <algorithm>

namespace posthorn::setup {
namespace {

// Characters, not bytes: what continues one in UTF-8 takes no column.
std::size_t width_of(std::string_view word) {
  return static_cast<std::size_t>(std::ranges::count_if(
      word, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::size_t indent_of(std::string_view line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t end = line.find(' ', begin);
  if (end == std::string_view::npos) return begin;
  const std::string_view mark = line.substr(begin, end - begin);
  const bool is_number = mark.size() >= 2 && mark.ends_with('.') &&
                         mark.find_first_not_of("0123456789") == mark.size() - 1;
  return is_number || mark == "-" ? end + 1 : begin;
}

// The end of the word that begins there.
std::size_t end_of_word(std::string_view line, std::size_t begin) {
  bool is_command = false;
  for (std::size_t at = begin; at < line.size(); ++at) {
    if (line[at] == '`') is_command = !is_command;
    if (line[at] == ' ' && !is_command) return at;
  }
  return line.size();
}

void fill_line(std::string& out, std::string_view line, std::size_t columns) {
  if (line.starts_with("    ")) {
    out += line;
    return;
  }
  const std::size_t indent = std::min(indent_of(line), columns / 2);
  std::size_t at = std::min(line.find_first_not_of(' '), line.size());
  out.append(std::min(at, indent), ' ');
  std::size_t column = std::min(at, indent);
  bool is_first = true;
  while (at < line.size()) {
    const std::size_t end = end_of_word(line, at);
    const std::string_view word = line.substr(at, end - at);
    const std::size_t width = width_of(word);
    if (!is_first && column + 1 + width > columns) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else if (!is_first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += width;
    is_first = false;
    at = std::min(line.find_first_not_of(' ', end), line.size());
  }
}

}  // namespace

std::string fill(std::string_view text, std::size_t columns) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    fill_line(out, text.substr(0, end), columns);
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace posthorn::setup
