// Where the bytes lie that a FETCH asks for, by the places that the facts of a message keep: a part
// is read from its place, and the text is parsed once in a message's life.
#pragma once

#include <cstdint>
#include <optional>

#include "imap/proto/fetch_items.h"
#include "search/facts.h"

namespace posthorn::imap {

// The wire bytes that a section names, before its partial range; nullopt: there is no such part
// (NIL). For HEADER.FIELDS: of the whole header.
struct Range64 {
  std::uint64_t begin = 0, end = 0;
};
std::optional<Range64> range_of(const search::PartFacts& root, const Section& section);

}  // namespace posthorn::imap
