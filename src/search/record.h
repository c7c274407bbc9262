// The record of a message: its facts as a few hundred bytes, kept in the index and made again from
// the message's file whenever there is none that reads. A row on disk may be of another version,
// cut off or damaged: such a record gives nothing, never something else. Packed: a word that mails
// often have is one byte, an address is a place in its field's value.
//
//   record     version (1 byte, kRecordVersion), check (4 bytes, over all behind it),
//              number of bytes of the header, header, structure; either may be missing (0 bytes)
//   header     number of fields; of each: its name (1 byte, FieldName), value, and where it has
//              addresses their number and for each name, route, mailbox, host
//   structure  one part
//   part       what it has (1 byte: 1 parameters, 2 id, 4 description, 8 MD5, 16 location,
//              32 disposition, 64 languages, 128 children); type, subtype, encoding; what it has in
//              this order; where its header begins, counted from the end of the part before it or
//              else from where the body of the part around it begins; bytes of header, bytes of
//              body, lines; its children: of a message first the header of the one inside, then
//              their number and themselves
//   parameters their number, of each name and value
//   number     base 128, low bits first, the high bit says that there is more
//   text       a number n: 0 none; n % 4 = 1 so many (n / 4) bytes follow; 2 word n / 4 of kWords;
//              3 n / 4 bytes as they stand earlier in this header, a number of bytes before this n
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "search/facts.h"

namespace posthorn::search {

// Another form, or another list of words, is another version.
inline constexpr unsigned char kRecordVersion = 1;
inline constexpr std::size_t kRecordHead = 5;

// Of a header alone, its empty line with it or not: what an ENVELOPE needs.
std::string make_header_record(std::string_view header);
// Of a whole message in wire form.
std::string make_record(std::string_view text);

enum class Half : std::uint8_t { header = 1, structure = 2, both = 3 };
// The facts asked for, as views into the record; nullopt: it is none, or of another version.
std::optional<Facts> read_record(std::string_view record, Half half = Half::both);

// The version and the check in front of what follows them.
std::string seal_record(std::string_view content);

}  // namespace posthorn::search
