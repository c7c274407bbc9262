// A report of spamd's as values: the rules with points and descriptions, however it is folded; and
// where the site has written its text anew, at least their names.
#include "filter/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_spamd.h"
#include "tests/support/test_loop.h"

namespace posthorn::filter {
namespace {

using test::FakeSpamd;
using test::Wire;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As spamd 4.0 writes it.
const std::string kReport =
    "Spam detection software, running on the system \"mx\",\r\n"
    "has NOT identified this incoming email as spam.\r\n"
    "\r\n"
    "Content preview:  1.0 NO_RULE of the table \r\n"
    "\r\n"
    "Content analysis details:   (4.7 points, 5.0 required)\r\n"
    "\r\n"
    " pts rule name              description\r\n"
    "---- ---------------------- --------------------------------------------------\r\n"
    " 1.0 MISSING_FROM           Missing From: header\r\n"
    "-0.0 NO_RECEIVED            Informational: message has no Received headers\r\n"
    " 3.5 BAYES_99               BODY: Bayes spam probability is 99 to 100%\r\n"
    "                            [score: 1.0000]\r\n"
    "  10 A_VERY_LONG_NAME_THAT_REACHES_FAR\r\n"
    " 0.0 TVD_SPACE_RATIO        No description \x01 available.\r\n"
    "\r\n"
    " 9.9 BEHIND_IT              is not of it\r\n";

TEST(Rules, OfTheTable) {
  EXPECT_THAT(
      parse_rules(kReport),
      ElementsAre(
          Rule{"MISSING_FROM", "1.0", "Missing From: header"},
          Rule{"NO_RECEIVED", "-0.0", "Informational: message has no Received headers"},
          Rule{"BAYES_99", "3.5", "BODY: Bayes spam probability is 99 to 100% [score: 1.0000]"},
          Rule{"A_VERY_LONG_NAME_THAT_REACHES_FAR", "10", ""},
          Rule{"TVD_SPACE_RATIO", "0.0", "No description ? available."}));
  EXPECT_THAT(parse_rules(""), IsEmpty());
  EXPECT_THAT(parse_rules("1.0 A_RULE without a table\r\n"), IsEmpty());
  EXPECT_THAT(parse_rules("---- ---- ----\r\n"), IsEmpty());
  EXPECT_THAT(parse_rules("---- ----\n                a line that goes on with nothing\n"),
              IsEmpty());
}

TEST(Verdict, OfTheSpamField) {
  const Verdict spam = parse_verdict("True ; 15.3 / 5.0");
  EXPECT_TRUE(spam.is_spam);
  EXPECT_EQ(spam.score, "15.3");
  EXPECT_EQ(spam.required, "5.0");
  EXPECT_FALSE(parse_verdict("False ; -1.0 / 5.0").is_spam);
  EXPECT_EQ(parse_verdict("").score, "");
  EXPECT_EQ(parse_verdict("Yes").required, "");
  EXPECT_EQ(parse_verdict("Yes ; 3").score, "3");
}

TEST(Asked, ForAReportAndElseForNames) {
  for (const bool has_table : {true, false}) {
    FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request& request) {
      const bool is_report = request.head.starts_with("REPORT ");
      wire.say(FakeSpamd::reply("True ; 6.0 / 5.0", !is_report  ? "ONE,TWO_3\r\n"
                                                    : has_table ? kReport
                                                                : "Junk, says our site.\r\n"));
    });
    test::TestLoop loop;
    Spamd client(loop.scope(), 2s, spamd.address());
    const auto report = loop.run(ask_report(client, "alice@example.org", "Subject: x\r\n\r\n"));
    client.stop();
    loop.until([&] { return loop.scope().running() == 0; });
    ASSERT_TRUE(report) << report.error().what;
    EXPECT_TRUE(report->is_spam);
    EXPECT_EQ(spamd.requests()[0].head,
              "REPORT SPAMC/1.5\r\nContent-length: 14\r\nUser: alice@example.org\r\n");
    if (has_table)
      EXPECT_EQ(report->rules.size(), 5U);
    else
      EXPECT_THAT(report->rules, ElementsAre(Rule{"ONE", "", ""}, Rule{"TWO_3", "", ""}));
  }
}

TEST(Asked, InVain) {
  for (const char* answer : {"", "SPAMD/1.0 76 Bad header line\r\n", "SPAMD/1.1 0 EX_OK\r\n\r\n"}) {
    FakeSpamd spamd([&](Wire& wire, const FakeSpamd::Request&) { wire.say(answer); });
    test::TestLoop loop;
    Spamd client(loop.scope(), 2s, spamd.address());
    EXPECT_FALSE(loop.run(ask_report(client, "", "x\r\n"))) << answer;
    client.stop();
    loop.until([&] { return loop.scope().running() == 0; });
  }
}

}  // namespace
}  // namespace posthorn::filter
