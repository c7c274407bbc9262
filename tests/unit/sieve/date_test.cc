// date, currentdate, index: the parts of dates, and which of several fields is asked.
#include <gtest/gtest.h>

#include "question.h"
#include "sieve/extensions/date_time.h"

namespace posthorn::sieve {
namespace {

TEST(DateTest, EachPart) {
  Question question{"\"date\"", "Date: Mon, 20 Jul 2009 21:44:43 +0300\r\n\r\n"};
  const std::pair<std::string_view, std::string_view> kParts[] = {
      {"year", "2009"},
      {"month", "07"},
      {"day", "20"},
      {"date", "2009-07-20"},
      {"julian", "55032"},
      {"hour", "21"},
      {"minute", "44"},
      {"second", "43"},
      {"time", "21:44:43"},
      {"iso8601", "2009-07-20T21:44:43+03:00"},
      {"std11", "Mon, 20 Jul 2009 21:44:43 +0300"},
      {"zone", "+0300"},
      {"weekday", "1"}};
  for (const auto& [part, text] : kParts)
    EXPECT_EQ(question.ask("date :originalzone \"date\" \"" + std::string(part) + "\" \"" +
                           std::string(text) + "\""),
              "yes")
        << part;
  EXPECT_EQ(question.ask("date :zone \"-0330\" \"date\" \"iso8601\" \"2009-07-20T15:14:43-03:30\""),
            "yes");
  EXPECT_EQ(question.ask("date \"date\" \"iso8601\" \"2009-07-20T18:44:43+00:00\""), "yes");
}

TEST(DateTest, DatesAsTheyAreWritten) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"Mon, 20 Jul 2009 21:44:43 +0300", "2009-07-20T21:44:43+03:00"},
      {"20 jul 2009 21:44 GMT", "2009-07-20T21:44:00+00:00"},
      {"Tue, 1 Feb 05 01:02:03 EST (winter)", "2005-02-01T01:02:03-05:00"},
      {"Mon,(a (b) c)20 Jul 1999 21:44:43 -0000", "1999-07-20T21:44:43+00:00"},
      {"29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00+00:00"},
      {"29 Feb 2023 00:00:00 +0000", ""},
      {"Moo, 34 Juul 3060 25:30:42 +6600", ""},
      {"20 Jul", ""},
      {"", ""},
      {"20 Jul 2009 -1:00:00 +0000", ""},
      {"99999999999 Jul 2009 10:00:00", ""}};
  for (const auto& [text, written] : kRows) {
    const auto when = parse_date_time(text);
    EXPECT_EQ(when ? find_date_part("iso8601")(*when) : "", written) << text;
  }
}

TEST(DateTest, WhatIsNoDateIsLeftOut) {
  Question question{"\"date\", \"relational\"",
                    "Date: soon\r\nX-Date: 1 Jan 2020 00:00 GMT\r\n\r\n"};
  EXPECT_EQ(question.ask("date :contains \"date\" \"year\" \"\""), "no");
  EXPECT_EQ(question.ask("date :count \"eq\" \"x-date\" \"year\" \"1\""), "yes");
  EXPECT_EQ(question.ask("date :count \"eq\" \"resent-date\" \"year\" \"0\""), "yes");
  EXPECT_EQ(question.ask("currentdate :value \"ge\" \"year\" \"2026\""), "yes");
  EXPECT_EQ(question.ask("currentdate :zone \"+0530\" \"zone\" \"+0530\""), "yes");
  EXPECT_EQ(question.ask("date :contains \"x-date\" \"century\" \"\""), "no");
  EXPECT_EQ(first_fault("require \"date\"; if date :zone \"UTC\" \"date\" \"year\" \"x\" {}"),
            "\"UTC\" is no time zone: it is written as \"+0100\"");
  EXPECT_EQ(first_fault("require \"date\"; if date :zone \"+0000\" :originalzone \"date\" "
                        "\"year\" \"x\" {}"),
            "`:zone` and `:originalzone` exclude each other");
}

TEST(IndexTest, OneOfSeveralFields) {
  Question question{"\"index\", \"date\"",
                    "X-A: 1\r\nX-A: 2\r\nX-A: 3\r\nTo: a@x\r\nTo: b@x\r\n"
                    "Received: x; Wed, 12 Nov 2014 18:18:31 +0100\r\n"
                    "Received: x; Wed, 12 Nov 2014 18:18:30 +0100\r\n\r\n"};
  const Asked kRows[] = {
      {"header :index 2 \"x-a\" \"2\"", "yes"},
      {"header :index 2 \"x-a\" [\"1\", \"3\"]", "no"},
      {"header :last :index 1 \"x-a\" \"3\"", "yes"},
      {"header :index 4 :contains \"x-a\" \"\"", "no"},
      {"address :index 2 :localpart \"to\" \"b\"", "yes"},
      {"date :index 1 :last \"received\" \"second\" \"30\"", "yes"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
  EXPECT_EQ(first_fault("require \"index\"; if header :last \"a\" \"b\" {}"),
            "`:last` needs `:index` with a number");
  EXPECT_EQ(first_fault("require \"index\"; if header :index 0 \"a\" \"b\" {}"),
            "`:index` counts from 1");
}

}  // namespace
}  // namespace posthorn::sieve
