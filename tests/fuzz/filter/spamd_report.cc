// Any bytes as spamd's report: rules that can be printed on a line each, and that a table made of
// them gives back.
#include <fmt/format.h>

#include "filter/report.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const filter::Verdict verdict = filter::parse_verdict(text);
  for (const std::string* one : {&verdict.score, &verdict.required})
    test::require(one->find_first_of("\r\n\x1B") == std::string::npos);
  const auto rules = filter::parse_rules(text);
  std::string table = "---- ----\n";
  for (const filter::Rule& rule : rules) {
    test::require(!rule.name.empty() && !rule.points.empty());
    for (const std::string* one : {&rule.name, &rule.points, &rule.description})
      test::require(std::ranges::none_of(
          *one, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F; }));
    if (rule.description.size() > 900) return 0;  // a line has an end
    table += fmt::format("{} {} {}\n", rule.points, rule.name, rule.description);
  }
  auto again = filter::parse_rules(table);
  test::require(again == rules);
  return 0;
}
