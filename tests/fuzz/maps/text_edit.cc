// Any bytes as a text table, edited: what was set is what is read, what was removed is gone, and
// every other entry is what it was.
#include "maps/text_edit.h"

#include <map>

#include "maps/table.h"
#include "maps/text_lines.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::map<std::string, std::string> read(std::string_view text) {
  std::map<std::string, std::string> found;
  for (const maps::Entry& entry : maps::parse_text(text, "t").entries)
    found.emplace(entry.key, entry.value);
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = test::text_of(data, size);
  const std::string key(test::take_line(text).substr(0, 100));
  const std::string value(test::take_line(text).substr(0, 100));
  // A line that is no entry may hide one that the edit would bring out.
  if (!maps::parse_text(text, "t").faults.empty()) return 0;
  const bool is_set = !value.empty();
  const maps::TextChange change{key, is_set ? std::optional(value) : std::nullopt};
  const auto edited = maps::edit_text(text, std::span(&change, 1));
  if (!edited) {
    test::require(edited.error().kind == ErrorKind::permanent);
    return 0;
  }
  auto before = read(text);
  auto after = read(*edited);
  test::require(maps::parse_text(*edited, "t").faults.empty());
  const std::string held = maps::table_key(key);
  const auto found = after.find(held);
  test::require(is_set ? found != after.end() && found->second == value : found == after.end());
  before.erase(held);
  after.erase(held);
  test::require(before == after);
  return 0;
}
