// What the filter's stage has made of a mail, and which setting made it so.
#include "filter/outcome.h"

#include <gtest/gtest.h>

#include "filter/filter.h"

namespace posthorn::filter {
namespace {

using message::SentBy;

TEST(Outcome, OfAVerdict) {
  struct Row {
    const char* score;
    bool is_spam;
    const char* spam_score;
    const char* discard_score;
    Deed deed;
    const char* by;
    const char* word;
    const char* label;
  };
  constexpr Row kRows[] = {
      {"1.0", false, "", "", Deed::passed, "spamd", "no", "ham"},
      {"9.0", true, "", "", Deed::tagged, "spamd", "yes", "spam"},
      {"9.0", true, "6", "", Deed::tagged, "filter.spam_score", "yes", "spam"},
      {"5.5", false, "6", "", Deed::passed, "filter.spam_score", "no", "ham"},
      {"strange", true, "6", "1", Deed::tagged, "spamd", "yes", "spam"},
      {"9.0", true, "6", "9", Deed::discarded, "filter.discard_score", "yes", "discarded"},
      {"9.0", true, "", "9.1", Deed::tagged, "spamd", "yes", "spam"},
      {"9.0", false, "10", "9", Deed::passed, "filter.spam_score", "no", "ham"},
  };
  for (const Row& row : kRows) {
    SCOPED_TRACE(std::string(row.score) + " " + row.spam_score + " " + row.discard_score);
    config::Filter config;
    config.spam_score = row.spam_score;
    config.discard_score = row.discard_score;
    const Outcome outcome =
        decide(config, {.is_spam = row.is_spam, .score = row.score, .rules = {{"AA", "1", ""}}});
    EXPECT_EQ(outcome.deed, row.deed);
    EXPECT_EQ(outcome.by, row.by);
    EXPECT_EQ(outcome.verdict.rules.size(), 1U);
    EXPECT_EQ(word_of(outcome.deed), row.word);
    EXPECT_EQ(label_of(outcome.deed), row.label);
  }
}

TEST(Outcome, Unscanned) {
  const config::Filter config;
  const Outcome large = decide(config, Filter::unscanned(Unscanned::size));
  EXPECT_EQ(large.deed, Deed::unscanned);
  EXPECT_EQ(large.by, "filter.message_max");
  EXPECT_EQ(large.verdict.headers, "X-Spam-Status: unknown, reason=size\r\n");
  EXPECT_EQ(decide(config, Filter::unscanned(Unscanned::unavailable)).by, "filter.when_down");
  EXPECT_EQ(word_of(Deed::unscanned), "unscanned");
  EXPECT_EQ(label_of(Deed::unscanned), "unscanned");
}

TEST(Outcome, WhoIsNotAskedAbout) {
  config::Filter config;
  const auto reason = [&](SentBy by) {
    const auto skip = find_skip(config, by);
    if (!skip) return std::string("asked");
    EXPECT_EQ(skip->deed, Deed::skipped);
    return std::string(to_string(*skip->verdict.unscanned)) + " " + std::string(skip->by);
  };
  EXPECT_EQ(reason(SentBy::stranger), "asked");
  EXPECT_EQ(reason(SentBy::trusted_network), "asked");
  EXPECT_EQ(reason(SentBy::user), "user filter.scan_submissions");
  EXPECT_EQ(reason(SentBy::program), "program filter.scan_submissions");
  EXPECT_EQ(reason(SentBy::sent_on), "sent-on filter.scan_submissions");
  EXPECT_EQ(reason(SentBy::notice), "notice origin");
  config.scan_submissions = true;
  EXPECT_EQ(reason(SentBy::user), "asked");
  EXPECT_EQ(reason(SentBy::program), "asked");
  EXPECT_EQ(reason(SentBy::notice), "notice origin");
  EXPECT_EQ(word_of(Deed::skipped), "skipped");
}

}  // namespace
}  // namespace posthorn::filter
