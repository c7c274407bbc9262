#include "store/uidlist.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/print.h"

namespace posthorn::store {
namespace {

std::string_view take_word(std::string_view& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(std::min(space + 1, text.size()));
  return word;
}

bool parse_header(std::string_view line, UidList& list, bool& is_old) {
  const std::string_view version = take_word(line);
  std::optional<std::uint32_t> validity;
  std::optional<std::uint32_t> next;
  if (version == "1") {
    is_old = true;
    validity = to_number<std::uint32_t>(take_word(line));
    next = to_number<std::uint32_t>(take_word(line));
  } else if (version == "3") {
    while (!line.empty()) {
      const std::string_view word = take_word(line);
      if (word.empty()) continue;
      if (word.front() == 'V') validity = to_number<std::uint32_t>(word.substr(1));
      if (word.front() == 'N') next = to_number<std::uint32_t>(word.substr(1));
      if (word.front() == 'M') list.modseq = to_number<ModSeq>(word.substr(1)).value_or(0);
      if (word.front() == 'G') list.guid = word.substr(1, 64);
    }
  }
  if (!validity || *validity == 0 || !next || *next == 0) return false;
  list.uidvalidity = *validity;
  list.leased = *next;
  return true;
}

bool parse_line(std::string_view line, bool is_old, UidList::Line& out) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return false;
  const auto uid = to_number<std::uint32_t>(line.substr(0, space));
  if (!uid || *uid == 0) return false;
  std::string_view rest = line.substr(space + 1);
  if (!is_old) {
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || (colon > 0 && rest[colon - 1] != ' ')) return false;
    rest.remove_prefix(colon + 1);
  }
  if (const std::size_t info = rest.find(":2,"); info != std::string_view::npos)
    rest = rest.substr(0, info);
  if (rest.empty()) return false;
  for (const char c : rest)
    if (static_cast<unsigned char>(c) < 0x20 || c == '/') return false;
  out = {*uid, rest};
  return true;
}

}  // namespace

std::optional<UidList> parse_uidlist(std::string_view text) {
  UidList list;
  const std::size_t first = text.find('\n');
  if (first == std::string_view::npos) return std::nullopt;
  bool is_old = false;
  if (!parse_header(text.substr(0, first), list, is_old)) return std::nullopt;
  list.is_ours = list.modseq != 0 &&
                 text.substr(0, first + 1) ==
                     format_uidlist_header(list.uidvalidity, list.leased, list.guid, list.modseq);
  text.remove_prefix(first + 1);
  Uid last = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    UidList::Line line;
    if (end == std::string_view::npos || !parse_line(text.substr(0, end), is_old, line) ||
        line.uid <= last || line.uid == 0xFFFF'FFFFU) {
      list.is_torn = true;
      break;
    }
    last = line.uid;
    list.lines.push_back(line);
    text.remove_prefix(end + 1);
  }
  list.next = std::max(list.leased, last + 1);
  return list;
}

std::string format_uidlist_header(std::uint32_t uidvalidity, Uid leased, std::string_view guid,
                                  ModSeq modseq) {
  const std::string mark = modseq != 0 ? fmt::format(" M{:020}", modseq) : "";
  return fmt::format("3 V{:010} N{:010} G{}{}\n", uidvalidity, leased, guid, mark);
}

void append_uidlist_line(Uid uid, std::string_view base, std::string& out) {
  print_to(out, "{} :{}\n", uid, base);
}

}  // namespace posthorn::store
