#include "auth/user_file.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::auth {
namespace {

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

constexpr std::string_view kMark = "\xEF\xBB\xBF";  // an editor's byte order mark

struct Place {
  std::size_t key_size, value;
};
// "user:hash", or as other servers' tables have it "user", blanks, "hash".
std::optional<Place> find_value(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::size_t blank = line.find_first_of(" \t");
  if (colon < blank) return Place{colon, colon + 1};
  const std::size_t value = line.find_first_not_of(" \t", std::min(blank, line.size()));
  if (value == std::string_view::npos || (line[value] != '$' && line[value] != '{'))
    return std::nullopt;
  return Place{blank, value};
}

}  // namespace

UserFile parse_users(std::string_view text, const std::string& path) {
  UserFile file;
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    const auto place = find_value(line);
    if (!place || place->key_size == 0 || std::ranges::any_of(line, is_control)) {
      file.faults.push_back(fmt::format("{}:{}: the form is user:{{SCHEME}}hash", path, number));
      continue;
    }
    const std::string_view rest = line.substr(place->value);
    // A {PLAIN} password may hold no colon, as with Dovecot.
    if (!file.hashes
             .emplace(to_lower(line.substr(0, place->key_size)), rest.substr(0, rest.find(':')))
             .second)
      file.faults.push_back(fmt::format("{}:{}: {} stands in the file already", path, number,
                                        line.substr(0, place->key_size)));
  }
  return file;
}

std::optional<std::string> edit_users(std::string_view text, std::string_view user,
                                      const std::string* hash) {
  std::string out;
  if (text.starts_with(kMark)) {
    out = kMark;
    text.remove_prefix(kMark.size());
  }
  bool found = false;
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    const std::string_view line = text.substr(0, lf == std::string_view::npos ? lf : lf + 1);
    text.remove_prefix(line.size());
    const auto place = find_value(line.substr(0, line.find_last_not_of("\r\n") + 1));
    if (line.starts_with('#') || !place ||
        to_lower(line.substr(0, place->key_size)) != to_lower(user)) {
      out += line;
      continue;
    }
    found = true;
    if (hash == nullptr) continue;
    const std::string_view rest = line.substr(place->value);
    // The line's end as it was; of the fields behind the hash what would make the line a faulty one
    // goes, or the new hash would not count.
    const std::size_t end = rest.find_last_not_of("\r\n") + 1;
    std::string fields(rest.substr(0, end).substr(std::min(rest.find(':'), end)));
    std::erase_if(fields, is_control);
    out += fmt::format("{}{}{}{}", line.substr(0, place->value), *hash, fields,
                       rest.substr(end).ends_with("\r\n") ? "\r\n"
                       : rest.ends_with('\n')             ? "\n"
                                                          : "");
  }
  if (found) return out;
  if (hash == nullptr) return std::nullopt;
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  return out + fmt::format("{}:{}\n", user, *hash);
}

}  // namespace posthorn::auth
