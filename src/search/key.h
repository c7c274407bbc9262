// What to look for, as a tree of values: the keys of RFC 3501 section 6.4.4, in no protocol's
// syntax. A reader of some syntax builds it (imap/server/search_keys.h); search/match.h says
// whether a message is what it asks for.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "search/marks.h"

namespace posthorn::search {

// In ascending order, each a first and a last number.
using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct Key {
  enum class Kind {
    all,
    none_of,  // one key
    any_of,
    all_of,
    sequence,
    uid,
    flag,
    no_flag,
    keyword,
    no_keyword,
    recent,
    old,
    is_new,
    before,
    on,
    since,
    sent_before,
    sent_on,
    sent_since,
    larger,
    smaller,
    header,
    body,
    text,
    email_id  // of its content; who searches makes it a uid key first
  };
  Kind kind = Kind::all;
  std::vector<Key> keys;  // of none_of, any_of, all_of
  Ranges ranges;          // of sequence, uid
  Flags flag = 0;
  std::int64_t number = 0;  // days since 1970, or bytes
  std::string name;         // of the header field
  std::string text;         // folded (message::fold_for_search); a keyword in capitals
};

// Texts from their charset to folded UTF-8; false: one is not of its charset.
bool fold_texts(Key& key, const std::string& charset);

bool asks_for_size(const Key& key);
bool asks_for_header(const Key& key);  // of what search/facts.h keeps
bool asks_for_body(const Key& key);
bool asks_for_keywords(const Key& key);

}  // namespace posthorn::search
