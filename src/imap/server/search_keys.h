// The keys of a SEARCH command (RFC 3501 section 6.4.4), read into what to look for, with bounds on
// depth and number, so that no client can make the server think for long.
#pragma once

#include <optional>

#include "imap/proto/parser.h"
#include "search/key.h"

namespace posthorn::imap {

// What "*" stands for in sets of sequence numbers and UIDs; 0: the mailbox is empty.
struct LastMessage {
  std::uint32_t sequence = 0;
  std::uint32_t uid = 0;
};

// All up to the end; nullopt: there is a fault in them. Their texts are as they came:
// search::fold_texts() comes next.
std::optional<search::Key> parse_search_keys(Parser& parser, LastMessage last);

}  // namespace posthorn::imap
