// The words of the store: UIDs, mod-sequences, flags, and one message as an open mailbox holds it
// in memory. RFC 3501 section 2.3 (attributes of a message), RFC 7162 (mod-sequences).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/quota.h"
#include "search/marks.h"
#include "store/keywords.h"

namespace posthorn::store {

using Uid = std::uint32_t;     // 1 …; 0 is none
using ModSeq = std::uint64_t;  // 63 bits on the wire (RFC 7162 section 3.1)

using search::Flags;
namespace flag = search::flag;

// A message in an open mailbox: 40 bytes.
struct Entry {
  Uid uid = 0;
  std::uint32_t size = 0;  // physical bytes, LF lines, as the file is
  std::uint32_t wire_size =
      0;  // RFC822.SIZE: with CRLF lines; 0: not known yet, see Mailbox::load_sizes
  Flags flags = 0;
  Keywords keywords;  // Mailbox::keywords() names them
  ModSeq modseq = 0;
  std::int64_t internal_date = 0;  // seconds since 1970, UTC
};
static_assert(sizeof(Entry) == 40);

// "\\Seen" and "$Forwarded" as a client or a script names them; system flags that are none of ours
// (\\Recent) are left out.
struct FlagNames {
  Flags flags = 0;
  std::vector<std::string> keywords;
};
FlagNames split_flags(const std::vector<std::string>& names);
// The system flags, as clients say them.
std::vector<std::string> flag_names(Flags flags);

// The record of a message (search/record.h), in the index beside its row.
struct MessageRecord {
  Uid uid = 0;
  std::string bytes;
};

// RFC 8474 section 5.1.
struct EmailId {
  Uid uid = 0;
  std::string id;
};

enum class Subscription { off, on };
enum class Transfer { copy, move };
enum class Extent { some, all };  // of what there is

// RFC 6154. A mailbox has at most one of these, and one mailbox at most has each: the one that a
// user has given it, else the one of the configuration.
enum class SpecialUse : std::uint8_t { none, drafts, sent, trash, junk, archive };
std::string_view to_string(SpecialUse use);  // "\\Drafts" …, "" for none

// What became of a request about a mailbox's name. "Could not do it now" is an Error instead.
enum class NameResult : std::uint8_t {
  done,
  not_found,      // [NONEXISTENT], or [TRYCREATE] for APPEND, COPY, MOVE
  exists,         // [ALREADYEXISTS]
  bad_name,       // [CANNOT]: a name that no mailbox may have
  cannot,         // [CANNOT]: INBOX may not be removed; a mailbox may not be moved below itself
  keyword_limit,  // [LIMIT]: more than kKeywordsMax keywords in use, or one that may not be one
  over_quota,     // [OVERQUOTA]: the account's limit
  use_taken       // [USEATTR]: a user has given another mailbox this special use
};

struct MailboxInfo {
  std::string name;  // UTF-8, levels divided by '.'; "INBOX" in capitals
  bool is_selectable =
      true;  // false: \NonExistent or \NoSelect, only names below it (or a subscription) exist
  bool has_children = false;
  bool is_subscribed = false;
  SpecialUse use = SpecialUse::none;
};

struct MailboxStatus {
  std::string mailbox_id;  // RFC 8474; empty: it could not be made to last yet
  std::uint32_t messages = 0;
  std::uint32_t recent = 0;
  std::uint32_t unseen = 0;
  std::uint32_t deleted = 0;
  std::uint64_t size = 0;          // RFC 8438: the sum of RFC822.SIZE
  std::uint64_t deleted_size = 0;  // RFC 9208: what an expunge would free, as quotas count it
  Uid uidnext = 1;
  std::uint32_t uidvalidity = 0;
  ModSeq highest_modseq = 1;
};

// What a mailbox holds, as quotas count it: the sizes of the files.
struct MailboxUsage {
  std::string name;
  quota::Usage used;
};

// A message that was put into a mailbox.
struct Placed {
  NameResult result = NameResult::done;  // anything else: nothing was placed
  std::string mailbox;
  std::uint32_t uidvalidity = 0;
  Uid uid = 0;       // 0: it is there, and has its UID from the next look at the mailbox
  std::string file;  // its name without flags, as long as it lies there
};

}  // namespace posthorn::store
