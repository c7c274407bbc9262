#include "takeover/dovecot_line.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"

namespace posthorn::takeover {
namespace {

using Kind = DovecotLine::Kind;
using Value = DovecotLine::Value;

constexpr std::string_view kBlanks = " \t";

// Quotes of either kind hide a #; where they are not closed, all the rest of the line is theirs.
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#') return line.substr(0, at);
    if (line[at] != '"' && line[at] != '\'') continue;
    const char quote = line[at];
    for (++at; at < line.size() && line[at] != quote; ++at)
      if (line[at] == '\\') ++at;
  }
  return line;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    out += text[at];
  }
  return out;
}

DovecotLine read_value(std::string name, std::string_view text) {
  DovecotLine line{Kind::setting, Value::text, std::move(name), std::string(text)};
  const char first = text.empty() ? '\0' : text.front();
  if (first == '<') {
    line.form = Value::file;
    line.value = trim(text.substr(1), kBlanks);
  } else if ((first == '"' || first == '\'') && text.size() > 1 && text.back() == first) {
    line.form = Value::quoted;
    line.value = unescape(text.substr(1, text.size() - 2));
  }
  return line;
}

DovecotLine fault(std::string_view why) {
  return {Kind::fault, Value::text, {}, std::string(why)};
}

// "inbox {", "\"Sent Messages\" {", "{"
DovecotLine read_block(std::string type, std::string_view text) {
  std::string name;
  // 2.4: "group @mysql default {"
  if (type == "group" && text.starts_with('@')) {
    const std::size_t end = std::min(text.find('{'), text.size());
    name = trim(text.substr(0, end), kBlanks);
    text = text.substr(end);
  } else if (text.starts_with('"')) {
    const std::size_t end = text.find('"', 1);
    if (end == std::string_view::npos) return fault("the quotes of this block's name do not end");
    name = unescape(text.substr(1, end - 1));
    text = trim(text.substr(end + 1), kBlanks);
  } else if (!text.starts_with('{')) {
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    name = text.substr(0, end);
    text = trim(text.substr(end), kBlanks);
  }
  if (!text.starts_with('{'))
    return fault("this is neither \"name = value\" nor a block, whose { is missing");
  if (text.size() > 1) return fault("behind a { nothing may follow on the same line");
  return {Kind::block, Value::text, std::move(type), std::move(name)};
}

}  // namespace

DovecotLine read_dovecot_line(std::string_view line, std::string& pending) {
  line = trim(line, kBlanks);
  // Dovecot drops what went on into an empty line or a comment.
  if (line.empty() || line.starts_with('#')) {
    if (std::exchange(pending, {}).empty()) return {};
    return fault("the line before ends in a \\ and nothing follows it: Dovecot drops it");
  }
  line = trim(without_comment(line), kBlanks);
  if (line.ends_with('\\')) {
    pending += trim(line.substr(0, line.size() - 1), kBlanks);
    if (!pending.empty()) pending += ' ';
    return {Kind::goes_on, Value::text, {}, {}};
  }
  const std::string whole = std::exchange(pending, {}) + std::string(line);
  const std::string_view text = whole;
  const std::size_t end = std::min(text.find_first_of(" \t="), text.size());
  std::string name(text.substr(0, end));
  const std::string_view rest = trim(text.substr(end), kBlanks);
  if (name == "!include") return {Kind::include, Value::text, {}, std::string(rest)};
  if (name == "!include_try") return {Kind::include_try, Value::text, {}, std::string(rest)};
  if (rest.starts_with('='))
    return name.empty() ? fault("no name stands in front of the =")
                        : read_value(std::move(name), trim(rest.substr(1), kBlanks));
  if (name == "}" && rest.empty()) return {Kind::block_end, Value::text, {}, {}};
  if (rest.empty()) return fault("a name alone: \"name = value\" or \"name {\" was expected");
  return read_block(std::move(name), rest);
}

}  // namespace posthorn::takeover
