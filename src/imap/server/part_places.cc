#include "imap/server/part_places.h"

namespace posthorn::imap {
namespace {

using search::PartFacts;

// RFC 3501 section 6.4.5: every message has at least one part; the parts of a message/rfc822 part
// are those of the message inside it.
const PartFacts* find_part(const PartFacts& root, const std::vector<std::uint32_t>& path) {
  const PartFacts* part = &root;
  bool is_numbered = false;  // a part, not a whole message
  for (const std::uint32_t number : path) {
    if (is_numbered && part->is_message()) {
      part = &part->children.front();
      is_numbered = false;
    }
    if (part->is_multipart()) {
      if (number > part->children.size()) return nullptr;
      part = &part->children[number - 1];
    } else if (is_numbered || number != 1) {
      return nullptr;
    }
    is_numbered = true;
  }
  return part;
}

}  // namespace

std::optional<Range64> range_of(const PartFacts& root, const Section& section) {
  const PartFacts* part = find_part(root, section.path);
  if (part == nullptr) return std::nullopt;
  const bool is_whole = section.path.empty();
  if (section.kind == Section::Kind::all)
    return Range64{is_whole ? part->header_begin : part->body_begin, part->body_end};
  if (section.kind == Section::Kind::mime) return Range64{part->header_begin, part->body_begin};
  // HEADER and TEXT of a part mean the message inside it.
  const PartFacts* inside = is_whole             ? part
                            : part->is_message() ? &part->children.front()
                                                 : nullptr;
  if (inside == nullptr) return std::nullopt;
  if (section.kind == Section::Kind::text) return Range64{inside->body_begin, inside->body_end};
  return Range64{inside->header_begin, inside->body_begin};
}

}  // namespace posthorn::imap
