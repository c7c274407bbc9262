// Proves what the trail's records come to for each recipient, and how it is told: the mailbox, the
// line of the script that decided, and what is there now.
#include "tools/mail_ends.h"

#include <gtest/gtest.h>

namespace posthorn::tools {
namespace {

using trail::Record;

WallTime at(int seconds) {
  return WallTime(std::chrono::seconds(1'800'000'000 + seconds));
}

Record record(int second, std::string event,
              std::vector<std::pair<std::string, std::string>> details) {
  return {.at = at(second),
          .event = std::move(event),
          .session = "S1",
          .queue_id = "Q1",
          .details = std::move(details),
          .source = "store"};
}

Record filed(int second = 1) {
  return record(second, "store.delivered",
                {{"to", "bob@example.org"},
                 {"account", "bob@example.org"},
                 {"mailbox", "Lists"},
                 {"uid", "7"},
                 {"uidvalidity", "42"},
                 {"file", "17.M1.mx"},
                 {"size", "100"},
                 {"flags", "\\Flagged"},
                 {"script", "default.sieve"},
                 {"line", "2"},
                 {"reason", ""}});
}

// "to: event event" a line.
std::string ends(const std::vector<Record>& records) {
  std::string out;
  for (const MailEnd& end : ends_of(records)) {
    out += end.recipient + ":";
    for (const Record& one : end.records) out += " " + one.event;
    out += "\n";
  }
  return out;
}

TEST(MailEndsTest, EachRecipientHasItsOwn) {
  EXPECT_EQ(ends({record(0, "queue.accepted", {{"from", "a@x.test"}}), filed(),
                  record(1, "sieve.redirected",
                         {{"to", "Bob@example.org"}, {"rcpt", "c@x.test"}, {"child", "Q2"}}),
                  record(2, "queue.delivered", {{"to", "bob@example.org"}, {"reply", "250 ok"}}),
                  record(3, "queue.delivered", {{"to", "far@x.test"}, {"relay", "mx.x.test"}}),
                  record(4, "queue.removed", {{"ms", "5"}})}),
            "bob@example.org: store.delivered sieve.redirected\nfar@x.test: queue.delivered\n");
  EXPECT_EQ(ends({}), "");
}

TEST(MailEndsTest, AFailureCountsUntilSomethingCameOfIt) {
  const Record failed = record(1, "store.failed", {{"to", "bob@example.org"}, {"reason", "full"}});
  const Record deferred =
      record(2, "queue.deferred", {{"to", "bob@example.org"}, {"reply", "451 later"}});
  EXPECT_EQ(ends({failed, deferred}), "bob@example.org: queue.deferred\n");
  EXPECT_EQ(ends({failed, deferred, filed(3)}), "bob@example.org: store.delivered\n");
  EXPECT_EQ(ends({filed(0), failed}), "bob@example.org: store.delivered\n");
  EXPECT_EQ(ends({record(0, "queue.delivered", {{"to", "bob@example.org"}}), filed(0), filed(1)}),
            "bob@example.org: store.delivered store.delivered\n");
  EXPECT_EQ(ends({record(1, "sieve.rejected", {{"to", "bob@example.org"}}),
                  record(2, "queue.failed", {{"to", "bob@example.org"}})}),
            "bob@example.org: sieve.rejected\n");
  EXPECT_EQ(ends({record(1, "queue.discarded", {{"score", "20"}})}), ": queue.discarded\n");
}

TEST(MailEndsTest, OneOfThemIsAskedForByRecipientOrAccount) {
  const MailEnd end{"bob+x@example.org", {filed()}};
  EXPECT_TRUE(is_end_of(end, ""));
  EXPECT_TRUE(is_end_of(end, "BOB+x@example.org"));
  EXPECT_TRUE(is_end_of(end, "bob@example.org"));
  EXPECT_FALSE(is_end_of(end, "alice@example.org"));
}

TEST(MailEndsTest, TheLineStandsBetweenItsNeighbours) {
  const auto shown = [](std::string_view script, std::size_t line) {
    std::string out;
    for (const auto& one : excerpt_of(script, line).lines)
      out += std::to_string(one.number) + one.text + "|";
    return out;
  };
  EXPECT_EQ(shown("a\nb\r\nc\nd\n", 2), "1a|2b|3c|");
  EXPECT_EQ(shown("a\nb\n", 1), "1a|2b|");
  EXPECT_EQ(shown("a\nb", 2), "1a|2b|");
  EXPECT_EQ(shown("a\nb\n", 3), "");
  EXPECT_EQ(shown("", 1), "");
  EXPECT_EQ(shown("\x1b[2Jx\xC2\x9Bü\xFF\n", 1), "1[2Jxü|");
  EXPECT_EQ(shown(std::string(500, 'x'), 1).size(), 202U);
}

struct TellTest : testing::Test {
  std::string told(const std::vector<Record>& records) { return tell_ends(shown(records)); }
  std::vector<MailEndShown> shown(const std::vector<Record>& records) {
    return look_up(ends_of(records),
                   {.find_copy = [this](const Record&) { return copies; },
                    .find_script = [this](const auto&, const auto&) { return script; }});
  }
  Result<std::vector<LiesAt>> copies = std::vector<LiesAt>{{"Lists", 7, "\\Seen", "/m/x"}};
  Result<std::optional<ScriptText>> script =
      std::optional(ScriptText{"one\nfileinto \"Lists\";\nthree\n", at(0)});
};

TEST_F(TellTest, ACopyWithItsLineAndPlace) {
  EXPECT_EQ(told({filed()}),
            "bob@example.org:\n"
            "  2027-01-15T08:00:01.000Z  filed in Lists as UID 7, flags \\Flagged\n"
            "    line 2 of default.sieve asked for it\n"
            "         1  one\n"
            "    >    2  fileinto \"Lists\";\n"
            "         3  three\n"
            "    it lies in Lists, UID 7, flags \\Seen\n"
            "    file /m/x\n");
}

TEST_F(TellTest, WhatIsNotThereAnyMore) {
  copies = std::vector<LiesAt>{{"Trash", 9, "", ""}};
  EXPECT_NE(
      told({filed()}).find("it is not there any more; one of its size and date lies in Trash, "
                           "UID 9\n"),
      std::string::npos);
  copies = std::vector<LiesAt>{};
  EXPECT_NE(told({filed()}).find("it lies in no mailbox any more"), std::string::npos);
  copies = fail(ErrorKind::temporary, "no right");
  EXPECT_NE(told({filed()}).find("where it lies now cannot be asked: no right"), std::string::npos);
  script = std::optional(ScriptText{"one\n", at(60)});
  const std::string changed = told({filed()});
  EXPECT_NE(changed.find("default.sieve has no such line now\n"), std::string::npos) << changed;
  EXPECT_NE(changed.find("the script was changed since, 2027-01-15T08:01:00.000Z"),
            std::string::npos)
      << changed;
  script = std::optional<ScriptText>();
  EXPECT_NE(told({filed()}).find("default.sieve is not there any more"), std::string::npos);
}

TEST_F(TellTest, AsJson) {
  const auto json = json_of(shown({filed()}));
  ASSERT_EQ(json.size(), 1U);
  const auto& end = json[0]["ends"][0];
  EXPECT_EQ(json[0]["recipient"], "bob@example.org");
  EXPECT_EQ(end["details"]["file"], "17.M1.mx");
  EXPECT_EQ(end["script"]["lines"][1]["text"], "fileinto \"Lists\";");
  EXPECT_EQ(end["now"][0]["path"], "/m/x");
  EXPECT_EQ(end["now"][0]["is_moved"], false);
}

TEST_F(TellTest, WhyItIsNowhere) {
  script = std::optional<ScriptText>();
  const auto told_of = [&](std::string event,
                           std::vector<std::pair<std::string, std::string>> more) {
    more.insert(more.begin(), {"to", "bob@example.org"});
    const std::string all = told({record(1, std::move(event), std::move(more))});
    return all.substr(all.find("Z  ") + 3);
  };
  EXPECT_EQ(told_of("store.discarded",
                    {{"script", "users/bob@example.org.sieve"}, {"line", "0"}, {"reason", ""}}),
            "thrown away\n    users/bob@example.org.sieve asked for it\n");
  EXPECT_EQ(told_of("store.refused", {{"reason", "the mailbox is full"}}),
            "refused: the mailbox is full\n");
  EXPECT_EQ(told_of("sieve.redirected", {{"rcpt", "c@x.test"}, {"child", "Q2"}}),
            "sent on to c@x.test as Q2\n    posthorn trace Q2 tells what became of it there\n");
  EXPECT_EQ(told_of("sieve.rejected", {{"how", "ereject"}, {"text", "no"}, {"script", "-"}}),
            "refused by ereject, and its sender told: no\n    no script asked for it\n");
  const std::string kept =
      told_of("store.delivered", {{"mailbox", "INBOX"},
                                  {"uid", "0"},
                                  {"script", "default.sieve"},
                                  {"line", "0"},
                                  {"reason", "no rule matched; the address's tag names it"}});
  EXPECT_TRUE(
      kept.starts_with("filed in INBOX\n    no rule of default.sieve matched; the "
                       "address's tag names it\n"))
      << kept;
  EXPECT_EQ(told_of("queue.delivered", {{"relay", "localhost[127.0.0.1]:25"}, {"reply", "250 Ok"}}),
            "handed over to localhost[127.0.0.1]:25: 250 Ok\n");
  EXPECT_EQ(told_of("queue.delivered", {{"relay", "local"}, {"reply", "250 Ok"}}),
            "taken by the store, which has not said more yet: 250 Ok\n");
  EXPECT_EQ(told_of("queue.failed", {{"reply", "550 \u202Eno\u2066 \x1B[2J\u009B"}}),
            "not delivered, for good: 550 ?no? ?[2J?\n");
  EXPECT_EQ(told_of("queue.deferred", {{"reply", "451 later"}}),
            "not delivered yet, it is tried again: 451 later\n");
}

}  // namespace
}  // namespace posthorn::tools
