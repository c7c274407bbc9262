// Where the parts of a message lie in its wire text, kept with the message in the index: a part
// that a client asks for is then read from its place, and the text is parsed once in a message's
// life.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imap/server/fetch_items.h"
#include "message/part.h"

namespace posthorn::imap {

struct PartPlace {
  enum class Kind : std::uint8_t { leaf, multipart, message };  // of those that have children
  Kind kind = Kind::leaf;
  std::uint64_t header_begin = 0, body_begin = 0, body_end = 0;
  std::vector<PartPlace> children;
};

PartPlace places_of(const message::Part& part);
// A text of numbers, and back; nullopt: it is not one of ours.
std::string format_places(const PartPlace& root);
std::optional<PartPlace> parse_places(std::string_view text);

// The wire bytes that a section names, before its partial range; nullopt: there is no such part
// (NIL). For HEADER.FIELDS: of the whole header.
struct Range64 {
  std::uint64_t begin = 0, end = 0;
};
std::optional<Range64> range_of(const PartPlace& root, const Section& section);

}  // namespace posthorn::imap
