// environment, vnd.dovecot.environment, spamtest, virustest: what the surroundings say.
#include <gtest/gtest.h>

#include "question.h"

namespace posthorn::sieve {
namespace {

TEST(EnvironmentTest, ItemsOfTheHostAndOurOwn) {
  Question question{"\"environment\", \"relational\"", "Subject: x\r\n\r\n"};
  question.tried.settings.host = "mx.example.org";
  question.tried.world.items = {{"remote-ip", "192.0.2.1"}, {"imap.user", ""}};
  const Asked kRows[] = {
      {"environment \"domain\" \"example.org\"", "yes"},
      {"environment \"HOST\" \"mx.example.org\"", "yes"},
      {"environment :contains \"name\" \"sieve\"", "yes"},
      {"environment :contains \"version\" \"\"", "yes"},
      {"environment \"location\" \"MDA\"", "yes"},
      {"environment \"phase\" \"during\"", "yes"},
      {"environment \"remote-ip\" \"192.0.2.1\"", "yes"},
      {"environment :contains \"nonsense\" \"\"", "no"},
      {"environment :count \"eq\" \"nonsense\" [\"0\", \"1\"]", "no"},
      {"environment :count \"eq\" \"host\" \"1\"", "yes"},
      {"environment :count \"eq\" \"imap.user\" \"0\"", "yes"},
      {"environment :contains \"vnd.dovecot.username\" \"\"", "no"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
}

TEST(EnvironmentTest, DovecotsItemsAreVariablesToo) {
  Tried tried;
  tried.settings.user_email = "bob@example.org";
  tried.world.items = {{"vnd.dovecot.config.team", "red"}};
  EXPECT_EQ(told(tried.run("require [\"vnd.dovecot.environment\", \"variables\", \"fileinto\"];"
                           "fileinto \"${env.vnd.dovecot.config.team} ${env.host} "
                           "${ENV.vnd.dovecot.default_mailbox} ${env.nothing}\";",
                           "Subject: x\r\n\r\n")),
            "fileinto red localhost INBOX ");
}

// RFC 5235 sections 2 and 3.
TEST(SpamtestTest, ShareOfTheWorst) {
  Question question{"\"spamtestplus\", \"virustest\", \"relational\"", ""};
  SpamSettings& spam = question.tried.settings.spam;
  spam.maximum = "5";
  const auto value = [&](std::string_view score, std::string_view test) {
    question.mail = "X-Spam-Score: " + std::string(score) + "\r\n\r\n";
    return question.ask(test);
  };
  EXPECT_EQ(value("-1.6", "spamtest \"1\""), "yes");
  EXPECT_EQ(value("0.0", "spamtest \"1\""), "yes");
  EXPECT_EQ(value("1.0", "spamtest \"2\""), "yes");
  EXPECT_EQ(value("4.0 (++++)", "spamtest \"8\""), "yes");
  EXPECT_EQ(value("5", "spamtest \"10\""), "yes");
  EXPECT_EQ(value("77.7", "spamtest \"10\""), "yes");
  EXPECT_EQ(value("none", "spamtest \"0\""), "yes");
  EXPECT_EQ(value("1.45", "spamtest :percent \"29\""), "yes");
  EXPECT_EQ(value("none", "spamtest :count \"eq\" \"0\""), "yes");
  EXPECT_EQ(value("1", "spamtest :count \"eq\" \"1\""), "yes");
}

TEST(SpamtestTest, WhereTheScoreStands) {
  Question question{
      "\"spamtest\", \"virustest\"",
      "X-Spam-Status: Yes, score=7.6 required=9.5 autolearn=no\r\n"
      "X-Stars: ****\r\nX-Virus-Status: Infected\r\nX-Scan: found to be so-so.\r\n\r\n"};
  SpamSettings& spam = question.tried.settings.spam;
  spam.header = "X-Spam-Status: score=(-?[0-9.]+)";
  spam.maximum_header = "X-Spam-Status: required=(-?[0-9.]+)";
  EXPECT_EQ(question.ask("spamtest \"8\""), "yes");
  spam = {.header = "X-Stars", .type = SpamSettings::Type::length, .maximum = "8"};
  EXPECT_EQ(question.ask("spamtest \"5\""), "yes");
  EXPECT_EQ(question.ask("virustest \"5\""), "yes");
  SpamSettings& virus = question.tried.settings.virus;
  virus.header = "X-Scan: found to be (.+)\\.";
  EXPECT_EQ(question.ask("virustest \"0\""), "yes");
  virus.texts[3] = "so-so";
  EXPECT_EQ(question.ask("virustest \"3\""), "yes");
}

TEST(SpamtestTest, PercentNeedsItsExtension) {
  EXPECT_EQ(first_fault("require \"spamtest\"; if spamtest :percent \"3\" {}"),
            "`:percent` of `spamtest` needs `require [\"spamtestplus\"]`");
}

}  // namespace
}  // namespace posthorn::sieve
