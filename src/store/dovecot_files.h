// The small text files that Dovecot keeps in a maildir and that Posthorn keeps as well, so that
// either can take over:
//
//   dovecot-keywords     "<bit> <name>" a line: the letters a to z of the file names (bit 0 to 25),
//                        one file a mailbox
//   subscriptions        a name a line, in modified UTF-7 with '.'; or version 2: "V\t2", an empty
//                        line, then levels divided by tabs. Read in both forms, written in the one
//                        it had.
//   dovecot-uidvalidity  the highest UIDVALIDITY that was given out, eight hex digits; an empty
//                        file dovecot-uidvalidity.<the same> beside it
//
// Sans-I/O: texts in, values out. Lines that make no sense are passed over.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/types.h"

namespace posthorn::store {

// Index = bit; a bit without a name is empty.
std::vector<std::string> parse_keywords(std::string_view text);
std::string format_keywords(std::span<const std::string> names);  // the first 26
// RFC 3501 section 9: a keyword is an atom. Also bounded in length.
bool is_keyword(std::string_view name);

// posthorn-keywords, one a mailbox: what dovecot-keywords and the letters of the file names have no
// room for. Lines are appended and synced; of two for one thing the later one counts. When it has
// grown, it is written anew with what counts.
//
//   <number> <name>        a keyword from 26 on; no name: it has none any more
//   #<numbers> <base name> the keywords from 26 on that a message has, "26-29,31"; none: no more
//   =<bits, hex> <base name> the same as a mask of 64 bits, as it was written before
//
//   a crash                       leaves
//   before or within the append   the old state; what stands behind the last line end is no line
//   after the sync, before the    the new state: the file is read when the index is new or older
//   index has it                  than a power cut, and for each message that the index lacks
//   while it is written anew      the old file or the new one, whole
//
// A number is given to another name only when no message and no line has it any more.
struct HighKeywords {
  std::map<std::size_t, std::string> names;
  std::map<std::string, Keywords, std::less<>> marks;
  std::size_t lines = 0;  // as many as were read
};
HighKeywords parse_high_keywords(std::string_view text);
void append_high_keyword(std::size_t number, std::string_view name, std::string& out);
void append_high_mark(const Keywords& keywords, std::string_view base, std::string& out);

struct Subscriptions {
  bool is_version_2 = false;
  std::vector<std::string> names;  // UTF-8, checked, in the order of the file
};
Subscriptions parse_subscriptions(std::string_view text);
std::string format_subscriptions(const Subscriptions& subscriptions);

std::optional<std::uint32_t> parse_uidvalidity(std::string_view hex);
std::string format_uidvalidity(std::uint32_t value);

}  // namespace posthorn::store
