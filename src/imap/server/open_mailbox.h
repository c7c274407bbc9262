// The mailbox that is open, in a client's words: which messages its numbers name, and what is told
// of flags, keywords and changes (RFC 3501 sections 7.2.6, 7.3 and 7.4).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "imap/proto/parser.h"
#include "imap/server/connection.h"
#include "store/view.h"

namespace posthorn::imap {

enum class Numbers { sequence, uid };  // how a command names messages, and how its answer does

// The messages of a set, ascending as it has them. nullopt: a sequence number is none (BAD); a UID
// that is not there (any more) is passed over (RFC 3501 section 6.4.8).
std::optional<std::vector<store::Uid>> uids_of(const store::View& view, const SequenceSet& set,
                                               Numbers numbers);

std::string format_flags(const store::View& view, store::Uid uid, store::Flags flags,
                         const store::Keywords& keywords);

// FLAGS and PERMANENTFLAGS.
void tell_keywords(const store::View& view, Responses& responses);
// RFC 3501 section 7.2.6: the same before a keyword that they lack is told.
void tell_new_keywords(store::View& view, Responses& responses);
void tell_flags(store::View& view, store::Uid uid, Numbers numbers, Responses& responses);
// What others did meanwhile. A mailbox that is gone ends the session.
net::Task<> tell_changes(store::View& view, store::ExpungeMode mode, Connection& connection);

}  // namespace posthorn::imap
