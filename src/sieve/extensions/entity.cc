#include "sieve/extensions/entity.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/base64.h"

namespace posthorn::sieve {
namespace {

constexpr std::size_t kLineMax = 998;  // RFC 5322 section 2.1.1

bool is_plain(std::string_view text) {
  if (!is_ascii(text) || text.find('\0') != std::string_view::npos) return false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > kLineMax || text.starts_with("--")) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

std::string base64_lines(std::string_view bytes) {
  constexpr std::size_t kBytes = 57;  // 76 letters
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kBytes, bytes.size())))
    out += encode_base64(bytes.substr(0, kBytes)) + "\r\n";
  return out;
}

}  // namespace

bool is_mime_field(const message::Field& field) {
  return equals_ignoring_case(field.name.substr(0, 8), "Content-") ||
         equals_ignoring_case(field.name, "MIME-Version");
}

std::string with_line_ends(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

Entity text_entity(std::string_view text) {
  std::string wire = with_line_ends(text);
  const std::string type = "Content-Type: text/plain; charset=utf-8\r\n";
  if (!is_plain(wire)) return {type + "Content-Transfer-Encoding: base64\r\n", base64_lines(wire)};
  return {type, std::move(wire)};
}

Entity mime_entity(std::string_view text) {
  const std::string wire = with_line_ends(text);
  const auto end = message::find_header_end(wire, message::Input::whole);
  const std::size_t size = end ? end->header_size : 0;
  std::string header = message::Headers(std::string_view(wire).substr(0, size))
                           .without([](const message::Field& field) {
                             return !equals_ignoring_case(field.name.substr(0, 8), "Content-");
                           });
  if (!header.empty() && !header.ends_with('\n')) header += "\r\n";
  return {std::move(header), end ? wire.substr(end->body_begin) : wire};
}

}  // namespace posthorn::sieve
