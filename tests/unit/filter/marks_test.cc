// The site's own scores and the mark in the Subject.
#include "filter/marks.h"

#include <gtest/gtest.h>

#include "message/part.h"

namespace posthorn::filter {
namespace {

constexpr std::string_view kHeaders =
    "X-Spam-Checker-Version: SpamAssassin 4.0.0\r\n"
    "X-Spam-Flag: YES\r\n"
    "X-Spam-Level: *******\r\n"
    "X-Spam-Status: Yes, score=7.1 required=5.0 tests=A,\r\n\tB autolearn=no\r\n";

Verdict verdict_of(std::string score) {
  return {.is_spam = true, .score = std::move(score), .headers = std::string(kHeaders)};
}

TEST(Scores, Numbers) {
  using config::parse_score;
  EXPECT_EQ(parse_score("6.31"), 6.31);
  EXPECT_EQ(parse_score(" -999 "), -999.0);
  for (const std::string_view bad : {"", "x", "5,0", "1e3x", "nan", "inf", "5 6"})
    EXPECT_EQ(parse_score(bad), std::nullopt) << bad;
}

TEST(Scores, TheSitesOwnBoundDecidesAndTheFieldsSaySo) {
  config::Filter config;
  Verdict verdict = verdict_of("7.1");
  apply_scores(config, verdict);
  EXPECT_EQ(verdict.headers, kHeaders);
  config.spam_score = "7.2";
  apply_scores(config, verdict);
  EXPECT_FALSE(verdict.is_spam);
  EXPECT_EQ(verdict.required, "7.2");
  EXPECT_EQ(verdict.headers,
            "X-Spam-Checker-Version: SpamAssassin 4.0.0\r\n"
            "X-Spam-Level: *******\r\n"
            "X-Spam-Status: No, score=7.1 required=7.2 tests=A,\r\n\tB autolearn=no\r\n");
  config.spam_score = "7.1";
  apply_scores(config, verdict);
  EXPECT_TRUE(verdict.is_spam);
  EXPECT_TRUE(verdict.headers.starts_with("X-Spam-Flag: YES\r\nX-Spam-Checker"));
  EXPECT_NE(verdict.headers.find("Status: Yes, score=7.1 required=7.1 "), std::string::npos);
}

TEST(Scores, FieldsOnlyFromABoundOn) {
  config::Filter config;
  config.headers_score = "7.2";
  Verdict verdict = verdict_of("7.1");
  apply_scores(config, verdict);
  EXPECT_EQ(verdict.headers, "");
  verdict = verdict_of("7.2");
  apply_scores(config, verdict);
  EXPECT_EQ(verdict.headers, kHeaders);
  // What was not scanned says so whatever the bound is.
  verdict = {.is_spam = false, .score = "", .headers = "X-Spam-Status: unknown\r\n"};
  apply_scores(config, verdict);
  EXPECT_EQ(verdict.headers, "X-Spam-Status: unknown\r\n");
}

TEST(Scores, Discarded) {
  config::Filter config;
  EXPECT_FALSE(is_discarded(config, verdict_of("999")));
  config.discard_score = "10";
  EXPECT_TRUE(is_discarded(config, verdict_of("10.0")));
  EXPECT_FALSE(is_discarded(config, verdict_of("9.9")));
  EXPECT_FALSE(is_discarded(config, verdict_of("")));
}

TEST(Subject, TheFieldIsKeptBehindTheMark) {
  EXPECT_EQ(mark_subject(" hello", "***SPAM*** "), "Subject: ***SPAM*** hello\r\n");
  EXPECT_EQ(mark_subject(" =?utf-8?Q?caf=C3=A9?=\r\n =?utf-8?Q?_x?=", "***SPAM***"),
            "Subject: ***SPAM*** =?utf-8?Q?caf=C3=A9?=\r\n =?utf-8?Q?_x?=\r\n");
  EXPECT_EQ(mark_subject(std::nullopt, "[SPAM]"), "Subject: [SPAM]\r\n");
  EXPECT_EQ(mark_subject("", "[SPAM]"), "Subject: [SPAM]\r\n");
  EXPECT_EQ(mark_subject(" [SPAM] again", "[SPAM]"), std::nullopt);
}

TEST(Subject, AMarkThatIsNotAsciiIsEncodedWithItsSpace) {
  const auto field = mark_subject(" =?utf-8?Q?caf=C3=A9?=", "[СПАМ]");
  ASSERT_TRUE(field);
  EXPECT_EQ(message::decode_words(field->substr(9, field->size() - 11)), "[СПАМ] café");
  const std::string longest(200, '\xC3');  // no UTF-8 at all: still one line of ASCII
  const auto odd = mark_subject("x", longest);
  EXPECT_TRUE(
      std::ranges::all_of(*odd, [](char c) { return static_cast<unsigned char>(c) < 0x7F; }));
  // A line end in the setting makes no field of its own.
  const auto forged = mark_subject("x", "a\r\nBcc: all@example.org");
  EXPECT_EQ(forged->find("\r\nBcc"), std::string::npos);
}

TEST(Subject, ALongLineIsFolded) {
  const std::string text(950, 'x');
  EXPECT_EQ(mark_subject(text, "[SPAM]"), "Subject: [SPAM]\r\n " + text + "\r\n");
}

}  // namespace
}  // namespace posthorn::filter
