// Keys against values, as a test's match type and comparator say (RFC 5228 section 2.7). Made for
// one test of one run: keys are folded once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/run.h"

namespace posthorn::sieve {

class Matcher {
 public:
  // keys: which positional argument they are.
  Matcher(Run& run, const Call& call, std::size_t keys);
  Matcher(Run& run, const Matching& matching, std::vector<std::string_view> keys);
  // True: the test holds, nothing more need be asked.
  bool value(std::string_view value);
  // When all values were given: what a match type that counts says of their number.
  bool finish();

 private:
  bool matches(std::string_view value);

  Run& run_;
  const Matching matching_;
  std::vector<std::string_view> keys_;
  std::vector<std::string> folded_keys_;
  std::uint64_t count_ = 0;
};

// RFC 5228 section 2.7.1: `*`, `?`, `\` before them. In time linear in the text for each piece
// between two `*`. captures: what each wildcard stood for, the whole first; the places are those of
// `text`, whose folded form is `folded`. nullptr: not wanted.
bool matches_glob(std::string_view folded_pattern, std::string_view folded, std::string_view text,
                  const ComparatorRow& comparator, std::vector<std::string>* captures);

// The two-way search of the C library: linear, whatever a stranger's text is.
std::size_t find_text(std::string_view text, std::string_view part);

}  // namespace posthorn::sieve
