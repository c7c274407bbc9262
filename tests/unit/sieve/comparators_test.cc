// relational, the comparators, encoded-character, regex: how keys and values are compared.
#include <gtest/gtest.h>

#include "question.h"

namespace posthorn::sieve {
namespace {

constexpr std::string_view kNumbers =
    "X-A: 300\r\nX-B: 1000\r\nX-B: 20\r\nX-C: abc\r\nX-D:\r\nX-E: 007 agents\r\n\r\n";

// RFC 5231, RFC 4790 section 9.1: what is no number is beyond every number.
TEST(RelationalTest, ValuesAndCounts) {
  Question question{"\"relational\", \"comparator-i;ascii-numeric\"", std::string(kNumbers)};
  const Asked kRows[] = {
      {"header :value \"le\" :comparator \"i;ascii-numeric\" \"x-a\" \"00300\"", "yes"},
      {"header :value \"lt\" :comparator \"i;ascii-numeric\" \"x-a\" \"2\"", "no"},
      {"header :value \"lt\" \"x-a\" \"4\"", "yes"},
      {"header :value \"gt\" :comparator \"i;ascii-numeric\" \"x-b\" [\"3000\", \"30\"]", "yes"},
      {"header :value \"gt\" :comparator \"i;ascii-numeric\" \"x-b\" [\"3000\", \"1001\"]", "no"},
      {"header :value \"eq\" :comparator \"i;ascii-numeric\" \"x-e\" \"7\"", "yes"},
      {"header :value \"gt\" :comparator \"i;ascii-numeric\" \"x-c\" \"99999999999999\"", "yes"},
      {"header :value \"eq\" :comparator \"i;ascii-numeric\" \"x-d\" \"40\"", "no"},
      {"header :is :comparator \"i;ascii-numeric\" \"x-c\" \"xyz\"", "yes"},
      {"header :value \"ne\" \"x-c\" \"ABC\"", "no"},
      {"header :value \"ne\" :comparator \"i;octet\" \"x-c\" \"ABC\"", "yes"},
      {"header :count \"eq\" :comparator \"i;ascii-numeric\" \"x-b\" \"002\"", "yes"},
      {"header :count \"ge\" :comparator \"i;ascii-numeric\" [\"x-a\", \"x-b\"] \"4\"", "no"},
      {"header :count \"eq\" \"x-none\" \"0\"", "yes"},
  };
  for (const auto& [test, answer] : kRows) EXPECT_EQ(question.ask(test), answer) << test;
}

TEST(RelationalTest, FaultsOfScripts) {
  EXPECT_EQ(first_fault("require \"relational\"; if header :value \"xx\" \"a\" \"b\" {}"),
            "`:value` must be followed by \"gt\", \"ge\", \"lt\", \"le\", \"eq\" or \"ne\"");
  EXPECT_EQ(first_fault("require \"comparator-i;ascii-numeric\"; "
                        "if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" {}"),
            "`:contains` looks for a part of a text, which i;ascii-numeric cannot");
}

// RFC 5051.
TEST(UnicodeCasemapTest, LettersOfAnyScriptWithoutCase) {
  Question question{"\"comparator-i;unicode-casemap\", \"encoded-character\"",
                    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_=CE=A3?=\r\n\r\n"};
  const std::string with = "header :comparator \"i;unicode-casemap\" ";
  EXPECT_EQ(question.ask(with + ":contains \"subject\" \"GR\xC3\x9C\""), "yes");
  EXPECT_EQ(question.ask(with + ":contains \"subject\" \"gru${unicode:0308}\""), "yes");
  EXPECT_EQ(question.ask(with + ":contains \"subject\" \"\xCF\x83\""), "yes");
  EXPECT_EQ(question.ask(with + ":contains \"subject\" \"gru\xCC\x81\""), "no");
  EXPECT_EQ(question.ask("header :contains \"subject\" \"GR\xC3\x9C\""), "no");
}

// What a wildcard stood for is the text as it was written.
TEST(UnicodeCasemapTest, MatchValuesAreNotFolded) {
  Tried tried;
  EXPECT_EQ(
      told(tried.run("require [\"comparator-i;unicode-casemap\", \"variables\", \"fileinto\"];"
                     "if header :comparator \"i;unicode-casemap\" :matches \"subject\" "
                     "\"gr*e \xC3\x84*\" { fileinto \"${1}|${2}\"; }",
                     "Subject: Gr\xC3\xBC\xC3\x9F\x65 \xC3\xA4h\xC3\xB6rt\r\n\r\n")),
      "fileinto \xC3\xBC\xC3\x9F|h\xC3\xB6rt");
}

TEST(EncodedCharacterTest, OnlyWhatIsWrittenSoIsDecoded) {
  Question question{"\"encoded-character\"", "Subject: a@b $ {hex:40}\r\n\r\n"};
  EXPECT_EQ(question.ask("header :contains \"subject\" \"a${hex:40}b\""), "yes");
  EXPECT_EQ(question.ask("header :contains \"subject\" \"a${unicode: 40 62}\""), "yes");
  EXPECT_EQ(question.ask("header :contains \"subject\" \"${hex:24} {hex:40}\""), "yes");
  EXPECT_EQ(question.ask("header :contains \"subject\" \"${hex:zz}\""), "no");
  EXPECT_EQ(first_fault("require \"encoded-character\"; if header \"a\" \"${unicode:D800}\" {}"),
            "there is no character D800");
}

TEST(RegexTest, MatchesAndTheirValues) {
  Tried tried;
  EXPECT_EQ(
      told(tried.run("require [\"regex\", \"variables\", \"fileinto\"];"
                     "if header :regex \"sender\" \"([^-@]*)-([^-@]*)(-x)?(-bounces)?@ant\\\\.org\""
                     "{ fileinto \"${1} ${2} ${3} ${4}\"; }",
                     "Sender: antlr-interest-bounces@ANT.org\r\n\r\n")),
      "fileinto antlr interest  -bounces");
  Question question{"\"regex\"", "Subject: one two\r\n\r\n"};
  EXPECT_EQ(question.ask("header :regex \"subject\" \"^ONE\""), "yes");
  EXPECT_EQ(question.ask("header :regex :comparator \"i;octet\" \"subject\" \"^ONE\""), "no");
  EXPECT_EQ(question.ask("header :regex \"subject\" \"^two\""), "no");
  EXPECT_EQ(question.ask("header :regex \"subject\" [\"x\", \"[[:alpha:]]+ t{1}wo$\"]"), "yes");
}

TEST(RegexTest, WhatIsQuotedStandsForItself) {
  Tried tried;
  EXPECT_EQ(told(tried.run("require [\"regex\", \"variables\"];"
                           "set :quoteregex \"a\" \"a+(b)\";"
                           "if header :regex \"subject\" \"^${a}$\" { discard; }",
                           "Subject: a+(b)\r\n\r\n")),
            "discard");
}

TEST(RegexTest, PatternsHaveBounds) {
  const auto fault = [](const std::string& pattern) {
    return first_fault("require \"regex\"; if header :regex \"a\" \"" + pattern + "\" {}");
  };
  EXPECT_EQ(fault("(a+)+$"), "");
  EXPECT_TRUE(fault("a(b").starts_with("\"a(b\" is no regular expression: missing )"));
  EXPECT_EQ(fault(std::string(5000, 'a')), "a pattern may have 4096 bytes, this one has 5000");
  EXPECT_TRUE(fault("((a{100}){100}){100}").contains("is no regular expression"));
  EXPECT_TRUE(fault(R"(\\p{L}{900})").contains("is too large"));
  EXPECT_EQ(first_fault("require [\"regex\", \"comparator-i;ascii-numeric\"]; if header :regex "
                        ":comparator \"i;ascii-numeric\" \"a\" \"b\" {}"),
            "`:regex` looks for a part of a text, which i;ascii-numeric cannot");
}

TEST(RegexTest, APatternOfAVariableThatIsNoneIsADoubt) {
  Tried tried;
  const Outcome outcome = tried.run(
      "require [\"regex\", \"variables\"]; set \"a\" \"[\";"
      "if header :regex \"subject\" \"${a}\" { discard; }",
      "Subject: x\r\n\r\n");
  EXPECT_EQ(told(outcome), "keep");
  ASSERT_EQ(outcome.doubts.size(), 1U);
  EXPECT_TRUE(outcome.doubts[0].starts_with("\"[\" is no regular expression"));
}

}  // namespace
}  // namespace posthorn::sieve
