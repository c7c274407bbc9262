// The lists that Sieve scripts may ask for (RFC 6134): tables that [sieve.lists] names, asked by
// the store of lookup, which alone has tables. No script reaches another table.
#pragma once

#include <string>

#include "maps/table_set.h"
#include "net/line_channel.h"

namespace posthorn::maps {

// lookup's side: listed list= value=, answered by yes, no, or what could not be asked. An address
// is looked for as in the other tables: whole, without its +tag, by its @domain.
net::Task<net::Message> answer_listed(std::shared_ptr<const TableSet> set, std::string delimiter,
                                      net::Message request);

// The store's side. An Error: it could not be asked.
net::Task<bool> ask_listed(net::LineChannel& lookup, std::string list, std::string value);

}  // namespace posthorn::maps
