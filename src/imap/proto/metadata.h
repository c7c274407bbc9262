// What GETMETADATA and SETMETADATA ask for (RFC 5464 section 5), as values; and how a value is
// told. Names of entries are read as they stand: which of them there can be the store says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imap/proto/parser.h"

namespace posthorn::imap {

enum class Depth { none, one, infinity };  // how far below an entry

struct MetadataOptions {
  std::optional<std::uint64_t> size_max;  // MAXSIZE
  Depth depth = Depth::none;
};
// "(MAXSIZE 1024 DEPTH 1)"; nullopt, and nothing is read: there is a fault in it, or it is none.
std::optional<MetadataOptions> take_metadata_options(Parser& parser);

// "/shared/comment", "(/shared/comment /private/comment)", up to the end of the command. Several
// without parentheses are read as well: RFC 5464 section 4.4.1 has them so.
std::optional<std::vector<std::string>> parse_entries(Parser& parser);

struct EntryValue {
  std::string name;
  std::optional<std::string> value;  // nullopt: NIL, it is to go
};
// "(/shared/comment "x" /private/comment NIL)", up to the end of the command.
std::optional<std::vector<EntryValue>> parse_entry_values(Parser& parser);

// RFC 5464 section 4.2.2: is name the entry, or below it, as far as the depth says? Both in small
// letters.
bool is_within(std::string_view name, std::string_view entry, Depth depth);

// As a string, or with a NUL in it as literal8; nullopt is NIL.
void append_value(std::string& out, std::optional<std::string_view> value);

}  // namespace posthorn::imap
