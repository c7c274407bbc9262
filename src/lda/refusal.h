// What reject and ereject (RFC 5429) come to: the message is refused over LMTP while the queue
// still has it, which tells the sender (section 2.1: refusing is better than answering). To the
// null sender nothing is told, the queue sees to that. What the filter called spam has a sender
// who did not send it: it is discarded, and nobody hears of it.
#pragma once

#include <string>
#include <string_view>

#include "lda/outcome.h"
#include "message/headers.h"

namespace posthorn::lda {

// asked: a Reject.
Ending refuse(const message::Headers& headers, const sieve::Action& asked);

// The script's words as a reply has them: lines of UTF-8, at most 900 bytes, whole characters.
std::string refusal_text(std::string_view reason);

}  // namespace posthorn::lda
