#include "maps/regexp_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/ascii.h"
#include "maps/text_lines.h"

namespace posthorn::maps {
namespace {

constexpr std::size_t kNoGroup = static_cast<std::size_t>(-1);
constexpr std::size_t kGroupsMax = 10;  // $1 to $9 and the whole
constexpr std::int64_t kPatternMemory = 1'000'000;

using Fault = std::optional<std::string>;

Fault fault_of_flags(std::string_view flags, RegexpTable::Syntax syntax, RE2::Options& options) {
  bool dot_is_any = true;
  for (const char flag : flags) {
    if (flag == 'i')
      options.set_case_sensitive(!options.case_sensitive());
    else if (flag == 'm')
      options.set_one_line(!options.one_line());
    else if (flag == 's' && syntax == RegexpTable::Syntax::perl)
      dot_is_any = !dot_is_any;
    else if (flag == 'x')
      return "flag x: only extended patterns, without spaces for looks, are understood";
    else
      return fmt::format("unknown flag {}", flag);
  }
  options.set_dot_nl(dot_is_any);
  return std::nullopt;
}

// What a pattern may say to the C library's matcher and RE2 would take for something else.
Fault fault_of_pattern(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      constexpr std::string_view kOthers = "<>`'";
      if (kOthers.find(pattern[++i]) != std::string_view::npos)
        return fmt::format("\\{} is not understood; the ends of a word are \\b", pattern[i]);
    } else if (pattern[i] == '[' && (pattern[i + 1] == '.' || pattern[i + 1] == '=') && i > 0 &&
               (pattern[i - 1] == '[' || pattern[i - 1] == '^')) {
      return "collating symbols are not understood";
    }
  }
  return std::nullopt;
}

// In our words; RE2's stand behind them.
std::string explain(const RE2& pattern) {
  std::string_view meaning = "it is not understood";
  switch (pattern.error_code()) {
    case RE2::ErrorBadEscape:
      meaning =
          "a \\ before a sign that has no meaning so; what was matched before (\\1) cannot "
          "be asked for, and a sign that stands for itself is written [x]";
      break;
    case RE2::ErrorBadCharClass:
    case RE2::ErrorBadCharRange:
      meaning = "between [ and ] stands a class or a range that is none; a range goes upwards, a-z";
      break;
    case RE2::ErrorMissingBracket:
      meaning = "a [ is never closed; write its ], or \\[ for the sign itself";
      break;
    case RE2::ErrorMissingParen:
      meaning = "a ( is never closed; write its ), or \\( for the sign itself";
      break;
    case RE2::ErrorUnexpectedParen:
      meaning = "a ) too many; take it out, or write \\) for the sign itself";
      break;
    case RE2::ErrorTrailingBackslash:
      meaning = "a \\ at the end";
      break;
    case RE2::ErrorRepeatArgument:
    case RE2::ErrorRepeatOp:
      meaning =
          "a *, + or ? with nothing in front of it to repeat; what looks ahead or behind "
          "((?=, (?!, (?<) cannot be asked for";
      break;
    case RE2::ErrorRepeatSize:
      meaning = "a {} that is none; 1000 is the most it repeats";
      break;
    case RE2::ErrorBadPerlOp:
    case RE2::ErrorBadNamedCapture:
      meaning = "a (? that is none; what looks ahead or behind cannot be asked for";
      break;
    case RE2::ErrorBadUTF8:
      meaning = "not in UTF-8; save the file as UTF-8";
      break;
    case RE2::ErrorPatternTooLarge:
      meaning = "a pattern that needs too much memory; make it shorter";
      break;
    default:
      break;
  }
  return fmt::format("{} (RE2 says: {})", meaning, pattern.error());
}

RE2::Options options_for(RegexpTable::Syntax syntax) {
  const bool posix = syntax == RegexpTable::Syntax::posix;
  RE2::Options options;
  options.set_posix_syntax(posix);
  options.set_longest_match(posix);
  options.set_perl_classes(true);
  options.set_word_boundary(true);
  options.set_one_line(true);
  options.set_case_sensitive(false);
  options.set_max_mem(kPatternMemory);
  options.set_log_errors(false);
  return options;
}

// "$1", "${1}", "$(1)", "$$".
Fault read_value(std::string_view text, std::size_t groups,
                 std::vector<std::pair<std::string, std::size_t>>& value) {
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') {
      literal += text[i];
      continue;
    }
    if (text.substr(i, 2) == "$$") {
      literal += text[++i];
      continue;
    }
    std::size_t at = i + 1;
    const char close = text.substr(at).starts_with('{')   ? '}'
                       : text.substr(at).starts_with('(') ? ')'
                                                          : '\0';
    if (close != '\0') ++at;
    if (at >= text.size() || text[at] < '1' || text[at] > '9')
      return "a $ is followed by the number of a group, or written $$";
    const auto group = static_cast<std::size_t>(text[at] - '0');
    if (close != '\0' && (++at >= text.size() || text[at] != close))
      return "a ${ is closed behind the number of one group, 1 to 9";
    if (group > groups)
      return fmt::format("${} names a group that the pattern does not have", group);
    value.emplace_back(std::exchange(literal, {}), group);
    i = at;
  }
  value.emplace_back(std::move(literal), kNoGroup);
  return std::nullopt;
}

}  // namespace

struct RegexpTable::Rule {
  enum class Kind { match, begin_if, end_if };
  Kind kind = Kind::match;
  std::size_t line = 0;
  std::unique_ptr<RE2> pattern;
  bool negated = false;
  std::size_t end = 0;  // of begin_if: its endif
  // The value in pieces: text, then the group put behind it (npos: none).
  std::vector<std::pair<std::string, std::size_t>> value;
};

RegexpTable::RegexpTable(Syntax syntax, std::string path)
    : syntax_(syntax), path_(std::move(path)) {}
RegexpTable::~RegexpTable() = default;

// "[!]/pattern/flags", at the front of rest, which moves behind it.
Result<> RegexpTable::read_pattern(std::string_view& rest, Rule& rule) const {
  const auto wrong = [](std::string why) { return fail(ErrorKind::config, std::move(why)); };
  const std::string form = "the form is: /pattern/flags value";
  if (rest.starts_with('!')) {
    rule.negated = true;
    rest = trim(rest.substr(1), kSpace);
  }
  if (rest.size() < 2) return wrong(form);
  const char delimiter = rest.front();
  std::string pattern;
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != delimiter; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) pattern += rest[i++];
    pattern += rest[i];
  }
  if (i >= rest.size()) return wrong(form);
  const std::size_t space = std::min(rest.find_first_of(kSpace, i), rest.size());
  RE2::Options options = options_for(syntax_);
  if (auto why = fault_of_flags(rest.substr(i + 1, space - i - 1), syntax_, options))
    return wrong(*std::move(why));
  if (auto why = fault_of_pattern(pattern)) return wrong(*std::move(why));
  rule.pattern = std::make_unique<RE2>(pattern, options);
  if (!rule.pattern->ok()) return wrong(explain(*rule.pattern));
  rest = trim(rest.substr(space), kSpace);
  return {};
}

Result<std::unique_ptr<RegexpTable>> RegexpTable::parse(std::string_view text,
                                                        const std::string& path, Syntax syntax) {
  std::unique_ptr<RegexpTable> table(new RegexpTable(syntax, path));
  std::vector<std::pair<std::size_t, std::size_t>> open;  // each if: its rule and its line
  const auto wrong_at = [&](std::size_t number, std::string_view why) {
    return fail(ErrorKind::config, fmt::format("{}:{}: {}", path, number, why));
  };
  if (const auto why = find_encoding_fault(text)) return wrong_at(1, *why);
  for (const LogicalLine& line : logical_lines(text)) {
    const auto wrong = [&](std::string_view why) { return wrong_at(line.number, why); };
    if (has_control(line.text)) return wrong("a control character: is this a text file?");
    std::string_view rest = line.text;
    auto rule = std::make_unique<Rule>();
    rule->line = line.number;
    const std::string word = to_lower(rest.substr(0, rest.find_first_of(kSpace)));
    if (word == "endif") {
      if (open.empty()) return wrong("an endif without its if");
      rule->kind = Rule::Kind::end_if;
      table->rules_[open.back().first]->end = table->rules_.size();
      open.pop_back();
      table->rules_.push_back(std::move(rule));
      continue;
    }
    if (word == "if") {
      rule->kind = Rule::Kind::begin_if;
      rest = trim(rest.substr(2), kSpace);
      open.emplace_back(table->rules_.size(), line.number);
    }
    if (const auto read = table->read_pattern(rest, *rule); !read) return wrong(read.error().what);
    if (rule->kind == Rule::Kind::match) {
      if (rest.empty()) return wrong("the form is: /pattern/flags value");
      // A pattern that must not match has no groups to take text from.
      const std::size_t groups =
          rule->negated ? 0 : static_cast<std::size_t>(rule->pattern->NumberOfCapturingGroups());
      if (auto why = read_value(rest, groups, rule->value)) return wrong(*why);
    }
    table->rules_.push_back(std::move(rule));
  }
  if (!open.empty()) return wrong_at(open.back().second, "an if without its endif");
  return table;
}

std::vector<Entry> RegexpTable::constants() const {
  std::vector<Entry> entries;
  for (const auto& rule : rules_)
    if (rule->kind == Rule::Kind::match && rule->value.size() == 1)
      entries.push_back({"", rule->value.front().first, rule->line});
  return entries;
}

Found RegexpTable::answer(std::string_view key) const {
  std::array<re2::StringPiece, kGroupsMax> groups{};
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = *rules_[i];
    if (rule.kind == Rule::Kind::end_if) continue;
    const int groups_wanted =
        std::min<int>(rule.pattern->NumberOfCapturingGroups() + 1, kGroupsMax);
    const bool matches = rule.pattern->Match(re2::StringPiece(key.data(), key.size()), 0,
                                             key.size(), RE2::UNANCHORED, groups.data(),
                                             rule.value.size() > 1 ? groups_wanted : 0);
    const bool holds = matches != rule.negated;
    if (rule.kind == Rule::Kind::begin_if) {
      if (!holds) i = rule.end;
      continue;
    }
    if (!holds) continue;
    std::string value;
    for (const auto& [literal, group] : rule.value) {
      value += literal;
      if (group != kNoGroup) value.append(groups[group].data(), groups[group].size());
    }
    return {std::move(value), Freshness::current, {this, rule.line}};
  }
  return {};
}

}  // namespace posthorn::maps
