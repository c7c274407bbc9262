// Any bytes as SEARCH's keys, its charset in the first line: what is read has the shape that its
// kind says, its texts come out folded, its ranges in order below what is there, and the tree can
// be asked with any answers; blanks behind it change nothing, a letter behind it makes it none.
#include "imap/server/search_keys.h"

#include "message/charset.h"
#include "search/match.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using search::Key;
using Kind = Key::Kind;
constexpr imap::LastMessage kLast{7, 4'000'000'000};

std::size_t check(const Key& key, std::size_t depth) {
  test::require(depth <= imap::kNestingMax + 1);
  const bool is_tree =
      key.kind == Kind::none_of || key.kind == Kind::any_of || key.kind == Kind::all_of;
  test::require(is_tree ? !key.keys.empty() : key.keys.empty());
  if (key.kind == Kind::none_of) test::require(key.keys.size() == 1);
  if (key.kind == Kind::any_of) test::require(key.keys.size() == 2);
  // No UID at all is what THREADID asks for, which no message has.
  if (key.kind == Kind::sequence) test::require(!key.ranges.empty());
  if (key.kind != Kind::sequence && key.kind != Kind::uid) test::require(key.ranges.empty());
  std::uint32_t last = 0;
  for (const auto& [begin, end] : key.ranges) {
    test::require(begin > last && begin <= end);
    last = end;
  }
  std::size_t count = 1;
  for (const Key& inner : key.keys) count += check(inner, depth + 1);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = test::text_of(data, size);
  const std::string charset(test::take_line(rest));
  imap::Parser parser(rest);
  auto key = imap::parse_search_keys(parser, kLast);
  if (!key) return 0;
  test::require(parser.at_end());
  test::require(check(*key, 0) <= 2100);
  const std::string more = std::string(rest) + "  ";
  imap::Parser blanks(more);
  test::require(imap::parse_search_keys(blanks, kLast).has_value());
  const std::string wrong = std::string(rest) + " )";
  imap::Parser closed(wrong);
  test::require(!imap::parse_search_keys(closed, kLast));

  const bool known = message::is_charset(charset);
  if (!search::fold_texts(*key, known ? charset : "UTF-8")) return 0;
  (void)check(*key, 0);
  (void)search::asks_for_size(*key);
  (void)search::asks_for_body(*key);
  (void)search::asks_for_keywords(*key);
  // What is known decides only as it would if all were known.
  const auto yes = search::evaluate(*key, [](const Key&) { return std::optional(true); });
  const auto no = search::evaluate(*key, [](const Key&) { return std::optional(false); });
  test::require(yes && no);
  const auto open =
      search::evaluate(*key, [](const Key&) -> std::optional<bool> { return std::nullopt; });
  test::require(!open);
  return 0;
}
