#include "filter/report.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::filter {
namespace {

constexpr std::string_view kBlanks = " \t";

bool is_points(std::string_view word) {
  if (word.starts_with('-')) word.remove_prefix(1);
  return !word.empty() &&
         std::ranges::all_of(word, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

bool is_rule_name(std::string_view word) {
  return word.size() > 1 && std::ranges::all_of(word, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

net::Task<std::string> ask(Spamd& spamd, std::string_view method, const std::string& user,
                           std::string_view message) {
  std::string head = fmt::format("{} SPAMC/1.5\r\nContent-length: {}\r\n", method, message.size());
  if (!user.empty()) head += fmt::format("User: {}\r\n", clean(user));
  return spamd.ask(head + "\r\n", message);
}

Result<SpamdAnswer> good_answer(std::string_view text) {
  TRY(SpamdAnswer answer, parse_answer(text));
  if (answer.code == 0) return answer;
  return fail(ErrorKind::temporary, fmt::format("spamd says \"{}\"", answer.said));
}

}  // namespace

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
    const std::string_view points = take_word(rest);
    const std::string_view name = take_word(rest);
    const std::string description = clean(trim(rest, kBlanks));
    if (is_points(points) && is_rule_name(name)) {
      rules.push_back({std::string(name), std::string(points), description});
    } else if (!rules.empty()) {
      std::string& text = rules.back().description;
      text += (text.empty() ? "" : " ") + clean(trim(line, kBlanks));
    }
  }
  return rules;
}

Report parse_verdict(std::string_view said) {
  Report report;
  const std::string word = to_lower(said.substr(0, said.find(' ')));
  report.is_spam = word == "true" || word == "yes";
  const std::size_t semicolon = std::min(said.find(';'), said.size());
  std::string_view numbers = said.substr(std::min(semicolon + 1, said.size()));
  const std::size_t slash = std::min(numbers.find('/'), numbers.size());
  report.score = clean(trim(numbers.substr(0, slash), kBlanks));
  report.required = clean(trim(numbers.substr(std::min(slash + 1, numbers.size())), kBlanks));
  return report;
}

net::Task<Report> ask_report(Spamd& spamd, std::string user, std::string_view message) {
  CO_TRY(const std::string text, co_await ask(spamd, "REPORT", user, message));
  CO_TRY(const SpamdAnswer answer, good_answer(text));
  const std::string* const said = answer.find("spam");
  if (said == nullptr) co_return fail(ErrorKind::temporary, "spamd: the answer has no verdict");
  Report report = parse_verdict(*said);
  report.rules = parse_rules(answer.body);
  if (!report.rules.empty()) co_return report;
  CO_TRY(const auto names, co_await ask_symbols(spamd, std::move(user), message));
  for (const std::string& name : names) report.rules.push_back({name, {}, {}});
  co_return report;
}

net::Task<std::vector<std::string>> ask_symbols(Spamd& spamd, std::string user,
                                                std::string_view message) {
  CO_TRY(const std::string text, co_await ask(spamd, "SYMBOLS", user, message));
  CO_TRY(const SpamdAnswer answer, good_answer(text));
  std::vector<std::string> names;
  std::string_view rest = answer.body;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(", \r\n"), rest.size());
    if (const std::string_view name = rest.substr(0, end); is_rule_name(name))
      names.emplace_back(name);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  co_return names;
}

}  // namespace posthorn::filter
