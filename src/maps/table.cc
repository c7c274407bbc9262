#include "maps/table.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "maps/text_lines.h"

namespace posthorn::maps {

TextFile parse_text(std::string_view text, const std::string& path) {
  TextFile file;
  if (auto why = find_encoding_fault(text)) {
    file.faults.push_back({path + ":1", *std::move(why)});
    file.is_text = false;
    return file;
  }
  std::unordered_map<std::string, std::size_t> lines_of;
  bool is_utf8_told = false;
  for (const LogicalLine& line : logical_lines(text)) {
    const std::string where = fmt::format("{}:{}", path, line.number);
    if (has_control(line.text)) {
      file.faults.push_back({where, "a control character: is this a text file? Save it as UTF-8"});
      file.faulty_keys.push_back(table_key(line.text.substr(0, line.text.find_first_of(kSpace))));
      continue;
    }
    if (!is_utf8_told && !is_utf8(line.text)) {
      file.warnings.push_back({where, std::string(kNotUtf8)});
      is_utf8_told = true;
    }
    const std::size_t space = line.text.find_first_of(kSpace);
    if (space == std::string::npos) {
      file.faults.push_back({where, fmt::format("\"{}\" has no value; the form is: key value",
                                                line.text.substr(0, 80))});
      file.faulty_keys.push_back(table_key(line.text));
      continue;
    }
    Entry entry{table_key(line.text.substr(0, space)),
                std::string(trim(std::string_view(line.text).substr(space), kSpace)), line.number};
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

std::string Place::text() const {
  return table == nullptr ? "" : table->place_of(at);
}

std::string Table::place_of(std::uint64_t at) const {
  return at == 0 ? name() : fmt::format("{}:{}", name(), at);
}

TextTable::TextTable(std::vector<Entry> entries, std::string path)
    : entries_(std::move(entries)), path_(std::move(path)) {
  index_.reserve(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].key, i);
}

net::Task<Found> TextTable::find(std::string key) const {
  if (!unsure_.empty() && unsure_.contains(key))
    co_return fail(ErrorKind::temporary, fmt::format("the line of {} has a fault", key));
  const auto found = index_.find(key);
  if (found == index_.end()) co_return Found{};
  const Entry& entry = entries_[found->second];
  co_return Found{entry.value, Freshness::current, {this, entry.line}};
}

net::Task<Found> TextTable::find_first() const {
  if (entries_.empty()) co_return Found{};
  co_return Found{entries_.front().key, Freshness::current, {this, entries_.front().line}};
}

Result<TableName> parse_table_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) return TableName{"text", std::string(name)};
  const std::string type(name.substr(0, colon));
  const std::string rest(name.substr(colon + 1));
  // Postfix's file types are all the text file here: nothing is compiled.
  for (const std::string_view text : {"text", "hash", "lmdb", "texthash", "btree", "cdb", "dbm"})
    if (type == text) return TableName{"text", rest};
  if (type == "regexp" || type == "pcre" || type == "static") return TableName{type, rest};
  if (type == "pgsql") {
    if (rest.empty()) return TableName{type, rest};
    return fail(ErrorKind::config,
                "pgsql: stands alone; which table is meant is known, and [pgsql] says where it is");
  }
  return fail(
      ErrorKind::config,
      fmt::format(
          "unknown table type {}: (known: text hash lmdb texthash btree regexp pcre static pgsql)",
          type));
}

}  // namespace posthorn::maps
