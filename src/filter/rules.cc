#include "filter/rules.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <tuple>

#include "base/ascii.h"
#include "config/config.h"
#include "filter/spamd.h"

namespace posthorn::filter {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kTests = "tests=";
constexpr std::size_t kPointsMax = 16;

bool is_rule_name(std::string_view word) {
  return word.size() > 1 && std::ranges::all_of(word, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

std::string bounded_name(std::string_view name) {
  return std::string(name.substr(0, kRuleNameMax));
}

// The next word; what separates words is passed over. Empty: there is none.
std::string_view take_word(std::string_view& text, std::string_view separators) {
  text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(separators));
  text.remove_prefix(word.size());
  return word;
}

// "NAME" or "NAME=1.2", until a word is neither.
std::vector<Rule> parse_words(std::string_view& text) {
  std::vector<Rule> rules;
  while (rules.size() < kRulesMax) {
    std::string_view rest = text;
    const std::string_view word = take_word(rest, ", \t\r\n");
    const std::size_t equal = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equal);
    const std::string_view points = word.substr(std::min(equal + 1, word.size()));
    if (!is_rule_name(name) || (equal < word.size() && !is_points(points))) break;
    rules.push_back({bounded_name(name), std::string(points), {}});
    text = rest;
  }
  return rules;
}

double weight_of(const Rule& rule) {
  return std::abs(config::parse_score(rule.points).value_or(0));
}

}  // namespace

bool is_points(std::string_view word) {
  if (word.size() > kPointsMax) return false;
  if (word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() && word != "." && std::ranges::count(word, '.') <= 1 &&
         std::ranges::all_of(word, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

std::vector<Rule> parse_rules(std::string_view report) {
  std::vector<Rule> rules;
  bool is_in_table = false;
  while (!report.empty()) {
    const std::string_view line = take_line(report);
    if (!is_in_table) {
      is_in_table = line.starts_with("---- ----");  // under "pts rule name description"
      continue;
    }
    if (trim(line, kBlanks).empty()) break;
    std::string_view rest = line;
    const std::string_view points = take_word(rest, kBlanks);
    const std::string_view name = take_word(rest, kBlanks);
    const std::string description = clean(trim(rest, kBlanks));
    if (is_points(points) && is_rule_name(name)) {
      if (rules.size() == kRulesMax) break;
      rules.push_back({bounded_name(name), std::string(points), description});
    } else if (!rules.empty()) {
      std::string& text = rules.back().description;
      text += (text.empty() ? "" : " ") + clean(trim(line, kBlanks));
    }
  }
  return rules;
}

std::vector<Rule> parse_tests(std::string_view status) {
  std::size_t at = status.find(kTests);
  // Not the end of another word ("mytests=").
  while (at != std::string_view::npos && at > 0 &&
         kSpaces.find(status[at - 1]) == std::string_view::npos)
    at = status.find(kTests, at + 1);
  if (at == std::string_view::npos) return {};
  std::string_view rest = status.substr(at + kTests.size());
  auto rules = parse_words(rest);
  if (!rules.empty() && rules.front().name == "none") rules.clear();
  return rules;
}

void add_points(std::vector<Rule>& rules, std::string_view report) {
  std::string_view last, before;
  while (true) {
    const std::string_view word = take_word(report, kSpaces);
    if (word.empty()) return;
    // "* 1.2 NAME what it looks for", in a line of its own or not.
    if (before == "*" && is_points(last) && is_rule_name(word)) {
      const auto rule = std::ranges::find(rules, word.substr(0, kRuleNameMax), &Rule::name);
      if (rule != rules.end() && rule->points.empty()) rule->points = last;
    }
    before = std::exchange(last, word);
  }
}

std::string to_text(std::vector<Rule> rules) {
  std::ranges::sort(rules, std::less<>(), [](const Rule& rule) {
    return std::tuple(-weight_of(rule), rule.name, rule.points);
  });
  std::string text;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    const std::string one = fmt::format("{}{}{}{}", i == 0 ? "" : ",", rule.name,
                                        rule.points.empty() ? "" : "=", rule.points);
    const std::size_t room = i + 1 == rules.size() ? 0 : sizeof ",+200" - 1;
    if (text.size() + one.size() + room > kRulesTextMax)
      return text + fmt::format(",+{}", rules.size() - i);
    text += one;
  }
  return text;
}

RulesText parse_text(std::string_view text) {
  RulesText parsed;
  parsed.rules = parse_words(text);
  text.remove_prefix(std::min(text.find_first_not_of(','), text.size()));
  if (text.starts_with('+')) parsed.left_out = to_number<std::size_t>(text.substr(1)).value_or(0);
  return parsed;
}

}  // namespace posthorn::filter
