// TableSet: all tables, loaded and checked together, and never changed afterwards. Reloader swaps a
// whole set for a newer one. A table with a fault keeps its last good form while the others are
// swapped, as long as they fit together; otherwise the old set stays. At the start the last good
// form is the copy that was kept on disk; without one the names on faulty lines, or all that a
// missing table would decide, are "could not ask". No session sees half a set: it holds the one it
// began with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/last_good.h"
#include "base/log.h"
#include "config/config.h"
#include "maps/pgsql.h"
#include "maps/table.h"
#include "net/blocking_pool.h"
#include "net/keeper.h"
#include "net/watched_files.h"

namespace posthorn::maps {

// Several tables asked in order, as Postfix's "hash:a, hash:b".
struct TableList {
  std::vector<std::shared_ptr<const Table>> tables;
  // As fresh as the oldest of the answers that led to it.
  net::Task<Found> find(std::string key) const;
  // A part of an address: without its tag, or its domain. Patterns are not asked.
  net::Task<Found> find_part(std::string key) const;
  // "maps/aliases", "maps/more, pgsql aliases": where it looks.
  std::string names() const;
};

struct TableSet {
  TableList domains, mailboxes, aliases, senders, transport, sender_relays, relay_sasl, vusers;
  std::map<std::string, TableList> lists;  // of [sieve.lists], by their names in scripts
  std::vector<std::string> domain_names;   // of text tables
  const Pgsql* database = nullptr;
  // The local domains as far as they can be listed; of PostgreSQL's the first two.
  std::vector<std::string> local_domains() const;
  std::vector<config::Finding> warnings;
  struct File {
    std::shared_ptr<const Table> table;
    std::uint64_t digest = 0;
    std::size_t entries = 0;
  };
  std::map<std::string, File> files;  // by path
  bool is_whole = true;               // every line and every table that is named can be answered by
};

struct RowList {
  std::vector<Entry> entries;
  bool is_whole = true;  // false: there are more
  // Of one that is wrong. In another program's tables it is that one's matter.
  config::Weight weight = config::Weight::fault;
};
// The rows of one of PostgreSQL's tables, with their ids as lines. Blocks.
using RowReader = std::function<Result<RowList>(Question)>;

struct Loaded {
  std::shared_ptr<const TableSet> set;  // nullptr: what was there before has to do
  std::vector<config::Finding> faults;
  std::vector<config::Finding> warnings;
  bool unread = false;    // something could not be read or was not there: that may pass by itself
  bool is_stale = false;  // a copy that was kept takes the place of a file
  bool is_same = false;   // nothing but faults is new: the set of before is as good
  // What the set was made of without a fault: to be kept for a start with one.
  std::vector<std::pair<Path, std::shared_ptr<const std::string>>> good;
};
struct LoadParts {
  // The set in use; a file that had entries in it and now is gone or has no byte is a fault, being
  // what a full disk or a careless script leaves.
  const TableSet* before = nullptr;
  Pgsql* database = nullptr;       // what pgsql: asks
  const LastGood* kept = nullptr;  // copies of last good files
  // PostgreSQL's tables are listed by it and checked as the files are; whoever is to serve by the
  // set, which never lists them, leaves it empty.
  RowReader rows = {};
  // Texts that count in place of the files, as an edit would make them.
  const std::map<Path, std::string>* instead = nullptr;
};
// Blocks. Reads every file, checks each and all together: loops, aliases to nowhere, unknown
// domains.
Loaded load_tables(const config::Config& config, const LoadParts& parts = {});

// "a@x, b@y; Carol <c@z>": the addresses of a value in lower case, also with blanks or line ends
// between; what stands in quotes parts nothing. What is none stays as it is, for the caller to
// tell.
std::vector<std::string> split_list(std::string_view value);
struct AddressKeys {  // Postfix's order (virtual(5)): full, without tag, @domain
  std::string full, untagged, domain, tag;
};
AddressKeys keys_of(std::string_view address, std::string_view delimiter);

class Reloader final : public net::FilePart {
 public:
  // first: what is in use before anything was loaded. The copies of last good files go to
  // paths.state.
  Reloader(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
           std::shared_ptr<const TableSet> first = nullptr, Pgsql* database = nullptr);
  std::shared_ptr<const TableSet> current() const { return current_; }
  // What the next commit() puts to use, or leaves in use. Between prepare() and commit().
  std::shared_ptr<const TableSet> prepared() const { return next_.set ? next_.set : current_; }
  std::uint64_t generation() const { return generation_; }

  std::string look() const override;
  net::Awaitable<net::Prepared> prepare() override;
  std::shared_ptr<const void> commit() override;
  void tell(const config::Finding& finding) const override;

 private:
  net::BlockingPool& pool_;
  const config::Config& config_;
  Pgsql* database_;
  std::shared_ptr<const TableSet> current_;
  Loaded next_;
  net::Keeper keeper_;
  std::uint64_t generation_ = 0;
  log::Logger log_;
};

}  // namespace posthorn::maps
