#include "smtp/proto/reply.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/utf8.h"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kTextMax = 1024;
constexpr int kLinesMax = 200;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 3463 section 2: class "." subject "." detail, of the reply's class; the two numbers have one
// to three digits.
std::string_view enhanced_of(std::string_view text, char first) {
  if (!text.starts_with(first)) return {};
  std::size_t i = 1;
  for (int part = 0; part < 2; ++part) {
    if (i == text.size() || text[i] != '.') return {};
    const std::size_t begin = ++i;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i == begin || i - begin > 3) return {};
  }
  return i < text.size() && text[i] != ' ' ? std::string_view() : text.substr(0, i);
}

// It goes into the queue's records, the log and a bounce: nothing in it may act on any of them.
// UTF-8 stays (RFC 6531 section 3.7.4), whole characters of it: a script's reason is in its owner's
// language.
void append_clean(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (out.size() + std::max<std::size_t>(length, 1) > kTextMax) return;
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0 || first < 0x20 || first == 0x7F || is_c1_control(text))
      out += '?';
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

}  // namespace

std::string format_reply(const Reply& reply) {
  std::string out;
  std::string_view text = reply.text;
  while (true) {
    const std::size_t end = text.find('\n');
    const bool last = end == std::string_view::npos;
    out += fmt::format("{}{}", reply.code, last ? ' ' : '-');
    if (!reply.enhanced.empty()) out += reply.enhanced + ' ';
    for (const char c : text.substr(0, end))
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    out += "\r\n";
    if (last) return out;
    text.remove_prefix(end + 1);
  }
}

std::string to_string(const Reply& reply) {
  std::string text = fmt::format("{} {}{}{}", reply.code, reply.enhanced,
                                 reply.enhanced.empty() ? "" : " ", reply.text);
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

Result<std::optional<Reply>> ReplyParser::feed(std::string_view line) {
  const auto wrong = [] { return fail(ErrorKind::protocol, "the server's reply is not SMTP"); };
  if (line.size() < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]))
    return wrong();
  if (line[0] < '2' || line[0] > '5') return wrong();
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return wrong();
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  if (++lines_ > kLinesMax) return wrong();
  const bool last = line.size() == 3 || line[3] == ' ';
  std::string_view text = line.size() > 4 ? line.substr(4) : std::string_view();
  const std::string_view enhanced = enhanced_of(text, line[0]);
  if (!enhanced.empty()) {
    if (reply_.enhanced.empty()) reply_.enhanced = enhanced;
    text.remove_prefix(std::min(text.size(), enhanced.size() + 1));
  }
  reply_.code = code;  // RFC 5321 section 4.2.1: the last line's code counts where they differ
  if (lines_ > 1 && reply_.text.size() < kTextMax) reply_.text += '\n';
  append_clean(text, reply_.text);
  if (!last) return std::nullopt;
  // Lines of several codes: "250-2.1.0 …" does not say what the 550 behind it means.
  if (!reply_.enhanced.empty() && reply_.enhanced.front() != line[0]) reply_.enhanced.clear();
  lines_ = 0;
  return std::exchange(reply_, Reply{});
}

}  // namespace posthorn::smtp
