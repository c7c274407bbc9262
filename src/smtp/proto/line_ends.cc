#include "smtp/proto/line_ends.h"

#include <algorithm>

namespace posthorn::smtp {

std::string_view LineEnds::feed(std::string_view piece, std::string& room) {
  if (piece.empty()) return piece;
  room.clear();
  std::size_t kept = 0;  // so much of the piece is in room
  const auto replace = [&](std::size_t at, std::string_view by) {
    room.append(piece.substr(kept, at - kept)).append(by);
    kept = at + 1;
    has_bare_ = true;
  };
  std::size_t at = 0;
  if (cr_held_ && piece.front() == '\n') {
    room = "\r\n";
    kept = at = 1;
    line_ = 0;
  } else if (cr_held_) {
    room = " ";
    has_bare_ = true;
    ++line_;
  }
  cr_held_ = false;
  while (at < piece.size()) {
    const std::size_t lf = piece.find('\n', at);
    const std::size_t end = std::min(lf, piece.size());
    const std::string_view line = piece.substr(at, end - at);
    const bool ends_in_cr = line.ends_with('\r');
    for (std::size_t cr = line.find('\r'); cr < line.size() - (ends_in_cr ? 1 : 0);
         cr = line.find('\r', cr + 1))
      replace(at + cr, " ");
    line_ += line.size() - (ends_in_cr ? 1 : 0);
    has_long_line_ |= line_ > line_max_;
    if (lf == std::string_view::npos) {
      cr_held_ = ends_in_cr;
      break;
    }
    if (!ends_in_cr) replace(lf, "\r\n");
    line_ = 0;
    at = lf + 1;
  }
  const std::size_t end = piece.size() - (cr_held_ ? 1 : 0);
  if (kept == 0 && room.empty()) return piece.substr(0, end);
  return room.append(piece.substr(kept, end - kept));
}

std::string_view LineEnds::finish() {
  if (!cr_held_) return {};
  cr_held_ = false;
  has_bare_ = true;
  return " ";
}

}  // namespace posthorn::smtp
