#include "sieve/extensions/part_text.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/charset.h"
#include "sieve/extensions/html_text.h"

namespace posthorn::sieve {
namespace {

bool is_known_encoding(std::string_view encoding) {
  for (const std::string_view one : {"7bit", "8bit", "binary", "base64", "quoted-printable"})
    if (encoding == one) return true;
  return false;
}

std::string_view without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string_view header_of(const message::Part& part, std::string_view wire) {
  const std::string_view header =
      wire.substr(part.header_begin, part.body_begin - part.header_begin);
  if (header == "\r\n") return {};
  return header.ends_with("\r\n\r\n") ? header.substr(0, header.size() - 2) : header;
}

std::optional<std::string> content_of(const message::Part& part, std::string_view wire) {
  if (!is_known_encoding(part.encoding)) return std::nullopt;
  const std::string_view body = wire.substr(part.body_begin, part.body_end - part.body_begin);
  std::string bytes = message::decode_transfer(body, part.encoding);
  if (part.type != "text") return bytes;
  for (const auto& [name, charset] : part.parameters) {
    if (!equals_ignoring_case(name, "charset")) continue;
    if (auto text = message::to_utf8(bytes, charset)) return text;
    return bytes;
  }
  return bytes;
}

std::optional<std::string> readable_text(const message::Part& part, std::string_view wire) {
  const bool is_xhtml = part.type == "application" && part.subtype == "xhtml+xml";
  const bool is_html = is_xhtml || (part.type == "text" && part.subtype == "html");
  if (part.type != "text" && !is_xhtml) return std::nullopt;
  if (part.subtype.find('/') != std::string::npos) return std::nullopt;
  auto content = content_of(part, wire);
  if (content && is_html) content = text_of_html(*content);
  return content;
}

std::vector<std::string_view> around_parts(const message::Part& part, std::string_view wire) {
  std::vector<std::string_view> texts;
  if (part.children.empty()) return texts;
  // Before the line of the boundary, and the line end that belongs to it.
  std::string_view before = without_line_end(
      wire.substr(part.body_begin, part.children.front().header_begin - part.body_begin));
  before = before.substr(0, before.rfind('\n') + 1);
  texts.push_back(without_line_end(before));
  std::string_view behind =
      wire.substr(part.children.back().body_end, part.body_end - part.children.back().body_end);
  const std::size_t boundary = behind.find("--");
  if (boundary == std::string_view::npos) return texts;
  const std::size_t end = behind.find('\n', boundary);
  if (end != std::string_view::npos) texts.push_back(behind.substr(end + 1));
  return texts;
}

}  // namespace posthorn::sieve
