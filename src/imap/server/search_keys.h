// The keys of a SEARCH command as a tree (RFC 3501 section 6.4.4), read with bounds on depth and
// number, so that no client can make the server think for long.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "imap/proto/parser.h"
#include "store/types.h"

namespace posthorn::imap {

struct SearchKey {
  enum class Kind {
    all,
    none_of,
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
    text
  };
  Kind kind = Kind::all;
  std::vector<SearchKey> keys;
  SequenceSet set;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;  // what the set is now
  store::Flags flag = 0;
  std::int64_t number = 0;
  std::string name, text;
};

// All up to the end; nullopt: there is a fault in them.
std::optional<SearchKey> parse_search_keys(Parser& parser);
// Search texts from the command's charset to folded UTF-8; false: one is not of its charset.
bool fold_texts(SearchKey& key, const std::string& charset);
// "*" in sequence sets and UID sets becomes the number that it is now.
void resolve(SearchKey& key, std::uint32_t last_sequence, std::uint32_t last_uid);

bool asks_for_size(const SearchKey& key);
bool asks_for_body(const SearchKey& key);
bool asks_for_keywords(const SearchKey& key);

}  // namespace posthorn::imap
