#include "takeover/postfix_tables.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/main_cf.h"

namespace posthorn::takeover {
namespace {

constexpr std::uint64_t kFileMax = 256U << 20U;
// Types that postmap makes of a text file beside.
constexpr std::string_view kCompiled[] = {"hash", "btree", "lmdb",    "cdb",
                                          "dbm",  "sdbm",  "texthash"};
constexpr std::pair<std::string_view, std::string_view> kForeign[] = {
    {"mysql", "there is no client for MySQL here: export the table's rows as lines \"key value\""},
    {"sqlite",
     "SQLite's tables are not asked: export the rows as lines \"key value\" (sqlite3 "
     "-separator ' ')"},
    {"ldap", "LDAP is not asked: export the entries as lines \"key value\""},
    {"memcache", "a cache is no source; name the table behind it"},
    {"socketmap", "no other program is asked for addresses"},
    {"tcp", "no other program is asked for addresses"},
    {"nis", "NIS is not asked"},
    {"nisplus", "NIS+ is not asked"},
    {"pipemap", "tables one behind the other are not asked: write out what they answer"},
    {"randmap", "answers by chance are not given"},
    {"cidr", "networks are no addresses of mail"},
    {"unix", "the system's accounts are no table here"},
    {"fail", "it answers nothing"},
    {"environ", "it answers nothing"},
};

bool is_in_memory(std::string_view type) {
  return type == "inline" || type == "static" || type == "unionmap" || type == "pipemap" ||
         type == "randmap";
}

OldTable unread(const TableSpec& spec, std::string why) {
  OldTable table{.spec = spec};
  table.why = std::move(why);
  return table;
}

Result<std::string> read_source(const TableSpec& spec, const std::string& kind) {
  std::error_code error;
  const Path file = spec.name;
  if (std::filesystem::is_directory(file, error))
    return fail(ErrorKind::config, "it is a folder; name a file");
  const auto text = read_file(file, kFileMax);
  if (!text) return fail(ErrorKind::config, text.error().what + "; import as root, or open it");
  if (*text) return **text;
  if (std::filesystem::exists(Path(spec.name + ".db"), error) ||
      std::filesystem::exists(Path(spec.name + ".lmdb"), error))
    return fail(ErrorKind::config,
                fmt::format("only its compiled form is there: postmap -s {} > {} writes the text",
                            spec.text(), spec.name));
  return fail(ErrorKind::config,
              fmt::format("there is no such {}; what it answered is not known", kind));
}

OldTable read_lines(const TableSpec& spec) {
  const auto text = read_source(spec, "file");
  if (!text) return unread(spec, text.error().what);
  OldTable table{.spec = spec, .kind = OldTable::Kind::lines, .file = spec.name};
  maps::TextFile parsed = maps::parse_text(*text, spec.name);
  if (!parsed.is_text) return unread(spec, "it is no text");
  table.entries = std::move(parsed.entries);
  if (!parsed.faults.empty()) table.why = parsed.faults.front().text();
  return table;
}

// inline:{ { key = value }, key=value }
OldTable read_inline(const TableSpec& spec) {
  OldTable table{.spec = spec, .kind = OldTable::Kind::lines, .file = {}};
  std::string_view text = spec.name;
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  const auto trim = [](std::string_view part) {
    while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
    while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.remove_suffix(1);
    return part;
  };
  for (const std::string& word : list_words(text)) {
    std::string_view one = word;
    if (one.starts_with('{') && one.ends_with('}')) one = one.substr(1, one.size() - 2);
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) continue;
    table.entries.push_back({.key = to_lower(trim(one.substr(0, equals))),
                             .value = std::string(trim(one.substr(equals + 1)))});
  }
  return table;
}

// The first word, which may stand in quotes, up to the colon (aliases(5)).
std::optional<maps::Entry> parse_alias(std::string_view line, std::size_t number) {
  std::string key;
  std::size_t at = 0;
  bool is_quoted = false;
  for (; at < line.size() && (is_quoted || line[at] != ':'); ++at) {
    if (line[at] == '"')
      is_quoted = !is_quoted;
    else if (is_quoted || (line[at] != ' ' && line[at] != '\t'))
      key += line[at];
  }
  if (at >= line.size() || key.empty()) return std::nullopt;
  std::string_view value = line.substr(at + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t' || value.back() == '\r'))
    value.remove_suffix(1);
  return maps::Entry{.key = to_lower(key), .value = std::string(value), .line = number};
}

}  // namespace

std::vector<TableSpec> parse_tables(std::string_view value) {
  std::vector<TableSpec> specs;
  for (const std::string& word : list_words(value)) {
    std::string_view rest = word;
    if (rest.starts_with("proxy:")) rest.remove_prefix(6);
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || rest.starts_with('/')) {
      specs.push_back({"", std::string(rest)});
      continue;
    }
    const TableSpec spec{std::string(rest.substr(0, colon)), std::string(rest.substr(colon + 1))};
    if (spec.type != "unionmap") {
      specs.push_back(spec);
      continue;
    }
    std::string_view inner = spec.name;  // all of them are asked, the first answers come first
    if (inner.starts_with('{') && inner.ends_with('}')) inner = inner.substr(1, inner.size() - 2);
    for (TableSpec& one : parse_tables(inner)) specs.push_back(std::move(one));
  }
  return specs;
}

OldTable read_table(const TableSpec& spec) {
  if (std::ranges::find(kCompiled, spec.type) != std::end(kCompiled)) return read_lines(spec);
  if (spec.type == "inline") return read_inline(spec);
  if (spec.type == "static") {
    OldTable table{.spec = spec, .kind = OldTable::Kind::one, .file = {}};
    table.value = spec.name;
    return table;
  }
  if (spec.type == "regexp" || spec.type == "pcre") {
    const auto text = read_source(spec, "file");
    if (!text) return unread(spec, text.error().what);
    OldTable table{.spec = spec, .kind = OldTable::Kind::patterns, .file = spec.name};
    table.text = *text;
    return table;
  }
  if (spec.type == "pgsql") {
    const auto text = read_source(spec, "file");
    if (!text) return unread(spec, text.error().what);
    OldTable table{.spec = spec, .kind = OldTable::Kind::pgsql, .file = spec.name};
    table.text = *text;
    return table;
  }
  const auto foreign = std::ranges::find(kForeign, std::string_view(spec.type),
                                         &std::pair<std::string_view, std::string_view>::first);
  if (foreign != std::end(kForeign)) return unread(spec, std::string(foreign->second));
  return unread(spec, is_in_memory(spec.type) || spec.type.empty()
                          ? "it names no table"
                          : "a type of table that is not known here");
}

OldTable read_local_aliases(const TableSpec& spec) {
  if (std::ranges::find(kCompiled, spec.type) == std::end(kCompiled)) return read_table(spec);
  const auto text = read_source(spec, "file");
  if (!text) return unread(spec, text.error().what);
  OldTable table{.spec = spec, .kind = OldTable::Kind::lines, .file = spec.name};
  std::string logical;
  std::size_t number = 0, begun = 0;
  const auto take = [&] {
    if (logical.empty()) return;
    if (auto entry = parse_alias(logical, begun))
      table.entries.push_back(*std::move(entry));
    else
      table.why = fmt::format("{}:{}: no \"name: list\"", spec.name, begun);
  };
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t lf = rest.find('\n');
    const std::string_view line = rest.substr(0, lf);
    rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
    ++number;
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    if (first > 0 && !logical.empty()) {
      logical += ' ';
      logical += line.substr(first);
      continue;
    }
    take();
    logical = line;
    begun = number;
  }
  take();
  return table;
}

}  // namespace posthorn::takeover
