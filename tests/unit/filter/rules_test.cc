// The rules that hit and their points, out of answers as Debian's spamd 4.0 gives them to HEADERS:
// a stock one names them, one whose local.cf says _TESTSSCORES_ or report_safe 0 tells their points.
#include "filter/rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filter/verdict.h"

namespace posthorn::filter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Rule rule(std::string name, std::string points = {}) {
  return {std::move(name), std::move(points), {}};
}

std::vector<Rule> rules_of(std::string_view block) {
  const auto verdict =
      parse_spamd_answer("SPAMD/1.1 0 EX_OK\r\nContent-length: " + std::to_string(block.size()) +
                             "\r\nSpam: True ; 1000.0 / 5.0\r\n\r\n" + std::string(block),
                         {"X-Spam-"});
  EXPECT_TRUE(verdict);
  return verdict ? verdict->rules : std::vector<Rule>{};
}

// A stock spamd, of a mail that brought an X-Spam-Status and an X-Spam-Report of its own.
constexpr std::string_view kStock =
    "Received: from localhost by vm\r\n"
    "\twith SpamAssassin (version 4.0.1);\r\n"
    "\tMon, 30 Nov 2026 22:46:35 +0000\r\n"
    "From: Ann <ann@example.net>\r\n"
    "To: bob@example.org\r\n"
    "Subject: offer tests=EVIL=9\r\n"
    "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-25) on vm\r\n"
    "X-Spam-Flag: YES\r\n"
    "X-Spam-Level: **************************************************\r\n"
    "X-Spam-Status: Yes, score=1000.0 required=5.0 tests=GTUBE,MSGID_SHORT,\r\n"
    "\tNO_RECEIVED,NO_RELAYS,TVD_SPACE_RATIO autolearn=no autolearn_force=no\r\n"
    "\tversion=4.0.1\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"----------=_6B0DFCCB.A3591B65\"\r\n\r\n";

TEST(Rules, AStockSpamdNamesThem) {
  EXPECT_THAT(rules_of(kStock), ElementsAre(rule("GTUBE"), rule("MSGID_SHORT"), rule("NO_RECEIVED"),
                                            rule("NO_RELAYS"), rule("TVD_SPACE_RATIO")));
  EXPECT_THAT(rules_of("X-Spam-Status: No, score=-0.0 required=5.0 tests=none autolearn=unavailable"
                       "\r\n\tautolearn_force=no version=4.0.1\r\n\r\n"),
              IsEmpty());
  EXPECT_THAT(rules_of("X-Spam-Flag: NO\r\n\r\nX-Spam-Status: tests=BODY\r\n"), IsEmpty());
}

TEST(Rules, PointsBesideTheNames) {
  EXPECT_THAT(rules_of("X-Spam-Status: No, score=-0.0 required=5.0 tests=MSGID_SHORT=0.001,\r\n"
                       "\tNO_RECEIVED=-0.001,NO_RELAYS=-0.001 autolearn=unavailable\r\n"
                       "\tautolearn_force=no version=4.0.1\r\n"
                       "X-Spam-Status: No, tests=SECOND=1\r\n\r\n"),
              ElementsAre(rule("MSGID_SHORT", "0.001"), rule("NO_RECEIVED", "-0.001"),
                          rule("NO_RELAYS", "-0.001")));
  // fold_headers 0, and blanks between them: _TESTSSCORES( )_.
  EXPECT_THAT(rules_of("X-Spam-Status: Yes, score=1000.0 required=5.0 tests=GTUBE=1000 "
                       "MSGID_SHORT=0.001 NO_RELAYS=-0.001 autolearn=no autolearn_force=no\r\n"),
              ElementsAre(rule("GTUBE", "1000"), rule("MSGID_SHORT", "0.001"),
                          rule("NO_RELAYS", "-0.001")));
}

// With report_safe 0, in a German locale: descriptions are folded and encoded.
TEST(Rules, PointsInAReport) {
  constexpr std::string_view kStatus =
      "X-Spam-Status: Yes, score=3.6 required=2.0 tests=MISSING_MID,\r\n"
      "\tNO_HEADERS_MESSAGE,MISSING_HEADERS,UNTOLD autolearn=no version=4.0.1\r\n";
  const auto expected = ElementsAre(rule("MISSING_MID", "0.6"), rule("NO_HEADERS_MESSAGE", "0.0"),
                                    rule("MISSING_HEADERS", "0.9"), rule("UNTOLD"));
  EXPECT_THAT(rules_of(std::string(kStatus) +
                       "X-Spam-Report: \r\n"
                       "\t*  0.6 MISSING_MID Missing Message-Id: header\r\n"
                       "\t*  0.0 NO_HEADERS_MESSAGE Message appears to be missing most RFC-822\r\n"
                       "\t*      headers\r\n"
                       "\t*  0.9 MISSING_HEADERS =?UTF-8?Q?Empf=E4ngeradresse?= (\"To\") fehlt\r\n"
                       "\t*      [* 9.9 UNTOLDX * 9.9 NO_HEADERS_MESSAGE]\r\n"
                       "From: x\r\n\r\n"),
              expected);
  EXPECT_THAT(rules_of(std::string(kStatus) +
                       "X-Spam-Report:  *  0.6 MISSING_MID Missing Message-Id: header *  0.0 "
                       "NO_HEADERS_MESSAGE Message appears *      headers *  0.9 MISSING_HEADERS "
                       "Missing To: header\r\n\r\n"),
              expected);
  // Exact points stand; a report rounds.
  std::vector<Rule> known = {rule("A_B", "0.001"), rule("C_D")};
  add_points(known, "* 0.0 A_B x\r\n* -1.5 C_D y * 2 C_D");
  EXPECT_THAT(known, ElementsAre(rule("A_B", "0.001"), rule("C_D", "-1.5")));
}

TEST(Rules, OddOnes) {
  EXPECT_THAT(parse_tests(""), IsEmpty());
  EXPECT_THAT(parse_tests("Yes"), IsEmpty());
  EXPECT_THAT(parse_tests("tests="), IsEmpty());
  EXPECT_THAT(parse_tests("mytests=AA"), IsEmpty());
  EXPECT_THAT(parse_tests("x mytests=AA tests=BB"), ElementsAre(rule("BB")));
  EXPECT_THAT(parse_tests("tests=AA,,BB,\r\n\t \r\n CC"),
              ElementsAre(rule("AA"), rule("BB"), rule("CC")));
  EXPECT_THAT(parse_tests("tests=AA=1.0.0,BB"), IsEmpty());
  EXPECT_THAT(parse_tests("tests=AA=,BB"), IsEmpty());
  EXPECT_THAT(parse_tests("tests=AA,B\x1B[2J,CC"), ElementsAre(rule("AA")));
  EXPECT_THAT(parse_tests("tests=" + std::string(100, 'N') + "=1"),
              ElementsAre(rule(std::string(kRuleNameMax, 'N'), "1")));
  for (const char* good : {"1", "-1", "0.001", "-.5", "1000", "7."}) EXPECT_TRUE(is_points(good));
  for (const char* bad : {"", "-", ".", "1e3", "+1", "1.2.3", "--1", "12345678901234567"})
    EXPECT_FALSE(is_points(bad)) << bad;
}

TEST(Rules, VeryMany) {
  std::string tests = "tests=", report = "---- ----\n";
  for (int i = 0; i < 5000; ++i) {
    tests += fmt::format("RULE_{}=0.1,\r\n\t", i);
    report += fmt::format(" 0.1 RULE_{} x\n", i);
  }
  EXPECT_EQ(parse_tests(tests).size(), kRulesMax);
  EXPECT_EQ(parse_rules(report).size(), kRulesMax);
  const std::string text = to_text(parse_tests(tests));
  EXPECT_LE(text.size(), kRulesTextMax);
  const RulesText again = parse_text(text);
  EXPECT_EQ(again.rules.size() + again.left_out, kRulesMax);
  EXPECT_GT(again.left_out, 100U);
}

TEST(Rules, AsTextWhatCountsMostInFront) {
  EXPECT_EQ(to_text({}), "");
  EXPECT_EQ(to_text({rule("AA"), rule("BB")}), "AA,BB");
  const std::string text = to_text(
      {rule("AA", "0.1"), rule("BB"), rule("CC", "-3"), rule("DD", "2.5"), rule("EE", "0.1")});
  EXPECT_EQ(text, "CC=-3,DD=2.5,AA=0.1,EE=0.1,BB");
  const RulesText again = parse_text(text);
  EXPECT_EQ(again.left_out, 0U);
  EXPECT_THAT(again.rules, ElementsAre(rule("CC", "-3"), rule("DD", "2.5"), rule("AA", "0.1"),
                                       rule("EE", "0.1"), rule("BB")));
  EXPECT_EQ(parse_text("AA,+12").left_out, 12U);
  EXPECT_EQ(parse_text("+3").left_out, 3U);
  EXPECT_THAT(parse_text("\x01").rules, IsEmpty());
  EXPECT_EQ(parse_text("AA=1,+x").left_out, 0U);
}

}  // namespace
}  // namespace posthorn::filter
