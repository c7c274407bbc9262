// Whether tables fit together: each alias leads somewhere and ends, each address is of a domain
// that is ours, and somebody gets postmaster's mail. The same for the lines of files and the rows
// of PostgreSQL: where a finding stands is "file:line" or "pgsql:table:id".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "maps/table.h"

namespace posthorn::maps {

// What one table holds that can be listed.
struct Source {
  std::string path;
  std::vector<Entry> entries;
  // Whose answers for faulty lines wait; nullptr: it serves already, or is none of files.
  std::shared_ptr<TextTable> table = {};
  config::Weight weight = config::Weight::fault;  // of what is wrong; as RowList's
};

// One of the lists of tables; not whole: patterns, or rows that are not listed, answer too.
struct Listing {
  std::vector<Source> sources;
  bool is_whole = true;
};

// What is wrong with the tables, and what is surely not meant so.
struct TableFindings {
  std::vector<config::Finding> faults;
  std::vector<config::Finding> warnings;
};

struct Listings {
  Listing domains, mailboxes, aliases, senders, transport;
};

// A fault is what cannot be understood or never ends. An alias's target that is gone is a warning:
// the others get its mail. Among the warnings are notes, by their weight.
void cross_check(const config::Config& config, const Listings& lists, TableFindings& findings);

// An address with a domain, or "@domain".
bool is_target(const std::string& target);
// What to write in its place.
std::string_view remedy_for_target(std::string_view target);

}  // namespace posthorn::maps
