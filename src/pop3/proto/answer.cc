#include "pop3/proto/answer.h"

#include <fmt/format.h>

namespace posthorn::pop3 {

void DotStuffer::feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    if (last_ == '\n' && piece.front() == '.') out += '.';
    const std::size_t lf = piece.find('\n');
    const std::string_view line =
        piece.substr(0, lf == std::string_view::npos ? piece.size() : lf + 1);
    out += line;
    last_ = line.back();
    piece.remove_prefix(line.size());
  }
}

void DotStuffer::finish(std::string& out) {
  // A CR alone at the end becomes half of the CRLF that is missing.
  if (last_ != '\n') out += last_ == '\r' ? "\n" : "\r\n";
  out += ".\r\n";
  last_ = '\n';
}

std::string_view TopCut::take(std::string_view piece) {
  std::size_t at = 0;
  while (at < piece.size() && !done_) {
    const std::size_t lf = piece.find('\n', at);
    const std::string_view text = piece.substr(at, lf == std::string_view::npos ? lf : lf - at);
    if (text.find_first_not_of('\r') != std::string_view::npos) line_is_empty_ = false;
    if (lf == std::string_view::npos) return piece;
    at = lf + 1;
    if (!in_header_)
      --left_;
    else if (line_is_empty_)
      in_header_ = false;
    line_is_empty_ = true;
    done_ = !in_header_ && left_ == 0;
  }
  return piece.substr(0, at);
}

std::string format_uidl(std::uint32_t uid, std::uint32_t uidvalidity) {
  return fmt::format("{:08x}{:08x}", uid, uidvalidity);
}

}  // namespace posthorn::pop3
