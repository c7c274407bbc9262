// EMAILID (RFC 8474 section 5.1): the id of a message's content, the same for all copies of it.
// It is made of the content alone, a digest of the wire form, so it needs no place where it lasts:
// what a COPY or MOVE makes has it, and so has the message after the index was lost. The index
// keeps the digests that were asked for.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/mailbox.h"

namespace posthorn::store {

// The first bytes of SHA-256: enough that no two messages of an account have the same by chance.
inline constexpr std::size_t kDigestSize = 20;

// Reads all of the message, in pieces. Blocks.
Result<std::string> digest_of(const OpenMessage& opened);
// "M" and its hex digits. RFC 8474 section 8.1: no id of a mailbox begins so.
std::string email_id_from(std::string_view digest);

}  // namespace posthorn::store
