// Any bytes as an IMAP command: each reading of the parser either moves on over a text of the form
// that it names, or gives nothing and stays where it was.
#include "imap/proto/parser.h"
#include "imap/proto/response.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using imap::Parser;

// Calls read on a copy of the parser; gives what it consumed, empty if nothing.
template <class Read>
std::string_view consumed(const Parser& parser, Read read) {
  Parser copy = parser;
  const std::string_view before = parser.rest();
  const auto value = read(copy);
  const std::string_view after = copy.rest();
  test::require(after.size() <= before.size() && before.ends_with(after));
  if (!value) {
    test::require(after.size() == before.size());
    return {};
  }
  test::require(after.size() < before.size());
  return before.substr(0, before.size() - after.size());
}

void check_string(std::string_view text, const std::string& value) {
  test::require(value.size() < text.size());
  if (text.front() == '"') {
    test::require(text.size() >= 2 && text.back() == '"');
    test::require(value.find_first_of("\r\n") == std::string::npos);
    return;
  }
  const std::size_t end = text.find("}\r\n");
  test::require(text.front() == '{' && end != std::string_view::npos);
  test::require(text.substr(1, end - 1).find_first_not_of("0123456789+") == std::string_view::npos);
  test::require(text.substr(end + 3) == value);
}

bool is_atom(std::string_view text, std::string_view also) {
  return std::ranges::all_of(text, [&](char c) {
    const bool special = std::string_view("(){%*\"\\]").find(c) != std::string_view::npos;
    return c > 0x20 && c < 0x7F && (!special || also.find(c) != std::string_view::npos);
  });
}

void check_here(const Parser& parser) {
  test::require(is_atom(consumed(parser, [](Parser& p) { return p.atom(); }), ""));
  test::require(is_atom(consumed(parser, [](Parser& p) { return p.tag(); }), "]"));
  for (const bool list : {false, true}) {
    std::string value;
    const std::string_view text = consumed(parser, [&](Parser& p) {
      auto got = list ? p.list_mailbox() : p.astring();
      value = got.value_or("");
      return got;
    });
    if (text.starts_with('"') || text.starts_with('{'))
      check_string(text, value);
    else
      test::require(text == value && is_atom(text, list ? "]%*" : "]"));
  }
  std::string value;
  const std::string_view text = consumed(parser, [&](Parser& p) {
    auto got = p.string();
    value = got.value_or("");
    return got;
  });
  if (!text.empty()) check_string(text, value);
  const std::string_view digits = consumed(parser, [](Parser& p) { return p.number(); });
  test::require(digits.find_first_not_of("0123456789") == std::string_view::npos);
  std::vector<std::string> flags;
  (void)consumed(parser, [&](Parser& p) {
    auto got = p.flags();
    flags = got.value_or(std::vector<std::string>());
    return got;
  });
  for (const std::string& flag : flags) {
    test::require(!flag.empty() && flag.size() <= 129);
    test::require(is_atom(flag.front() == '\\' ? std::string_view(flag).substr(1) : flag, ""));
  }
  (void)consumed(parser, [](Parser& p) { return p.date(); });
  std::optional<std::int64_t> seconds;
  (void)consumed(parser, [&](Parser& p) {
    const auto got = p.date_time();
    if (got) seconds = got->seconds;
    return got;
  });
  if (!seconds) return;
  const std::string shown = imap::format_internal_date(*seconds);
  // A zone may move the first or the last day of the calendar out of it.
  if (shown.size() != 28 || shown.find("-0000 ") != std::string::npos) return;
  const auto again = Parser(shown).date_time();
  test::require(again && again->seconds == seconds);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  if (const auto mark = imap::find_literal_mark(text))
    test::require(text.ends_with(mark->synchronizing ? "}" : "+}"));
  Parser parser(text);
  for (int i = 0; i < 200 && !parser.at_end(); ++i) {
    check_here(parser);
    if (!parser.astring() && !parser.take_space()) test::require(parser.take(parser.peek()));
  }
  return 0;
}
