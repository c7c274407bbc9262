// Any bytes as a regexp table: either a fault that names file and line, or a table that answers any
// key, the same way each time, with no more than its values and the key can make.
#include "maps/regexp_table.h"

#include <algorithm>
#include <cctype>

#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// Of the first line that is neither empty nor a comment.
bool begins_with_space(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    const auto content = std::ranges::find_if_not(line, is_space);
    if (content != line.end() && *content != '#') return is_space(line.front());
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = test::text_of(data, size);
  const std::string_view key = test::take_line(text).substr(0, 300);
  if (key.find('\0') != std::string_view::npos) return 0;
  const auto syntax =
      key.size() % 2 == 0 ? maps::RegexpTable::Syntax::posix : maps::RegexpTable::Syntax::perl;
  const auto table = maps::RegexpTable::parse(text.substr(0, 2000), "maps/senders", syntax);
  if (!table) {
    const std::string& what = table.error().what;
    test::require(table.error().kind == ErrorKind::config && what.starts_with("maps/senders:"));
    test::require(std::atoi(what.c_str() + std::string_view("maps/senders:").size()) > 0);
    return 0;
  }
  const auto found = (*table)->answer(key).value;
  test::require(found == (*table)->answer(key).value);
  if (found) test::require(found->size() <= text.size() + text.size() / 2 * key.size());

  // A rule of ours before them is asked first, and gives its groups. A first line that would go on
  // with ours is another table.
  if (key.empty() || text.starts_with("\xEF\xBB\xBF") || begins_with_space(text)) return 0;
  const auto ours = maps::RegexpTable::parse(
      "/^(.)(.*)$/ <$1|$2>\n" + std::string(text.substr(0, 2000)), "m", syntax);
  test::require(ours.has_value());
  // What is no UTF-8 matches no pattern for characters.
  if (std::ranges::any_of(key, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return 0;
  const auto first = (*ours)->answer(key).value;
  test::require(first && first->size() == key.size() + 3);
  return 0;
}
