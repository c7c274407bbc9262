// Whether a message is what a key asks for: by its marks, its facts, its text; and what facts say is
// what the text says.
#include "search/match.h"

#include <gtest/gtest.h>

#include "message/charset.h"
#include "search/record.h"

namespace posthorn::search {
namespace {

using Kind = Key::Kind;

Key key(Kind kind, std::string text = "", std::string name = "", std::int64_t number = 0) {
  Key made;
  made.kind = kind;
  made.text = std::move(text);
  made.name = std::move(name);
  made.number = number;
  return made;
}

constexpr std::string_view kMail =
    "Date: Fri, 21 Nov 1997 23:55:06 -0600\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@x.test>\r\n"
    "To: b(hidden)ob\r\n @y.test\r\nSubject: first\r\nSubject: second\r\nX-Odd: yes\r\nBcc:\r\n"
    "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xFC\xDF"
    "e\r\n";

TEST(Match, ByMarks) {
  Marks marks{.uid = 7,
              .sequence = 3,
              .flags = flag::seen | flag::flagged,
              .is_recent = true,
              .internal_date = 86'400 * 10 + 5,
              .wire_size = 100,
              .has_keyword = [](std::string_view name) { return name == "WORK"; }};
  const auto holds = [&](Key asked) { return leaf_from_marks(asked, marks); };
  Key ranges = key(Kind::uid);
  ranges.ranges = {{1, 2}, {5, 7}};
  EXPECT_EQ(holds(ranges), true);
  ranges.kind = Kind::sequence;
  EXPECT_EQ(holds(ranges), false);
  Key flag = key(Kind::flag);
  flag.flag = flag::seen;
  EXPECT_EQ(holds(flag), true);
  flag.kind = Kind::no_flag;
  EXPECT_EQ(holds(flag), false);
  EXPECT_EQ(holds(key(Kind::recent)), true);
  EXPECT_EQ(holds(key(Kind::old)), false);
  EXPECT_EQ(holds(key(Kind::is_new)), false);
  EXPECT_EQ(holds(key(Kind::keyword, "WORK")), true);
  EXPECT_EQ(holds(key(Kind::no_keyword, "WORK")), false);
  EXPECT_EQ(holds(key(Kind::on, "", "", 10)), true);
  EXPECT_EQ(holds(key(Kind::before, "", "", 10)), false);
  EXPECT_EQ(holds(key(Kind::since, "", "", 10)), true);
  EXPECT_EQ(holds(key(Kind::larger, "", "", 99)), true);
  EXPECT_EQ(holds(key(Kind::smaller, "", "", 100)), false);
  for (const Kind kind : {Kind::header, Kind::body, Kind::text, Kind::sent_on})
    EXPECT_EQ(holds(key(kind)), std::nullopt);
}

TEST(Match, FactsSayWhatTheTextSays) {
  const std::string record = make_header_record(kMail.substr(0, kMail.find("\r\n\r\n") + 4));
  const auto facts = read_record(record);
  const Text text = Text::of_message(std::string(kMail));
  const Text header = Text::of_header(std::string(kMail.substr(0, kMail.find("\r\n\r\n") + 2)));
  const std::pair<Key, bool> rows[] = {{key(Kind::header, "first", "Subject"), true},
                                       {key(Kind::header, "second", "SUBJECT"), true},
                                       {key(Kind::header, "third", "Subject"), false},
                                       {key(Kind::header, "jörg", "From"), true},
                                       {key(Kind::header, "joerg@x", "from"), true},
                                       {key(Kind::header, "bob@y.test", "To"), true},
                                       {key(Kind::header, "hidden", "To"), true},
                                       {key(Kind::header, "", "Bcc"), true},
                                       {key(Kind::header, "", "Cc"), false},
                                       {key(Kind::sent_on, "", "", 10'186), true},
                                       {key(Kind::sent_before, "", "", 10'186), false},
                                       {key(Kind::sent_since, "", "", 10'187), false}};
  for (auto [asked, expected] : rows) {
    EXPECT_TRUE(fold_texts(asked, "UTF-8"));
    EXPECT_EQ(leaf_from_header(asked, *facts->header), expected) << asked.name << asked.text;
    EXPECT_EQ(text.holds(asked), expected) << asked.name << asked.text;
    EXPECT_EQ(header.holds(asked), expected) << asked.name << asked.text;
  }
  EXPECT_EQ(leaf_from_header(key(Kind::header, "yes", "X-Odd"), *facts->header), std::nullopt);
  EXPECT_EQ(leaf_from_header(key(Kind::text, "yes"), *facts->header), std::nullopt);
  EXPECT_TRUE(text.holds(key(Kind::header, "yes", "X-Odd")));
  EXPECT_TRUE(text.holds(key(Kind::body, message::fold_for_search("Grüsse"))));
  EXPECT_FALSE(text.holds(key(Kind::body, "second")));
  EXPECT_TRUE(text.holds(key(Kind::text, "second")));
}

// RFC 3501 section 6.4.4: SENT… looks at the day that is written, whatever the zone.
TEST(Match, DaysAsTheyAreWritten) {
  const std::pair<std::string_view, std::optional<std::int64_t>> rows[] = {
      {"Thu, 1 Jan 1970 00:00:00 +0000", 0},
      {"1 jan 1970", 0},
      {"Fri, 02-Jan-1970 00:00:00 GMT", 1},
      {"Fri, 2 Jan 1970 23:59:59 -1200", 1},
      {"31 Feb 1994 00:00:00 +0000", {}},
      {"1 January 1970", {}},
      {"1 Jan 70", {}},
      {"Jan 1 1970", {}},
      {"", {}},
      {"0 Jan 1970", {}},
      {"100 Jan 1970", {}},
      {"1  Jan 1970", {}}};
  for (const auto& [date, day] : rows) {
    const Text text = Text::of_header("Date: " + std::string(date) + "\r\n");
    EXPECT_EQ(text.holds(key(Kind::sent_since, "", "", -1'000'000)), day.has_value()) << date;
    EXPECT_EQ(text.holds(key(Kind::sent_on, "", "", day.value_or(0))), day.has_value()) << date;
  }
}

TEST(Match, WhatIsKnownDecides) {
  Key any = key(Kind::any_of);
  any.keys = {key(Kind::all), key(Kind::body, "x")};
  Key all = key(Kind::all_of);
  all.keys = any.keys;
  Key none = key(Kind::none_of);
  none.keys = {any};
  const auto known = [](const Key& leaf) { return leaf_from_marks(leaf, {}); };
  EXPECT_EQ(evaluate(any, known), true);
  EXPECT_EQ(evaluate(all, known), std::nullopt);
  EXPECT_EQ(evaluate(none, known), false);
  EXPECT_TRUE(asks_for_body(none));
  EXPECT_FALSE(asks_for_header(none));
  EXPECT_TRUE(asks_for_header(key(Kind::header, "", "reply-to")));
  EXPECT_FALSE(asks_for_header(key(Kind::header, "", "X-Odd")));
}

TEST(Key, TextsAreFolded) {
  Key all = key(Kind::all_of);
  all.keys = {key(Kind::body, "GR\xDC\xDF"), key(Kind::keyword, "work")};
  EXPECT_TRUE(fold_texts(all, "ISO-8859-1"));
  EXPECT_EQ(all.keys[0].text, message::fold_for_search("grüß"));
  EXPECT_EQ(all.keys[1].text, "WORK");
  Key wrong = key(Kind::body, "x");
  EXPECT_FALSE(fold_texts(wrong, "no-such-charset"));
}

}  // namespace
}  // namespace posthorn::search
