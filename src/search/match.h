// Whether a message is what a key asks for (RFC 3501 section 6.4.4). Asked in this order, each only
// for what the one before did not decide: the marks in memory, the facts of its record, its text.
// Texts are compared folded (RFC 5051), in any charset.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "message/part.h"
#include "search/facts.h"
#include "search/key.h"

namespace posthorn::search {

// A key that has no keys inside; nullopt: this does not tell.
std::optional<bool> leaf_from_marks(const Key& key, const Marks& marks);
std::optional<bool> leaf_from_header(const Key& key, const HeaderFacts& facts);

// A message's text in wire form, as far as the keys need it.
class Text {
 public:
  // The header (its empty line may be there), or all of it: asks_for_body().
  static Text of_header(std::string header);
  static Text of_message(std::string wire);
  // A key that the marks did not decide.
  bool holds(const Key& key) const;

 private:
  bool part_holds(const message::Part& part, const std::string& needle, int depth) const;

  std::string wire_;
  message::Part root_;
};

// The tree, with leaf(key) giving true, false or "not known"; what is known may decide.
template <class Leaf>
std::optional<bool> evaluate(const Key& key, const Leaf& leaf) {
  using Kind = Key::Kind;
  if (key.kind == Kind::none_of) {
    const auto inner = evaluate(key.keys.front(), leaf);
    return inner ? std::optional(!*inner) : std::nullopt;
  }
  if (key.kind != Kind::any_of && key.kind != Kind::all_of) return leaf(key);
  const bool deciding = key.kind == Kind::any_of;
  bool is_open = false;
  for (const Key& inner : key.keys) {
    const auto value = evaluate(inner, leaf);
    if (value && *value == deciding) return deciding;
    is_open |= !value;
  }
  return is_open ? std::nullopt : std::optional(!deciding);
}

}  // namespace posthorn::search
