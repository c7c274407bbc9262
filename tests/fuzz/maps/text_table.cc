// Any bytes as a table's text: every entry has a key and a value of one line, every finding names
// its line, and the entries written one a line read back the same.
#include "base/utf8.h"
#include "maps/table.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  const maps::TextFile file = maps::parse_text(text, "maps/aliases");
  std::string again = "# the first line, which may begin with a byte order mark\n";
  std::size_t last = 0;
  for (const maps::Entry& entry : file.entries) {
    test::require(!entry.key.empty() && !entry.value.empty());
    test::require(entry.key.find_first_of(" \t\r\n\v\f\0") == std::string::npos);
    test::require(entry.value.find('\n') == std::string::npos);
    test::require(std::ranges::none_of(entry.key, [](char c) { return c >= 'A' && c <= 'Z'; }));
    test::require(entry.line > last && entry.line <= lines);
    last = entry.line;
    again += entry.key + " " + entry.value + "\n";
  }
  for (const auto* findings : {&file.faults, &file.warnings})
    for (const maps::Finding& finding : *findings) {
      test::require(finding.where.starts_with("maps/aliases:") && !finding.reason.empty());
      test::require(finding.text().starts_with(finding.where + ": "));
    }
  // That a file is not in UTF-8 is told once beside what a line lacks.
  test::require(file.entries.size() + file.faults.size() + file.warnings.size() <= lines + 1);
  const maps::TextFile back = maps::parse_text(again, "maps/aliases");
  test::require(back.faults.empty() && back.warnings.size() <= (is_utf8(again) ? 0 : 1));
  test::require(back.entries.size() == file.entries.size());
  for (std::size_t i = 0; i < back.entries.size(); ++i)
    test::require(back.entries[i].key == file.entries[i].key &&
                  back.entries[i].value == file.entries[i].value);
  // A comment or an empty line between changes nothing, nor does a missing last line end.
  again.pop_back();
  const maps::TextFile more = maps::parse_text("\n# a comment\n" + again, "m");
  test::require(more.entries.size() == back.entries.size() && more.faults.empty());
  return 0;
}
