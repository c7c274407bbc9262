#include "maps/table.h"

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

struct LogicalLine {
  std::string text;
  std::size_t number = 0;
};

// Lines with their continuations joined; comments and empty lines are gone, also between
// continuations.
std::vector<LogicalLine> logical_lines(std::string_view text) {
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
    if (line.text.find('\0') != std::string::npos) {
      file.faults.push_back({where, "a NUL byte: this is no text file"});
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

struct RegexpTable::Rule {
  regex_t pattern{};
  bool compiled = false;
  bool negated = false;
  std::string value;
  ~Rule() {
    if (compiled) regfree(&pattern);
  }
};

RegexpTable::RegexpTable() = default;
RegexpTable::~RegexpTable() = default;

Result<std::unique_ptr<RegexpTable>> RegexpTable::parse(std::string_view text,
                                                        const std::string& path) {
  std::unique_ptr<RegexpTable> table(new RegexpTable);
  for (const LogicalLine& line : logical_lines(text)) {
    const auto wrong = [&](std::string_view why) {
      return fail(ErrorKind::config, fmt::format("{}:{}: {}", path, line.number, why));
    };
    std::string_view rest = line.text;
    auto rule = std::make_unique<Rule>();
    if (rest.starts_with('!')) {
      rule->negated = true;
      rest.remove_prefix(1);
    }
    if (rest.size() < 3) return wrong("the form is: /pattern/flags value");
    const char delimiter = rest.front();
    std::string pattern;
    std::size_t i = 1;
    for (; i < rest.size() && rest[i] != delimiter; ++i) {
      if (rest[i] == '\\' && i + 1 < rest.size()) pattern += rest[i++];
      pattern += rest[i];
    }
    const std::size_t space = rest.find_first_of(kSpace, i);
    if (i >= rest.size() || space == std::string_view::npos)
      return wrong("the form is: /pattern/flags value");
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
    if (const int error = regcomp(&rule->pattern, pattern.c_str(), flags); error != 0) {
      std::array<char, 200> why{};
      regerror(error, &rule->pattern, why.data(), why.size());
      return wrong(why.data());
    }
    rule->compiled = true;
    rule->value = trim(rest.substr(space));
    table->rules_.push_back(std::move(rule));
  }
  return table;
}

net::Task<std::optional<std::string>> RegexpTable::find(std::string key) const {
  std::array<regmatch_t, 10> groups{};
  for (const auto& rule : rules_) {
    const bool matches = regexec(&rule->pattern, key.c_str(), groups.size(), groups.data(), 0) == 0;
    if (matches == rule->negated) continue;
    std::string value;
    for (std::size_t i = 0; i < rule->value.size(); ++i) {
      const char c = rule->value[i];
      const bool reference = c == '$' && i + 1 < rule->value.size() && rule->value[i + 1] >= '0' &&
                             rule->value[i + 1] <= '9';
      if (!reference) {
        value += c;
        continue;
      }
      const regmatch_t& group = groups[static_cast<std::size_t>(rule->value[++i] - '0')];
      if (!rule->negated && group.rm_so >= 0)
        value.append(key, static_cast<std::size_t>(group.rm_so),
                     static_cast<std::size_t>(group.rm_eo - group.rm_so));
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
  return fail(
      ErrorKind::config,
      fmt::format("unknown table type {}: (known: text hash lmdb texthash btree regexp static)",
                  type));
}

}  // namespace posthorn::maps
