// envelope, subaddress: what of a path is compared, and what is no path.
#include <gtest/gtest.h>

#include "question.h"

namespace posthorn::sieve {
namespace {

TEST(EnvelopeTest, PartsOfTheEnvelope) {
  Question question{"\"envelope\", \"subaddress\"", "Subject: x\r\n\r\n"};
  question.tried.sender = "Ann+News@Example.org";
  question.tried.recipient = "bob@example.net";
  const Asked kRows[] = {
      {"envelope \"from\" \"ann+news@example.org\"", "yes"},
      {"envelope :localpart \"from\" \"ann+news\"", "yes"},
      {"envelope :domain \"FROM\" \"example.org\"", "yes"},
      {"envelope :user \"from\" \"ann\"", "yes"},
      {"envelope :detail \"from\" \"news\"", "yes"},
      {"envelope :detail :contains \"to\" \"\"", "no"},
      {"envelope :comparator \"i;octet\" \"from\" \"ann+news@example.org\"", "no"},
      {"envelope [\"from\", \"to\"] \"bob@example.net\"", "yes"},
      {"envelope \"orig_to\" \"bob@example.net\"", "yes"},
      {"envelope :contains \"auth\" \"\"", "no"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
}

// RFC 5228 section 5.4: whatever part is asked for.
TEST(EnvelopeTest, TheNullSenderIsTheEmptyString) {
  Question question{"\"envelope\", \"subaddress\"", "Subject: x\r\n\r\n"};
  for (const std::string_view sender : {"", "<>"}) {
    question.tried.sender = sender;
    for (const std::string_view part : {":all", ":localpart", ":domain", ":user", ":detail"})
      EXPECT_EQ(question.ask("envelope " + std::string(part) + " \"from\" \"\""), "yes") << part;
    EXPECT_EQ(question.ask("envelope :contains \"from\" \"@\""), "no");
  }
}

TEST(EnvelopeTest, WhatIsNoPathMatchesNothing) {
  Question question{"\"envelope\"", "Subject: x\r\n\r\n"};
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"<ann@example.org>", "yes"},
      {"<@a.example,@b.example:ann@example.org>", "yes"},
      {"MAILER-DAEMON", "yes"},
      {"..ann@_example.com", "yes"},
      {"ann@", "no"},
      {"<<ann@example.org>", "no"},
      {"ann@example.org>", "no"},
      {"<ann@example.org", "no"},
      {"<ann@@example.org>", "no"},
      {"<a.example:ann@example.org>", "no"},
      {"<@a..example:ann@example.org>", "no"},
      {"<@a.example,b.example:ann@example.org>", "no"},
  };
  for (const auto& [sender, answer] : kRows) {
    question.tried.sender = sender;
    EXPECT_EQ(question.ask("envelope :contains \"from\" \"\""), answer) << sender;
  }
}

TEST(EnvelopeTest, APartThatThereIsNotIsAFault) {
  EXPECT_EQ(first_fault("require \"envelope\"; if envelope \"form\" \"x\" {}"),
            "an envelope has no part \"form\"");
}

// RFC 5233 section 4; of several delimiters the first that stands there.
TEST(SubaddressTest, UserAndDetail) {
  Question question{"\"subaddress\"", "From: a+b@x.org\r\nTo: c-d+e@x.org\r\nCc: f+@x.org\r\n\r\n"};
  EXPECT_EQ(question.ask("address :user \"from\" \"a\""), "yes");
  EXPECT_EQ(question.ask("address :detail \"to\" \"e\""), "yes");
  EXPECT_EQ(question.ask("address :detail \"cc\" \"\""), "yes");
  question.tried.settings.recipient_delimiter = "+-";
  EXPECT_EQ(question.ask("address :user \"to\" \"c\""), "yes");
  EXPECT_EQ(question.ask("address :detail \"to\" \"d+e\""), "yes");
}

}  // namespace
}  // namespace posthorn::sieve
