// Everything that the DNS should say of one domain of this server, beside what it does say: the
// records, and a mark for each. What marks.h judges for the status page is judged by it here too;
// this adds the records that mail can do without, what an SPF record leads to, and the lists of
// addresses. Nobody's mail waits for it.
#pragma once

#include "dns/asker.h"
#include "dns/records.h"

namespace posthorn::dns {

struct Inspected {
  Server server;  // addresses: empty, they are asked for then
  Subject::Domain domain;
  Unsigned without_key = Unsigned::fault;
  std::vector<std::string> block_lists;
};
struct Inspection {
  std::vector<Record> records;
  std::vector<health::Mark> marks;
  // A policy is published, so senders fetch it: who can, compares it.
  bool has_policy = false;
};
net::Awaitable<Inspection> inspect(net::Resolver& resolver, Inspected inspected, Patience patience);

// The records alone, with what is published of SPF and DMARC merged in where it can be asked.
net::Awaitable<std::vector<Record>> find_records(net::Resolver& resolver, Inspected inspected,
                                                 Patience patience);

}  // namespace posthorn::dns
