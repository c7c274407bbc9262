// What the filter said of a mail, out of the records that the trail has of it.
#include "tools/spam_story.h"

#include <gmock/gmock.h>

namespace posthorn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Details = std::vector<std::pair<std::string, std::string>>;

trail::Record record(std::string event, Details details) {
  trail::Record one;
  one.event = std::move(event);
  one.queue_id = "1ABCDEFGHIJKL";
  one.details = std::move(details);
  return one;
}

TEST(SpamStory, OfSpamThatWasFiled) {
  const std::vector<trail::Record> records = {
      record("queue.accepted", {{"from", "x@y.test"}}),
      record("queue.scanned", {{"spam", "no"}, {"score", "1"}, {"tests", "OLD_ONE=1"}}),
      record("queue.scanned", {{"spam", "yes"},
                               {"score", "15.3"},
                               {"required", "4.9"},
                               {"tests", "GTUBE=15,AA_BB=0.3,+12"},
                               {"by", "filter.spam_score"}}),
      record("store.delivered",
             {{"to", "bob@example.org"}, {"mailbox", "Junk"}, {"script", "default.sieve"}}),
      record("store.delivered", {{"to", "ann@example.org"},
                                 {"mailbox", "A\x1B[2J\u202E"},
                                 {"script", "ann/rules"},
                                 {"line", "7"}})};
  const SpamStory story = read_spam_story(records);
  EXPECT_EQ(story.queue_id, "1ABCDEFGHIJKL");
  EXPECT_TRUE(story.is_judged());
  EXPECT_TRUE(story.verdict.is_spam);
  EXPECT_EQ(story.verdict.score, "15.3");
  EXPECT_EQ(story.verdict.required, "4.9");
  EXPECT_THAT(story.verdict.rules,
              ElementsAre(filter::Rule{"GTUBE", "15", ""}, filter::Rule{"AA_BB", "0.3", ""}));
  EXPECT_EQ(story.rules_left_out, 12U);
  EXPECT_EQ(story.by, "filter.spam_score");
  EXPECT_THAT(story.then, ElementsAre("bob@example.org: filed in Junk by default.sieve",
                                      "ann@example.org: filed in A?[2J? by ann/rules:7"));
}

TEST(SpamStory, OfSpamThatWasThrownAway) {
  const std::vector<trail::Record> records = {
      record("queue.scanned", {{"spam", "yes"}, {"score", "99"}, {"by", "filter.discard_score"}}),
      record("queue.discarded", {{"score", "99"}}),
      record("store.discarded", {{"to", "bob@example.org"}, {"script", "-"}})};
  const SpamStory story = read_spam_story(records);
  EXPECT_THAT(story.then,
              ElementsAre(HasSubstr("filter.discard_score"), "bob@example.org: thrown away"));
}

TEST(SpamStory, OfMailThatTheFilterNeverSaw) {
  const auto sentence = [](const std::string& reason, const std::string& error = {}) {
    const std::vector<trail::Record> records = {
        record("queue.scanned", {{"spam", "skipped"}, {"reason", reason}, {"error", error}})};
    const SpamStory story = read_spam_story(records);
    EXPECT_FALSE(story.is_judged());
    return unscanned_sentence(story);
  };
  // Each reason there is has a sentence of its own.
  for (const auto& [why, name] : filter::kUnscanned)
    EXPECT_EQ(sentence(std::string(name)).find("has not judged"), std::string::npos) << name;
  EXPECT_THAT(sentence("unavailable", "spamd: connect"), HasSubstr(": spamd: connect, and"));
  EXPECT_THAT(sentence("off"), HasSubstr("filter.spamd"));
  const SpamStory nothing = read_spam_story({});
  EXPECT_FALSE(nothing.is_judged());
  EXPECT_EQ(nothing.spam, "");
  EXPECT_THAT(nothing.then, IsEmpty());
}

TEST(SpamStory, TheSettingWithItsValue) {
  config::Config config;
  EXPECT_EQ(setting_with_place(config, "filter.message_max"),
            "filter.message_max = \"512KB\" (the default)");
  config.filter.spam_score = "6.31";
  EXPECT_THAT(setting_with_place(config, "filter.spam_score"),
              HasSubstr("filter.spam_score = \"6.31\" ("));
  EXPECT_EQ(setting_with_place(config, "spamd"), "spamd");
  EXPECT_EQ(setting_with_place(config, "filter.nothing"), "filter.nothing");
}

}  // namespace
}  // namespace posthorn::tools
