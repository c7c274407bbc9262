// A mail's story: every event of the trail has a sentence, whichever of its details is missing;
// what repeats itself is told once; edge is not believed where the queue knows better; and nothing
// that a stranger said reaches a terminal as more than words.
#include "trail/story.h"

#include <algorithm>
#include <gmock/gmock.h>

#include "base/events.h"
#include "base/utf8.h"
#include "trail/sentences.h"

namespace posthorn::trail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr WallTime kAt{1'796'079'905'490ms};
constexpr std::string_view kId = "M8QC4Q1RZ2TYR";

using Details = std::vector<std::pair<std::string, std::string>>;

Record make(std::string_view source, const log::Event& event, Details details,
            std::chrono::milliseconds after = 0ms) {
  return {.at = kAt + after,
          .event = std::string(event.name),
          .session = "S1",
          .queue_id = std::string(event.name.starts_with("smtp.rcpt") ? "" : kId),
          .details = std::move(details),
          .source = std::string(source)};
}

Record taken(std::string_view from = "x@far.test") {
  return make("queue", event::queue_accepted,
              {{"from", std::string(from)},
               {"size", "321"},
               {"to", "alice@example.org"},
               {"named", "sales@example.org"},
               {"message_id", "<m1@far.test>"},
               {"sent_by", "stranger"},
               {"account", ""},
               {"client", "192.0.2.1"}});
}

std::string tell(std::vector<Record> records) {
  return format_story(tell_story(kId, {.records = std::move(records)}), {});
}

Record put_off(std::string_view reply, std::chrono::milliseconds after,
               std::string_view to = "friend@far.test") {
  return make(
      "queue", event::queue_deferred,
      {{"to", std::string(to)}, {"relay", "mx[192.0.2.7]:25"}, {"reply", std::string(reply)}},
      after);
}

TEST(TrailStory, EveryEventOfTheTrailHasASentence) {
  std::size_t count = 0;
  for (const log::Event& event : event::all()) {
    if (event.senders == 0) {
      EXPECT_EQ(find_sentence(event.name), nullptr) << event.name << " is not kept";
      continue;
    }
    ++count;
    const Sentence* sentence = find_sentence(event.name);
    ASSERT_NE(sentence, nullptr) << event.name << " has no sentence in trail/";
    EXPECT_THAT(sentence->say(Words(make("queue", event, {}))), Not(IsEmpty())) << event.name;
  }
  EXPECT_EQ(count, arrival_sentences().size() + delivery_sentences().size());
}

// Each detail that any event has, one after the other left out, and each odd.
TEST(TrailStory, NoDetailIsNeededAndNoneBreaksALine) {
  constexpr std::string_view kKeys[] = {
      "account", "address", "after",   "age",       "alias", "arrived", "as",       "attempt",
      "bound",   "by",      "child",   "client",    "error", "file",    "from",     "helo",
      "line",    "login",   "mailbox", "mechanism", "ms",    "name",    "named",    "next",
      "nrcpt",   "port",    "rcpt",    "reason",    "relay", "reply",   "required", "score",
      "script",  "seconds", "sent_by", "service",   "size",  "spam",    "status",   "target",
      "tests",   "text",    "tls",     "to",        "try",   "uid",     "user",     "domain"};
  constexpr std::string_view kOdd[] = {"",
                                       "-",
                                       ",",
                                       ",,a@x",
                                       "a b",
                                       "\"",
                                       "<>",
                                       "12345678901234567890",
                                       "\x1b[2J\n",
                                       "\xff\xfe",
                                       "\u202Etxt.exe",
                                       "\u009bx"};
  for (const Sentence& sentence : delivery_sentences()) {
    for (const std::string_view odd : kOdd) {
      Record record{.at = kAt, .event = std::string(sentence.event), .queue_id = std::string(kId)};
      for (const std::string_view key : kKeys) record.details.emplace_back(key, odd);
      const std::string said = tell({record});
      EXPECT_EQ(std::ranges::count(said, '\n'), 3 + (said.contains("Message-ID:") ? 1 : 0)) << said;
      EXPECT_THAT(said, Not(HasSubstr("\x1b")));
      EXPECT_THAT(said, Not(HasSubstr("\u202E")));
      EXPECT_THAT(said, Not(HasSubstr("\u009b")));
      EXPECT_TRUE(is_utf8(said)) << said;
    }
  }
}

TEST(TrailStory, AMailsLifeReadsInOrder) {
  const Story story = tell_story(
      kId,
      {.records = {make("edge", event::smtp_rcpt_accepted,
                        {{"rcpt", "sales@example.org"},
                         {"to", "alice@example.org"},
                         {"by", "maps/aliases:7,pgsql users row 12"}}),
                   taken(),
                   make("edge", event::smtp_accepted,
                        {{"from", "x@far.test"}, {"client", "192.0.2.1"}, {"tls", "TLSv1.3"}}, 5ms),
                   make("queue", event::queue_scanned,
                        {{"spam", "no"},
                         {"score", "1.2"},
                         {"required", "5.0"},
                         {"tests", "BAYES_50=0.8,HTML_MESSAGE=0.4"}},
                        100ms),
                   make("store", event::store_delivered,
                        {{"to", "alice@example.org"},
                         {"mailbox", "Work"},
                         {"uid", "17"},
                         {"file", "cur/1"},
                         {"script", "rules"},
                         {"line", "3"}},
                        200ms),
                   make("queue", event::queue_delivered,
                        {{"to", "alice@example.org"},
                         {"relay", "local"},
                         {"reply", "250 2.0.0 Ok: saved in Work"}},
                        210ms),
                   make("queue", event::queue_removed, {{"ms", "300"}}, 300ms)},
       .parent = "K1",
       .children = {"K3"}});
  EXPECT_EQ(format_title(story),
            "M8QC4Q1RZ2TYR, from x@far.test to sales@example.org (alice@example.org): delivered");
  EXPECT_EQ(story.message_id, "m1@far.test");
  std::vector<std::string> texts;
  for (const Line& line : story.lines) texts.push_back(line.text);
  EXPECT_THAT(
      texts,
      ElementsAre("192.0.2.1 brought it with TLSv1.3, not logged in, as x@far.test.",
                  "sales@example.org leads to alice@example.org (maps/aliases:7, pgsql users row "
                  "12).",
                  "The queue took it from a stranger at 192.0.2.1 (321 bytes).",
                  "The spam filter gave 1.2 of 5.0 points: no spam (BAYES_50 0.8, HTML_MESSAGE "
                  "0.4).",
                  "It lies in Work of alice@example.org, UID 17, file cur/1: Sieve, script "
                  "\"rules\" line 3.",
                  "The store took it for alice@example.org: \"250 2.0.0 Ok: saved in Work\".",
                  "All is done, and it left the queue after 0.3s."));
  const Story child = tell_story("K3", {.records = {}, .parent = std::string(kId)});
  const std::string said = format_story(story, {child});
  EXPECT_THAT(said, HasSubstr("It came of the mail K1.\n"));
  EXPECT_THAT(said, HasSubstr("  → K3: unknown\n"));
  EXPECT_THAT(said, HasSubstr("  edge   192.0.2.1 brought it"));
}

TEST(TrailStory, AHostWhoseNameBeginsWithLocalIsNotTheStore) {
  const auto took = [](std::string_view relay) {
    return tell({taken(), make("queue", event::queue_delivered,
                               {{"to", "a@far.test"}, {"relay", std::string(relay)}})});
  };
  EXPECT_THAT(took("local"), HasSubstr("The store took it for a@far.test."));
  EXPECT_THAT(took("localhost[127.0.0.1]:40925"),
              HasSubstr("localhost[127.0.0.1]:40925 took it for a@far.test."));
  EXPECT_THAT(took("local-relay.example[192.0.2.7]:25"),
              HasSubstr("local-relay.example[192.0.2.7]:25 took it for a@far.test."));
  EXPECT_THAT(took("relay:local"), HasSubstr("The relay local took it"));
}

TEST(TrailStory, AttemptsThatFailAlikeAreOneLine) {
  std::vector<Record> records = {taken()};
  for (int i = 0; i < 14; ++i)
    records.push_back(
        put_off("451 4.7.1 Greylisted, come back in " + std::to_string(300 - i) + " s",
                std::chrono::hours(2 * i)));
  const auto story = tell_story(kId, {.records = records});
  ASSERT_THAT(story.lines, SizeIs(2));
  EXPECT_EQ(story.lines[1].count, 14U);
  EXPECT_EQ(story.lines[1].until - story.lines[1].at, 26h);
  EXPECT_THAT(story.lines[1].text, testing::StartsWith("14 attempts until "));
  EXPECT_THAT(story.lines[1].text, HasSubstr("come back in 287 s"));
  EXPECT_EQ(story.ending, Ending::waiting);
}

TEST(TrailStory, AnotherReplyAndAnotherRecipientAreTold) {
  const auto story = tell_story(
      kId,
      {.records = {taken(), put_off("451 4.2.0 busy", 1h), put_off("451 4.2.0 busy", 1h, "b@x"),
                   put_off("452 4.2.2 full", 2h), put_off("451 4.2.0 busy", 2h, "b@x"),
                   put_off("451 4.2.0 busy", 3h), put_off("451 4.2.0 busy", 3h, "b@x")}});
  std::vector<std::size_t> counts;
  for (const Line& line : story.lines) counts.push_back(line.count);
  EXPECT_THAT(counts, ElementsAre(1, 1, 3, 1, 1));
}

TEST(TrailStory, TheNextAttemptStandsWithWhoWasPutOff) {
  const auto story = tell_story(
      kId, {.records = {
                taken(), put_off("451 4.2.0 busy", 1h),
                make("queue", event::queue_waits,
                     {{"tries", "1"}, {"next", "2026-12-01T04:26:46.123Z"}, {"nrcpt", "1"}}, 1h)}});
  ASSERT_THAT(story.lines, SizeIs(2));
  EXPECT_THAT(story.lines[1].text, HasSubstr("the next attempt is at "));
  EXPECT_THAT(story.lines[1].text, HasSubstr(":26:46"));
}

TEST(TrailStory, EdgeIsNotBelievedOverTheQueue) {
  const auto lie = make("edge", event::smtp_accepted, {{"from", "boss@example.org"}});
  const auto story = tell_story(kId, {.records = {taken(), lie}});
  EXPECT_EQ(story.sender, "x@far.test");
  EXPECT_FALSE(story.is_edges_word);
  EXPECT_THAT(tell({taken(), lie}),
              HasSubstr("(The queue says otherwise, from x@far.test: edge is not believed.)"));
  const auto denial = make("edge", event::smtp_refused, {{"from", "x@far.test"}});
  EXPECT_THAT(tell({taken(), denial}), HasSubstr("The queue has it all the same"));
  EXPECT_EQ(tell_story(kId, {.records = {taken(), denial}}).ending, Ending::waiting);
  // Of a mail that it made up nobody else speaks.
  const auto alone = tell_story(kId, {.records = {lie}});
  EXPECT_TRUE(alone.is_edges_word);
  EXPECT_EQ(alone.ending, Ending::unknown);
  EXPECT_THAT(format_story(alone, {}), HasSubstr("The queue does not say that it has it"));
  EXPECT_THAT(format_title(alone), HasSubstr("(as edge says)"));
}

// A name that is a sentence of its own stands in quotes.
TEST(TrailStory, AStrangersNameIsNoSentence) {
  const std::string said = tell({make("edge", event::smtp_rcpt_refused,
                                      {{"rcpt", "a@x. The queue took it"},
                                       {"address", "192.0.2.1"},
                                       {"reason", "no \"such\" user"}})});
  EXPECT_THAT(said, HasSubstr("\"a@x. The queue took it\""));
  EXPECT_THAT(said, HasSubstr("\"no 'such' user\""));
}

TEST(TrailStory, EachEndIsKnown) {
  const auto ending = [](std::vector<Record> records) {
    records.insert(records.begin(), taken());
    return tell_story(kId, {.records = std::move(records)}).ending;
  };
  const auto got = make("queue", event::queue_delivered, {{"to", "a@x"}});
  const auto lost = make("queue", event::queue_failed, {{"to", "b@x"}});
  const auto gone = make("queue", event::queue_removed, {});
  EXPECT_EQ(ending({}), Ending::waiting);
  EXPECT_EQ(ending({got}), Ending::waiting);
  EXPECT_EQ(ending({got, gone}), Ending::delivered);
  EXPECT_EQ(ending({got, lost, gone}), Ending::partly);
  EXPECT_EQ(ending({lost, gone}), Ending::failed);
  EXPECT_EQ(ending({make("queue", event::queue_expired, {{"to", "b@x"}}), gone}), Ending::failed);
  EXPECT_EQ(ending({make("queue", event::queue_held, {})}), Ending::held);
  EXPECT_EQ(
      ending({make("queue", event::queue_held, {}), make("queue", event::queue_released, {})}),
      Ending::waiting);
  EXPECT_EQ(ending({make("queue", event::queue_discarded, {})}), Ending::discarded);
  EXPECT_EQ(ending({make("store", event::store_discarded, {{"to", "a@x"}}), got, gone}),
            Ending::discarded);
  EXPECT_EQ(ending({make("queue", event::queue_deleted, {})}), Ending::deleted);
  EXPECT_EQ(ending({make("queue", event::queue_corrupt, {})}), Ending::damaged);
  EXPECT_EQ(tell_story("", {.records = {make("edge", event::smtp_rcpt_refused, {})}}).ending,
            Ending::refused);
}

// Its last words were lost with a queue that was killed: that it waits is not told for ever.
TEST(TrailStory, WhatIsNotInTheQueueAnyMoreDoesNotWait) {
  Story story = tell_story(kId, {.records = {taken()}});
  EXPECT_TRUE(is_in_queue(story));
  story.ending = Ending::gone;
  EXPECT_FALSE(is_in_queue(story));
  EXPECT_THAT(format_title(story), testing::EndsWith(": no longer in the queue"));
  EXPECT_THAT(format_story(story, {}),
              testing::EndsWith("\n  it is not in the queue any more; what became of it at the end "
                                "was not recorded (the queue was killed)\n"));
  EXPECT_FALSE(is_in_queue(tell_story(kId, {.records = {taken()}, .is_cut = true})));
  EXPECT_FALSE(is_in_queue(
      tell_story(kId, {.records = {taken(), make("queue", event::queue_removed, {})}})));
}

TEST(TrailStory, OfManyRecipientsAFewAreToldAndAllAreCounted) {
  std::vector<Record> records;
  for (int i = 0; i < 1000; ++i)
    records.push_back(make("edge", event::smtp_rcpt_accepted,
                           {{"rcpt", "a" + std::to_string(i) + "@example.org"}}));
  // The list is cut, as the queue cuts it.
  records.push_back(
      make("queue", event::queue_accepted,
           {{"from", "x@far.test"}, {"nrcpt", "1000"}, {"to", "a0@x,a1@x,a2@x,a3@x,a4@x,a5@x"}}));
  const auto story = tell_story(kId, {.records = records});
  EXPECT_THAT(format_title(story), HasSubstr(" to a0@x, a1@x, a2@x, a3@x and 996 more: waiting"));
  ASSERT_THAT(story.lines, SizeIs(12));
  EXPECT_EQ(story.lines[9].text, "a9@example.org may be written to.");
  EXPECT_EQ(story.lines[10].count, 990U);
  EXPECT_THAT(story.lines[10].text,
              testing::StartsWith("990 more recipients were accepted until "));
  EXPECT_THAT(story.lines[10].text, HasSubstr("last of them: a999@example.org may be written to."));
  records.back().details.emplace_back("named", "s0@x,s1@x,s2@x,s3@x,s4@x");
  EXPECT_THAT(format_title(tell_story(kId, {.records = records})),
              HasSubstr(" to s0@x, s1@x, s2@x, s3@x and others (a0@x, a1@x, a2@x, a3@x and 996 "));
  // The eleventh alone is told as it is.
  records.erase(records.begin() + 11, records.end() - 1);
  EXPECT_EQ(tell_story(kId, {.records = records}).lines[10].text,
            "a10@example.org may be written to.");
}

TEST(TrailStory, ASessionWithoutAMailIsAStory) {
  const std::string said =
      format_story(tell_story("", {.records = {make("lookup", event::auth_failed,
                                                    {{"user", "bob@example.org"},
                                                     {"service", "imap"},
                                                     {"address", "192.0.2.9"},
                                                     {"reason", "wrong password"}})}}),
                   {});
  EXPECT_THAT(said, testing::StartsWith("Session S1: refused\n"));
  EXPECT_THAT(said, HasSubstr("The login of bob@example.org for imap from 192.0.2.9 was refused: "
                              "\"wrong password\"."));
}

}  // namespace
}  // namespace posthorn::trail
