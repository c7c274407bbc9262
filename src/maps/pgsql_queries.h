// PgsqlQueries: how each table is asked for, by our schema or by the administrator's own query
// (pgsql.queries). Of an own query:
//
//   $1, $2, $3   the key, what stands before its last @ (of a key without one the whole), its
//                domain. As in Postfix's pgsql_table(5): a query with $2 is not asked for
//                "@domain", nor one with $3 for a key without a domain; the answer is "not there".
//   column 1     the value, as the text file has it beside the key; NULL and "" are no answer. Of
//                domains and mailboxes it says only that the key is there, and a false says not.
//   column "id"  if there is one: the row's number, for `explain`.
//   rows         of aliases and senders they are joined by commas; of the others all must say the
//                same, or the answer is an Error: what is not clear is no right.
//
// They run in READ ONLY transactions, in the search_path of the database's role.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"
#include "maps/pgsql_schema.h"
#include "maps/pgsql_statement.h"

namespace posthorn::maps {

class PgsqlQueries {
 public:
  PgsqlQueries() = default;  // every table is one of our schema
  explicit PgsqlQueries(const config::Config& config);

  bool has_own() const { return has_own_; }
  bool is_own(Question question) const { return own_of(question).has_value(); }
  // Some table must be asked in our schema.
  bool needs_schema() const { return needs_schema_; }
  // Whether there is anything to ask: with own queries alone, of the other tables there is not.
  bool is_there(Question question) const;
  bool can_list(Question question) const;
  PgsqlSession session() const {
    return has_own_ ? PgsqlSession::own_queries : PgsqlSession::schema;
  }
  // "pgsql aliases", "pgsql query aliases"
  std::string name_of(Question question) const;
  // "/srv/conf/posthorn.toml:17: pgsql.queries.aliases"
  const std::string& place_of(Question question) const;

  // nullopt: without asking it is known that the key is not there.
  std::optional<PgsqlQuery> find_query(Question question, std::string key) const;
  Result<std::optional<RowFound>> read_found(Question question, const PgsqlRows& rows) const;
  // The keys that come first; nullopt: it cannot be listed.
  std::optional<PgsqlQuery> first_query(Question question, std::size_t count) const;
  // A SELECT of keys and values, two texts; "": it cannot be listed.
  std::string list_of(Question question) const;

  // What is wrong with the own queries, seen without a database.
  static config::Findings find_faults(const config::Config& config);
  // And with one: each is prepared, looked at, and asked once for a key that nobody has. Blocks. An
  // Error: it could not be asked.
  struct Trouble {
    config::Finding finding;
    bool may_pass = false;  // too slow, or too busy, this time
  };
  Result<std::vector<Trouble>> look(const config::Pgsql& config) const;

  static constexpr std::size_t kRowsMax = 10'000;  // of one answer

 private:
  struct Own {
    PgsqlStatement query;
    std::string list;  // a statement; "": there is none
    std::string place, list_place;
  };
  const std::optional<Own>& own_of(Question question) const {
    return own_[static_cast<std::size_t>(question)];
  }
  Result<> look_at(const config::Pgsql& config, Question question,
                   std::vector<Trouble>& found) const;

  std::array<std::optional<Own>, kQuestions> own_;
  bool has_own_ = false;
  bool needs_schema_ = true;
};

}  // namespace posthorn::maps
