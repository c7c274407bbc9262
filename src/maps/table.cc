#include "maps/table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <regex.h>

namespace posthorn::maps {
namespace {

constexpr std::string_view kSpace = " \t\r\v\f";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Also a CR inside a line: what looks like two lines would be one entry.
bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return (u < 0x20 && c != '\t') || u == 0x7F;
  });
}

struct LogicalLine {
  std::string text;
  std::size_t number = 0;
};

// Lines with their continuations joined; comments and empty lines are gone, also between
// continuations.
std::vector<LogicalLine> logical_lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // an editor's byte order mark
  std::vector<LogicalLine> lines;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
    ++number;
    const std::string_view content = trim(line);
    if (content.empty() || content.front() == '#') continue;
    if (kSpace.find(line.front()) != std::string_view::npos && !lines.empty()) {
      lines.back().text += ' ';
      lines.back().text += content;
    } else {
      lines.push_back({std::string(content), number});
    }
  }
  return lines;
}

}  // namespace

TextFile parse_text(std::string_view text, const std::string& path) {
  TextFile file;
  std::unordered_map<std::string, std::size_t> lines_of;
  for (const LogicalLine& line : logical_lines(text)) {
    const std::string where = fmt::format("{}:{}", path, line.number);
    if (has_control(line.text)) {
      file.faults.push_back({where, "a control character: is this a text file?"});
      continue;
    }
    const std::size_t space = line.text.find_first_of(kSpace);
    if (space == std::string::npos) {
      file.faults.push_back({where, fmt::format("\"{}\" has no value; the form is: key value",
                                                line.text.substr(0, 80))});
      continue;
    }
    Entry entry{lower(line.text.substr(0, space)),
                std::string(trim(std::string_view(line.text).substr(space))), line.number};
    const auto [at, is_new] = lines_of.emplace(entry.key, line.number);
    if (!is_new) {
      file.warnings.push_back({where, fmt::format("{} stands on line {} already; that one counts",
                                                  entry.key, at->second)});
      continue;
    }
    file.entries.push_back(std::move(entry));
  }
  return file;
}

TextTable::TextTable(std::vector<Entry> entries) : entries_(std::move(entries)) {
  index_.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].key, i);
}

net::Task<std::optional<std::string>> TextTable::find(std::string key) const {
  const auto found = index_.find(key);
  if (found == index_.end()) co_return std::nullopt;
  co_return entries_[found->second].value;
}

net::Task<std::optional<std::string>> TextTable::find_first() const {
  if (entries_.empty()) co_return std::nullopt;
  co_return entries_.front().key;
}

struct RegexpTable::Rule {
  enum class Kind { match, begin_if, end_if };
  Kind kind = Kind::match;
  regex_t pattern{};
  bool compiled = false;
  bool negated = false;
  std::size_t end = 0;  // of begin_if: its endif
  // The value in pieces: text, then the group put behind it (npos: none).
  std::vector<std::pair<std::string, std::size_t>> value;
  ~Rule() {
    if (compiled) regfree(&pattern);
  }
};

RegexpTable::RegexpTable() = default;
RegexpTable::~RegexpTable() = default;

namespace {

constexpr std::size_t kRepeatMax = 10'000;
constexpr std::size_t kNoGroup = static_cast<std::size_t>(-1);

using Fault = std::optional<std::string>;

// What makes glibc's matcher take exponential time or memory is refused when the table is read:
// back-references, and counted repeats that multiply.
Fault fault_of_pattern(std::string_view pattern) {
  std::size_t repeats = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      if (pattern[i + 1] >= '1' && pattern[i + 1] <= '9')
        return "a back-reference could take for ever to match";
      ++i;
    } else if (pattern[i] == '{') {
      std::size_t largest = 0, n = 0;
      for (++i; i < pattern.size() && pattern[i] != '}'; ++i) {
        n = pattern[i] >= '0' && pattern[i] <= '9'
                ? std::min<std::size_t>(n * 10 + static_cast<std::size_t>(pattern[i] - '0'),
                                        kRepeatMax + 1)
                : 0;
        largest = std::max(largest, n);
      }
      repeats *= std::max<std::size_t>(largest, 1);
      if (repeats > kRepeatMax) return "its {} repeats multiply to more than 10000";
    }
  }
  return std::nullopt;
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

// "[!]/pattern/flags", at the front of rest, which moves behind it.
Result<> RegexpTable::read_pattern(std::string_view& rest, Rule& rule) {
  const auto wrong = [](std::string why) { return fail(ErrorKind::config, std::move(why)); };
  const std::string form = "the form is: /pattern/flags value";
  if (rest.starts_with('!')) {
    rule.negated = true;
    rest = trim(rest.substr(1));
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
  int flags = REG_EXTENDED | REG_ICASE;
  for (const char flag : rest.substr(i + 1, space - i - 1)) {
    if (flag == 'i')
      flags ^= REG_ICASE;
    else if (flag == 'x')
      flags ^= REG_EXTENDED;
    else if (flag == 'm')
      flags ^= REG_NEWLINE;
    else
      return wrong(fmt::format("unknown flag {}", flag));
  }
  if (auto why = fault_of_pattern(pattern)) return wrong(*std::move(why));
  if (const int error = regcomp(&rule.pattern, pattern.c_str(), flags); error != 0) {
    std::array<char, 200> why{};
    regerror(error, &rule.pattern, why.data(), why.size());
    return wrong(why.data());
  }
  rule.compiled = true;
  rest = trim(rest.substr(space));
  return {};
}

Result<std::unique_ptr<RegexpTable>> RegexpTable::parse(std::string_view text,
                                                        const std::string& path) {
  std::unique_ptr<RegexpTable> table(new RegexpTable);
  std::vector<std::pair<std::size_t, std::size_t>> open;  // each if: its rule and its line
  const auto wrong_at = [&](std::size_t number, std::string_view why) {
    return fail(ErrorKind::config, fmt::format("{}:{}: {}", path, number, why));
  };
  for (const LogicalLine& line : logical_lines(text)) {
    const auto wrong = [&](std::string_view why) { return wrong_at(line.number, why); };
    if (has_control(line.text)) return wrong("a control character: is this a text file?");
    std::string_view rest = line.text;
    auto rule = std::make_unique<Rule>();
    const std::string word = lower(rest.substr(0, rest.find_first_of(kSpace)));
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
      rest = trim(rest.substr(2));
      open.emplace_back(table->rules_.size(), line.number);
    }
    if (const auto read = read_pattern(rest, *rule); !read) return wrong(read.error().what);
    if (rule->kind == Rule::Kind::match) {
      if (rest.empty()) return wrong("the form is: /pattern/flags value");
      // A pattern that must not match has no groups to take text from.
      const std::size_t groups = rule->negated ? 0 : rule->pattern.re_nsub;
      if (auto why = read_value(rest, groups, rule->value)) return wrong(*why);
    }
    table->rules_.push_back(std::move(rule));
  }
  if (!open.empty()) return wrong_at(open.back().second, "an if without its endif");
  return table;
}

net::Task<std::optional<std::string>> RegexpTable::find(std::string key) const {
  std::array<regmatch_t, 10> groups{};
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = *rules_[i];
    if (rule.kind == Rule::Kind::end_if) continue;
    const bool matches = regexec(&rule.pattern, key.c_str(), groups.size(), groups.data(), 0) == 0;
    const bool holds = matches != rule.negated;
    if (rule.kind == Rule::Kind::begin_if) {
      if (!holds) i = rule.end;
      continue;
    }
    if (!holds) continue;
    std::string value;
    for (const auto& [literal, group] : rule.value) {
      value += literal;
      if (group == kNoGroup || groups[group].rm_so < 0) continue;
      value.append(key, static_cast<std::size_t>(groups[group].rm_so),
                   static_cast<std::size_t>(groups[group].rm_eo - groups[group].rm_so));
    }
    co_return value;
  }
  co_return std::nullopt;
}

Result<TableName> parse_table_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) return TableName{"text", std::string(name)};
  const std::string type(name.substr(0, colon));
  const std::string rest(name.substr(colon + 1));
  // Postfix's file types are all the text file here: nothing is compiled.
  for (const std::string_view text : {"text", "hash", "lmdb", "texthash", "btree", "cdb", "dbm"})
    if (type == text) return TableName{"text", rest};
  if (type == "regexp" || type == "static") return TableName{type, rest};
  if (type == "pgsql") {
    if (rest.empty()) return TableName{type, rest};
    return fail(ErrorKind::config,
                "pgsql: stands alone; which table is meant is known, and [pgsql] says where it is");
  }
  return fail(
      ErrorKind::config,
      fmt::format(
          "unknown table type {}: (known: text hash lmdb texthash btree regexp static pgsql)",
          type));
}

}  // namespace posthorn::maps
