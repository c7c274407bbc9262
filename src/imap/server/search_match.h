// Whether a message is what SEARCH's keys ask for (RFC 3501 section 6.4.4): what memory can answer
// first, and the message's file only for the rest. Texts are compared folded (RFC 5051), in any
// charset.
#pragma once

#include <optional>
#include <string>

#include "imap/server/search_keys.h"
#include "message/part.h"
#include "store/mailbox.h"

namespace posthorn::imap {

// What memory knows of a message.
struct SearchFacts {
  store::Entry entry;
  std::uint32_t sequence = 0;
  bool is_recent = false;
  store::KeywordNamesPtr keywords;  // what the entry's keywords are called
};

// A key that has no keys inside; nullopt: the file must be asked.
std::optional<bool> leaf_from_memory(const SearchKey& key, const SearchFacts& facts);

// A message's file as far as the keys need it. Lives in the pool.
class SearchText {
 public:
  // The header of a message's file, or all of it.
  static Result<SearchText> read(const store::OpenMessage& opened, bool needs_body);
  // A key that find_in_memory did not know.
  bool holds(const SearchKey& key) const;

 private:
  SearchText(std::string wire, bool is_whole);
  bool part_holds(const message::Part& part, const std::string& needle, int depth) const;

  std::string wire_;
  message::Part root_;
};

// The tree, with leaf(key) giving true, false or "not known"; what is known may decide.
template <class Leaf>
std::optional<bool> evaluate(const SearchKey& key, const Leaf& leaf) {
  using Kind = SearchKey::Kind;
  if (key.kind == Kind::none_of) {
    const auto inner = evaluate(key.keys.front(), leaf);
    return inner ? std::optional(!*inner) : std::nullopt;
  }
  if (key.kind != Kind::any_of && key.kind != Kind::all_of) return leaf(key);
  const bool deciding = key.kind == Kind::any_of;
  bool is_open = false;
  for (const SearchKey& inner : key.keys) {
    const auto value = evaluate(inner, leaf);
    if (value && *value == deciding) return deciding;
    is_open |= !value;
  }
  return is_open ? std::nullopt : std::optional(!deciding);
}

}  // namespace posthorn::imap
