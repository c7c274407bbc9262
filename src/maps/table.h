// Table: one lookup table, whatever holds it. Three outcomes: found, not there, could not ask (an
// Error); and of the first two, whether that is so now.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "config/finding.h"
#include "net/task.h"

namespace posthorn::maps {

// In the order of their age.
enum class Freshness {
  current,
  // From memory, because the database could not be asked: good enough to take mail by, not to
  // refuse it by.
  old
};

struct Found {
  std::optional<std::string> value;  // nullopt: it is not there
  Freshness freshness = Freshness::current;
};

class Table {
 public:
  virtual ~Table() = default;
  // key in lower case, as the caller wants it looked up: full address, address without tag,
  // "@domain", domain.
  virtual net::Task<Found> find(std::string key) const = 0;
  // virtual(5): patterns are applied to the address as a whole, never to a part of it.
  virtual bool has_patterns() const { return false; }
  // The key that was written first, of a table that has such a thing.
  virtual net::Task<std::optional<std::string>> find_first() const { co_return std::nullopt; }
};

using config::Finding;

struct Entry {
  std::string key;  // lower case
  std::string value;
  std::size_t line = 0;
};

// Postfix's text form (postmap(1)): "key white-space value", # comments, lines that begin with
// white space continue the one before. A key that stands twice is a warning, and the first counts.
struct TextFile {
  std::vector<Entry> entries;
  std::vector<config::Finding> faults;
  std::vector<config::Finding> warnings;
  std::vector<std::string> faulty_keys;  // the first words of lines that could not be understood
  bool is_text = true;                   // false: no line of it is known
};
TextFile parse_text(std::string_view text, const std::string& path);

class TextTable final : public Table {
 public:
  explicit TextTable(std::vector<Entry> entries);
  net::Task<Found> find(std::string key) const override;
  net::Task<std::optional<std::string>> find_first() const override;
  const std::vector<Entry>& entries() const { return entries_; }
  // A key whose line has a fault: "could not ask" (451) is what find() says of it from now on.
  void mark_unsure(const std::string& key) { unsure_.insert(key); }

 private:
  std::vector<Entry> entries_;
  std::unordered_set<std::string> unsure_;
  std::unordered_map<std::string, std::size_t> index_;
};

class StaticTable final : public Table {
 public:
  explicit StaticTable(std::string value) : value_(std::move(value)) {}
  net::Task<Found> find(std::string) const override { co_return Found{value_}; }

 private:
  std::string value_;
};

// A table that is named and not there, or not to be read: whatever it would decide waits.
class UnreadTable final : public Table {
 public:
  explicit UnreadTable(std::string why) : why_(std::move(why)) {}
  net::Task<Found> find(std::string) const override { co_return fail(ErrorKind::temporary, why_); }
  net::Task<std::optional<std::string>> find_first() const override {
    co_return fail(ErrorKind::temporary, why_);
  }

 private:
  std::string why_;
};

// "text:name", "hash:name" …: the type, and the file below folder.
struct TableName {
  std::string type;  // "text", "regexp", "pcre", "static", "pgsql"
  std::string rest;  // file name or static value; of pgsql nothing
  bool has_patterns() const { return type == "regexp" || type == "pcre"; }
  bool is_file() const { return type == "text" || has_patterns(); }
};
Result<TableName> parse_table_name(std::string_view name);

}  // namespace posthorn::maps
