#include "imap/server/part_places.h"

#include <charconv>
#include <fmt/format.h>

namespace posthorn::imap {
namespace {

constexpr std::size_t kPlacesMax = 20'000;

void append_places(std::string& out, const PartPlace& place) {
  fmt::format_to(std::back_inserter(out), "{} {} {} {} {} ", static_cast<int>(place.kind),
                 place.header_begin, place.body_begin, place.body_end, place.children.size());
  for (const PartPlace& child : place.children) append_places(out, child);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::optional<PartPlace> place(int depth) {
    PartPlace place;
    const auto kind = number(), header = number(), body = number(), end = number(),
               count = number();
    if (!count || *kind > 2 || *header > *body || *body > *end || depth > kNestingMax + 1 ||
        (seen_ += *count) > kPlacesMax)
      return std::nullopt;
    place.kind = static_cast<PartPlace::Kind>(*kind);
    place.header_begin = *header;
    place.body_begin = *body;
    place.body_end = *end;
    for (std::uint64_t i = 0; i < *count; ++i) {
      auto child = this->place(depth + 1);
      if (!child) return std::nullopt;
      place.children.push_back(*std::move(child));
    }
    if ((place.kind == PartPlace::Kind::leaf) != place.children.empty()) return std::nullopt;
    return place;
  }
  bool at_end() const { return text_.empty(); }

 private:
  // Of several asked in one go the last one tells for all: nothing is read after a fault.
  std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    const auto [at, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    const auto size = static_cast<std::size_t>(at - text_.data());
    if (error != std::errc{} || size >= text_.size() || text_[size] != ' ') {
      text_ = {};
      return std::nullopt;
    }
    text_.remove_prefix(size + 1);
    return value;
  }

  std::string_view text_;
  std::uint64_t seen_ = 0;
};

// RFC 3501 section 6.4.5: every message has at least one part; the parts of a message/rfc822 part
// are those of the message inside it.
const PartPlace* find_part(const PartPlace& root, const std::vector<std::uint32_t>& path) {
  const PartPlace* part = &root;
  bool is_numbered = false;  // a part, not a whole message
  for (const std::uint32_t number : path) {
    if (is_numbered && part->kind == PartPlace::Kind::message) {
      part = &part->children.front();
      is_numbered = false;
    }
    if (part->kind == PartPlace::Kind::multipart) {
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

PartPlace places_of(const message::Part& part) {
  PartPlace place;
  place.kind = part.is_multipart() ? PartPlace::Kind::multipart
               : part.is_message() ? PartPlace::Kind::message
                                   : PartPlace::Kind::leaf;
  place.header_begin = part.header_begin;
  place.body_begin = part.body_begin;
  place.body_end = part.body_end;
  if (place.kind != PartPlace::Kind::leaf)
    for (const message::Part& child : part.children) place.children.push_back(places_of(child));
  return place;
}

std::string format_places(const PartPlace& root) {
  std::string out;
  append_places(out, root);
  return out;
}

std::optional<PartPlace> parse_places(std::string_view text) {
  Reader reader(text);
  auto root = reader.place(0);
  if (!root || !reader.at_end()) return std::nullopt;
  return root;
}

std::optional<Range64> range_of(const PartPlace& root, const Section& section) {
  const PartPlace* part = find_part(root, section.path);
  if (part == nullptr) return std::nullopt;
  const bool is_whole = section.path.empty();
  if (section.kind == Section::Kind::all)
    return Range64{is_whole ? part->header_begin : part->body_begin, part->body_end};
  if (section.kind == Section::Kind::mime) return Range64{part->header_begin, part->body_begin};
  // HEADER and TEXT of a part mean the message inside it.
  const PartPlace* inside = is_whole                                 ? part
                            : part->kind == PartPlace::Kind::message ? &part->children.front()
                                                                     : nullptr;
  if (inside == nullptr) return std::nullopt;
  if (section.kind == Section::Kind::text) return Range64{inside->body_begin, inside->body_end};
  return Range64{inside->header_begin, inside->body_begin};
}

}  // namespace posthorn::imap
