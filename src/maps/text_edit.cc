#include "maps/text_edit.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_map>

#include "base/ascii.h"
#include "base/utf8.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";  // an editor's byte order mark

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

Result<> check(const TextChange& change) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::permanent,
                fmt::format("\"{}\": a text table cannot hold {}", change.key.substr(0, 200), why));
  };
  if (!is_utf8(change.key) || change.key.empty() || change.key.front() == '#' ||
      change.key.find_first_of(kSpace) != std::string::npos ||
      std::ranges::any_of(change.key, is_control))
    return refuse("such a key");
  if (!change.value) return {};
  if (!is_utf8(*change.value) || change.value->empty() ||
      std::ranges::any_of(*change.value, is_control) ||
      kSpace.find(change.value->front()) != std::string_view::npos ||
      kSpace.find(change.value->back()) != std::string_view::npos)
    return refuse("such a value");
  return {};
}

}  // namespace

Result<std::string> edit_text(std::string_view text, std::span<const TextChange> changes) {
  if (const auto why = find_encoding_fault(text)) return fail(ErrorKind::permanent, *why);
  struct State {
    const TextChange* change;
    bool written;
  };
  std::unordered_map<std::string, State> wanted;
  for (const TextChange& change : changes) {
    TRY_OK(check(change));
    wanted[table_key(change.key)] = {&change, false};
  }
  std::string out;
  const bool is_marked = text.starts_with(kMark);
  if (is_marked) text.remove_prefix(kMark.size());
  bool is_dropping = false;  // the lines that continue an entry which was changed
  bool has_entry = false;    // before it, a line that begins with white space is an entry
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    const std::string_view line = text.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    text.remove_prefix(line.size());
    const std::size_t begin = line.find_first_not_of(" \t\r\v\f\n");
    if (begin == std::string_view::npos || line[begin] == '#') {
      out += line;
      continue;
    }
    if (begin > 0 && has_entry) {
      if (!is_dropping) out += line;
      continue;
    }
    has_entry = true;
    const std::size_t end = std::min(line.find_first_of(" \t\r\v\f\n", begin), line.size());
    const auto found = wanted.find(table_key(line.substr(begin, end - begin)));
    is_dropping = found != wanted.end();
    if (!is_dropping) {
      out += line;
    } else if (found->second.change->value && !found->second.written) {
      const TextChange& change = *found->second.change;
      out += fmt::format("{} {}\n", to_lower(change.key), *change.value);
      found->second.written = true;
    }
  }
  for (const TextChange& change : changes) {
    State& state = wanted[table_key(change.key)];
    if (!state.change->value || state.written) continue;
    if (!out.empty() && !out.ends_with('\n')) out += '\n';
    out += fmt::format("{} {}\n", to_lower(change.key), *state.change->value);
    state.written = true;
  }
  // A key that begins like a mark would lose that at the file's beginning.
  if (is_marked || out.starts_with(kMark)) out.insert(0, kMark);
  keep_encoding(out);
  return out;
}

}  // namespace posthorn::maps
