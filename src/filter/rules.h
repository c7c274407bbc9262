// Rules: those of spamd's that hit a mail, and what each counts. A stock spamd names them in
// X-Spam-Status (tests=A,B); it tells their points there too where its local.cf says _TESTSSCORES_
// (tests=A=1.2,B=-0.1), and in X-Spam-Report. A report's table (REPORT) has points and
// descriptions. Sans-I/O: any bytes give rules that can be printed, and a bounded number of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::filter {

inline constexpr std::size_t kRulesMax = 200;
inline constexpr std::size_t kRuleNameMax = 64;
// What a text of them may be long: what the trail keeps of one value. The log shows the first half.
inline constexpr std::size_t kRulesTextMax = 1000;

struct Rule {
  std::string name;
  std::string points;       // "-0.0", as spamd writes it; empty: it did not tell
  std::string description;  // may be empty
  bool operator==(const Rule&) const = default;
};

// "7.1", "-0.001", "1000".
bool is_points(std::string_view word);

// The rules of a report's table: points, name, description, and lines that go on with it. A site
// may have written the report's text anew (report_template): then there is none.
std::vector<Rule> parse_rules(std::string_view report);
// Those behind "tests=" in the value of X-Spam-Status, however it is folded and whatever stands
// between them (_TESTS_, _TESTSSCORES( )_).
std::vector<Rule> parse_tests(std::string_view status);
// Points from the value of X-Spam-Report, folded or not. It quotes what strangers wrote, so rules
// that are known by name only get their points by it, and none is added to them.
void add_points(std::vector<Rule>& rules, std::string_view report);

// "GTUBE=1000,NO_RELAYS=-0.001", what counts most in front; "A,B" where no points are known. Where
// not all find room it ends with ",+12": twelve more.
std::string to_text(std::vector<Rule> rules);
struct RulesText {
  std::vector<Rule> rules;
  std::size_t left_out = 0;
};
RulesText parse_text(std::string_view text);

}  // namespace posthorn::filter
