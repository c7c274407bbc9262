// EMAILID in a SEARCH (RFC 8474 section 5.4): before the search begins, each such key becomes the
// UIDs of the messages that have the id. What no digest is known of is read, as for a text.
#pragma once

#include "net/task.h"
#include "search/key.h"
#include "store/view.h"

namespace posthorn::imap {

net::Task<> settle_email_ids(search::Key& key, const store::View& view);

}  // namespace posthorn::imap
