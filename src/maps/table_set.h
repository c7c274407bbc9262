// TableSet: all tables, loaded and checked together, and never changed afterwards. Reloader swaps a
// whole set for a newer one; with a fault in any table the old set stays. No session sees half a
// set: it holds the one it began with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/config.h"
#include "base/log.h"
#include "maps/pgsql.h"
#include "maps/table.h"
#include "net/blocking_pool.h"
#include "net/scope.h"
#include "net/timer.h"

namespace posthorn::maps {

// Several tables asked in order, as Postfix's "hash:a, hash:b".
struct TableList {
  std::vector<std::unique_ptr<const Table>> tables;
  net::Task<std::optional<std::string>> find(std::string key) const;
  // A part of an address: without its tag, or its domain.
  net::Task<std::optional<std::string>> find_part(std::string key) const;
};

struct TableSet {
  TableList domains, mailboxes, aliases, senders, transport, sender_relays, relay_sasl, vusers;
  std::vector<std::string> domain_names;  // of text tables
  const Pgsql* database = nullptr;
  // The local domains as far as they can be listed; of PostgreSQL's the first two.
  std::vector<std::string> local_domains() const;
  // When this has grown over a question, answers were given from memory because PostgreSQL could
  // not be asked: they are good enough to take mail by, not to refuse it by.
  std::uint64_t old_answers() const { return database != nullptr ? database->old_answers() : 0; }
  std::vector<Finding> warnings;
  std::map<std::string, std::size_t> entry_counts;  // of each text file, by its path
};

// The rows of one of PostgreSQL's tables, with their ids as lines. Blocks.
using RowReader = std::function<Result<std::vector<Entry>>(Question)>;

struct Loaded {
  std::shared_ptr<const TableSet> set;  // nullptr: faults says why
  std::vector<Finding> faults;
  std::vector<Finding> warnings;
  bool unread = false;  // something could not be read or was not there: that may pass by itself
};
// Blocks. Reads every file, checks each and all together: loops, aliases to nowhere, unknown
// domains. before: the set in use; a file that had entries in it and now is gone or has no byte is
// a fault, being what a full disk or a careless script leaves.
// database: what pgsql: asks. rows: its tables are listed by it and checked as the files are; the
// running server, which never lists them, leaves it empty. instead: texts that count in place of
// the files, as an edit would make them.
Loaded load_tables(const config::Config& config, const TableSet* before = nullptr,
                   Pgsql* database = nullptr, const RowReader& rows = {},
                   const std::map<Path, std::string>* instead = nullptr);

// "a@x, b@y; Carol <c@z>": the addresses of a value in lower case, also with blanks or line ends
// between; what stands in quotes parts nothing. What is none stays as it is, for the caller to
// tell.
std::vector<std::string> split_list(std::string_view value);
struct AddressKeys {  // Postfix's order (virtual(5)): full, without tag, @domain
  std::string full, untagged, domain, tag;
};
AddressKeys keys_of(std::string_view address, std::string_view delimiter);

class Reloader {
 public:
  // first: what is in use before anything was loaded.
  Reloader(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
           std::shared_ptr<const TableSet> first = nullptr, Pgsql* database = nullptr);
  // The first load; a fault is a config Error with every finding on a line of its own.
  net::Task<> start();
  // Looks at the files and loads them if anything changed (or force). The outcome's faults are
  // empty when all is well.
  net::Awaitable<std::vector<Finding>> reload(bool force);
  std::shared_ptr<const TableSet> current() const { return current_; }
  std::uint64_t generation() const { return generation_; }
  const std::vector<Finding>& faults() const { return faults_; }
  void stop();

 private:
  static net::Awaitable<void> watch(Reloader* self);
  enum class Why { asked, changed, again };
  net::Awaitable<std::vector<Finding>> load(Why why);
  std::string stamp() const;

  net::Scope& scope_;
  net::BlockingPool& pool_;
  const config::Config& config_;
  Pgsql* database_;
  net::Event stopped_;
  std::shared_ptr<const TableSet> current_;
  std::uint64_t generation_ = 0;
  std::uint64_t started_ = 0, adopted_ = 0;  // loads, by number
  std::string stamp_;
  std::vector<Finding> faults_;
  Backoff retry_;
  log::Logger log_;
};

}  // namespace posthorn::maps
