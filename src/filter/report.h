// Report: why spamd holds a mail for spam or not: its score, and each rule that hit (SPAMC protocol
// 1.5, REPORT and SYMBOLS).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "filter/spamd.h"

namespace posthorn::filter {

struct Rule {
  std::string name;
  std::string points;       // "-0.0"; empty: not known
  std::string description;  // may be empty
  bool operator==(const Rule&) const = default;
};

struct Report {
  bool is_spam = false;
  std::string score, required;  // "4.7", "5.0"
  std::vector<Rule> rules;      // as spamd orders them
};

// The rules of a report's table: points, name, description, and lines that go on with it. A site
// may have written the report's text anew (report_template): then there is none.
std::vector<Rule> parse_rules(std::string_view report);
// "False ; 4.7 / 5.0", the value of the Spam field.
Report parse_verdict(std::string_view said);

// user: the User field; may be empty.
net::Task<Report> ask_report(Spamd& spamd, std::string user, std::string_view message);
// The names of the rules that hit.
net::Task<std::vector<std::string>> ask_symbols(Spamd& spamd, std::string user,
                                                std::string_view message);

}  // namespace posthorn::filter
