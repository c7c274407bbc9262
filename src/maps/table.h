// Table: one lookup table, whatever holds it. Three outcomes: found, not there, could not ask (an
// Error); and of the first two, whether that is so now. What was found knows its place, a file's
// line or a row, as a number: its text is made for who asks, so that a lookup builds none.
#pragma once

#include <cstdint>
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

class Table;
// Where an answer stands. Good for as long as the set of tables that gave it.
struct Place {
  const Table* table = nullptr;  // nullptr: nowhere
  std::uint64_t at = 0;          // a file's line, the id of a row; 0: the table as a whole
  // "maps/aliases:7", as `check` prints it; "pgsql aliases row id=12"; empty: nowhere.
  std::string text() const;
};

struct Found {
  std::optional<std::string> value;  // nullopt: it is not there
  Freshness freshness = Freshness::current;
  Place place = {};  // of the value
};

class Table {
 public:
  virtual ~Table() = default;
  // key in lower case, as the caller wants it looked up: full address, address without tag,
  // "@domain", domain.
  virtual net::Task<Found> find(std::string key) const = 0;
  // virtual(5): patterns are applied to the address as a whole, never to a part of it.
  virtual bool has_patterns() const { return false; }
  // Whether another program than ours writes it, so that no command of ours can.
  virtual bool is_foreign() const { return false; }
  // The key that was written first, of a table that has such a thing; its place with it.
  virtual net::Task<Found> find_first() const { co_return Found{}; }
  // As the operator knows it: its file as `check` prints it, "pgsql aliases", "static:value".
  virtual std::string name() const = 0;
  virtual std::string place_of(std::uint64_t at) const;
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
  TextTable(std::vector<Entry> entries, std::string path);
  net::Task<Found> find(std::string key) const override;
  net::Task<Found> find_first() const override;
  std::string name() const override { return path_; }
  const std::vector<Entry>& entries() const { return entries_; }
  // A key whose line has a fault: "could not ask" (451) is what find() says of it from now on.
  void mark_unsure(const std::string& key) { unsure_.insert(key); }

 private:
  std::vector<Entry> entries_;
  std::string path_;
  std::unordered_set<std::string> unsure_;
  std::unordered_map<std::string, std::size_t> index_;
};

class StaticTable final : public Table {
 public:
  explicit StaticTable(std::string value) : value_(std::move(value)) {}
  net::Task<Found> find(std::string) const override {
    co_return Found{value_, Freshness::current, {this}};
  }
  std::string name() const override { return "static:" + value_; }

 private:
  std::string value_;
};

// A table that is named and not there, or not to be read: whatever it would decide waits.
class UnreadTable final : public Table {
 public:
  UnreadTable(std::string why, std::string name) : why_(std::move(why)), name_(std::move(name)) {}
  net::Task<Found> find(std::string) const override { co_return fail(ErrorKind::temporary, why_); }
  net::Task<Found> find_first() const override { co_return fail(ErrorKind::temporary, why_); }
  std::string name() const override { return name_; }

 private:
  std::string why_, name_;
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
