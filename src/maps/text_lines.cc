#include "maps/text_lines.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/idna.h"

namespace posthorn::maps {

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\t') || u == 0x7F;
  });
}

std::optional<std::string> find_encoding_fault(std::string_view text) {
  const bool has_mark = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  const auto has_gaps = [&](std::size_t from) {
    return text.size() >= 4 && text[from] == '\0' && text[from + 2] == '\0' &&
           text[1 - from] != '\0' && text[3 - from] != '\0';
  };
  if (!has_mark && !has_gaps(0) && !has_gaps(1)) return std::nullopt;
  return "the file is in UTF-16; save it as UTF-8";
}

void keep_encoding(std::string& edited) {
  while (find_encoding_fault(edited)) edited.insert(0, "\n");  // two at most
}

std::string as_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || kSpace.find(c) != std::string_view::npos; }, ' ');
  return std::string(trim(line, kSpace));
}

std::string table_key(std::string_view word) {
  std::string key = to_lower(word);
  if (key.find('@') != std::string::npos) return message::ascii_address(std::move(key));
  if (key.find('.') == std::string::npos) return key;
  return message::ascii_domain(key).value_or(key);
}

std::vector<LogicalLine> logical_lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // an editor's byte order mark
  std::vector<LogicalLine> lines;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    ++number;
    const std::string_view content = trim(line, kSpace);
    if (content.empty() || content.front() == '#') continue;
    if (kSpace.find(line.front()) != std::string_view::npos && !lines.empty()) {
      lines.back().text += ' ';
      lines.back().text += content;
    } else {
      lines.push_back({std::string(content), number});
    }
  }
  return lines;
}

}  // namespace posthorn::maps
