#include "message/field_fold.h"

#include <algorithm>

#include "message/refit.h"

namespace posthorn::message {
namespace {

// RFC 5322 section 2.1.1: lines SHOULD have no more.
constexpr std::size_t kLineWish = 78;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Where a line of field text is cut: before `at`, with a space put in front of the rest or not.
struct Cut {
  std::size_t at = 0;
  bool adds_space = false;
};

// first: nothing is cut before it, so that no line is blank or has only the field's name.
Cut find_cut(std::string_view line, std::size_t first) {
  const auto is_end_of_word = [&](std::size_t at) {
    return is_blank(line[at]) && !is_blank(line[at - 1]);
  };
  const std::size_t wish = std::min(kLineWish, line.size() - 1);
  for (std::size_t at = wish; at > first; --at)
    if (is_end_of_word(at)) return {at};
  const std::size_t last = std::min(kLineMax, line.size() - 1);
  for (std::size_t at = std::max(wish, first) + 1; at <= last; ++at)
    if (is_end_of_word(at)) return {at};
  // "<a@b><c@d>" and "a@b,c@d": blanks may stand between them.
  for (std::size_t at = last; at > first; --at)
    if (line[at - 1] == ',' || (line[at - 1] == '>' && line[at] == '<')) return {at, true};
  std::size_t at = last;
  while (at > first + 1 && (static_cast<unsigned char>(line[at]) & 0xC0U) == 0x80) --at;
  return {at, true};
}

void fold_line(std::string_view line, std::string_view end, std::size_t name_size,
               std::string& out) {
  std::string rest;
  const bool is_too_long = line.size() > kLineMax;
  while (is_too_long && line.size() > kLineWish) {
    std::size_t first = name_size;
    while (first < line.size() && is_blank(line[first])) ++first;
    if (first >= kLineMax) break;  // blanks alone
    const Cut cut = find_cut(line, first + 1);
    if (cut.adds_space && line.size() <= kLineMax) break;
    // What is left but blanks would be a line of its own without a letter.
    if (!cut.adds_space && line.find_first_not_of(" \t", cut.at) == std::string_view::npos) break;
    out += line.substr(0, cut.at);
    out += end.empty() ? "\r\n" : end;
    line.remove_prefix(cut.at);
    if (cut.adds_space) {
      std::string spaced = " ";
      spaced += line;
      rest = std::move(spaced);
      line = rest;
    }
    name_size = 0;
  }
  out += line;
  out += end;
}

}  // namespace

std::string fold_field(std::string_view raw) {
  std::string out;
  std::size_t name_size = raw.find(':');
  name_size = name_size == std::string_view::npos ? 0 : name_size + 1;
  while (!raw.empty()) {
    const std::size_t newline = raw.find('\n');
    const std::size_t size = newline == std::string_view::npos ? raw.size() : newline + 1;
    std::string_view line = raw.substr(0, size);
    std::string_view end;
    if (line.ends_with("\r\n"))
      end = line.substr(line.size() - 2);
    else if (line.ends_with('\n'))
      end = line.substr(line.size() - 1);
    line.remove_suffix(end.size());
    fold_line(line, end, name_size, out);
    raw.remove_prefix(size);
    name_size = 0;
  }
  return out;
}

}  // namespace posthorn::message
