// Proves that an explanation asks what SMTP and the queue ask, in their order; that it says what
// cannot be asked; and that it comes over the line protocol whole, or cut to a line with a count.
#include "route/explainer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/fake_directory.h"
#include "tests/support/test_loop.h"

namespace posthorn::route {
namespace {

using Outcome = Explained::Outcome;

struct ExplainerTest : testing::Test {
  ExplainerTest() {
    config.smtp.relay_from = {"192.0.2.0/24"};
    directory.recipients.emplace("list@x.test",
                                 Expansion{{"a@x.test", "far@y.test"}, {"aliases:1", "aliases:1"}});
    directory.plans.emplace("a@x.test", LocalPlan{"a@x.test", "Tag", "mailboxes:4"});
    directory.plans.emplace("far@y.test", RelayPlan{.host = "h",
                                                    .user = "poster",
                                                    .password = "s3cret",
                                                    .fallbacks = {{.host = "spare"}},
                                                    .by = "transport:2"});
    directory.senders = {{"me@x.test", "a@x.test"}};
  }
  Explained of(net::Task<Explained> asked) { return loop.run(std::move(asked)).value(); }

  config::Config config;
  test::TestLoop loop;
  test::FakeDirectory directory;
  Explainer explainer{config,
                      {.directory = directory,
                       .find_ban = [](const std::string& address) -> std::optional<std::string> {
                         if (address != "198.51.100.9") return std::nullopt;
                         return "12 failed logins, 60 s left";
                       },
                       .doubts = {{"a file has a fault"}, {"a table has one", "maps/aliases:3"}}}};
};

TEST_F(ExplainerTest, AsksWhatIsAskedOfAStrangersMail) {
  const Explained told = of(explainer.explain_recipient(
      {.address = "list@x.test", .sender = "s@z.test", .client = "198.51.100.9"}));
  EXPECT_EQ(directory.asked,
            (std::vector<std::string>{"recipient list@x.test",
                                      "plan a@x.test from s@z.test named list@x.test",
                                      "plan far@y.test from s@z.test named list@x.test"}));
  EXPECT_EQ(told.outcome, Outcome::taken);
  EXPECT_EQ(told.reply.code, 250);
  std::vector<Decision> decisions;
  for (const Step& step : told.steps.steps()) decisions.push_back(step.decision);
  EXPECT_EQ(decisions, (std::vector<Decision>{Decision::unasked, Decision::networks,
                                              Decision::banned, Decision::any_sender}));
  ASSERT_EQ(told.leads.size(), 2U);
  EXPECT_EQ(told.leads[0].way, "the mailbox of a@x.test, tag Tag");
  EXPECT_EQ(told.leads[0].by, "aliases:1, mailboxes:4");
  EXPECT_EQ(told.leads[1].way, "h:25 as poster, tls verify; then spare:25, tls verify");
  EXPECT_EQ(told.leads[1].by, "aliases:1, transport:2");
}

TEST_F(ExplainerTest, WhoMayRelayAndWhoMayNot) {
  (void)of(explainer.explain_recipient({.address = "x@y.test", .client = "192.0.2.7"}));
  EXPECT_EQ(directory.asked.back(), "recipient x@y.test relay");
  (void)of(explainer.explain_recipient({.address = "x@y.test", .client = "198.51.100.1"}));
  EXPECT_EQ(directory.asked.back(), "recipient x@y.test");
  (void)of(explainer.explain_submission(
      {.account = "a@x.test", .sender = "me@x.test", .recipient = "x@y.test"}));
  EXPECT_EQ(directory.asked.back(), "recipient x@y.test relay");
}

TEST_F(ExplainerTest, ASenderThatIsRefusedEndsIt) {
  const Explained told = of(explainer.explain_submission(
      {.account = "a@x.test", .sender = "you@x.test", .recipient = "list@x.test"}));
  EXPECT_EQ(directory.asked, std::vector<std::string>{"sender a@x.test you@x.test"});
  EXPECT_EQ(told.outcome, Outcome::refused);
  EXPECT_EQ(told.reply.code, 553);
  // The null sender is anybody's (RFC 8098 section 3).
  EXPECT_EQ(of(explainer.explain_submission({.account = "a@x.test", .sender = ""})).reply.code,
            250);
  config.submission.check_sender = false;
  EXPECT_EQ(of(explainer.explain_submission({.account = "a@x.test", .sender = "you@x.test"}))
                .reply.enhanced,
            "2.1.0");
}

TEST_F(ExplainerTest, WordsAreReadAsTheServerReadsThem) {
  for (const auto& [word, asked] : std::initializer_list<std::pair<const char*, const char*>>{
           {"\"list\"@x.test", "list@x.test"},
           {"list@x.test.", "list@x.test"},
           {"@hop.test:list@x.test", "list@x.test"},
           {"<list@x.test>", "list@x.test"},
           {"x@m\xc3\xbcller.test", "x@xn--mller-kva.test"},
           {"\"a b\"@x.test", "\"a b\"@x.test"}}) {
    directory.asked.clear();
    (void)of(explainer.explain_recipient({.address = word}));
    ASSERT_FALSE(directory.asked.empty()) << word;
    EXPECT_EQ(directory.asked.front(), fmt::format("recipient {}", asked));
  }
  directory.asked.clear();
  const auto show = [](const Explained& told) {
    return fmt::format("{} {} {}", told.reply.code, told.reply.enhanced, told.reply.text);
  };
  EXPECT_EQ(
      show(of(explainer.explain_recipient({.address = "list@x.test", .sender = "bad from@@x"}))),
      "553 5.1.7 The sender's address has a fault");
  EXPECT_EQ(show(of(explainer.explain_recipient({.address = "list@@x.test"}))),
            "553 5.1.3 The recipient's address has a fault");
  EXPECT_EQ(show(of(explainer.explain_submission({.account = "a@x.test", .sender = "@"}))),
            "553 5.1.7 The sender's address has a fault");
  EXPECT_EQ(show(of(explainer.explain_relay({.address = "", .sender = "a@x.test"}))),
            "553 5.1.3 The recipient's address has a fault");
  EXPECT_TRUE(directory.asked.empty());
}

TEST_F(ExplainerTest, TheWayOfAnAliasIsThatOfWhomItLeadsTo) {
  const Explained told = of(explainer.explain_relay({.address = "list@x.test"}));
  EXPECT_EQ(told.outcome, Outcome::taken);
  ASSERT_EQ(told.leads.size(), 2U);
  EXPECT_EQ(told.leads[1].address, "far@y.test");
  EXPECT_EQ(of(explainer.explain_relay({.address = "nobody@x.test"})).outcome, Outcome::refused);
}

TEST_F(ExplainerTest, WhoCannotLogInSendsNothing) {
  Explainer asking(
      config,
      {.directory = directory,
       .find_login =
           [](std::string name) -> net::Task<std::expected<std::string, Explainer::NoLogin>> {
         using Out = std::expected<std::string, Explainer::NoLogin>;
         if (name == "away") co_return fail(ErrorKind::temporary, "the file cannot be read");
         if (name == "ghost")
           co_return Out(std::unexpect, Explainer::NoLogin{"there is no such login", "users"});
         co_return Out("a@x.test");
       }});
  const Explained ghost =
      of(asking.explain_submission({.account = "ghost", .sender = "me@x.test"}));
  EXPECT_EQ(ghost.outcome, Outcome::refused);
  EXPECT_EQ(ghost.reply.code, 535);
  ASSERT_EQ(ghost.steps.steps().size(), 1U);
  EXPECT_EQ(ghost.steps.steps()[0].basis, "users");
  EXPECT_NE(ghost.steps.steps()[0].text.find("ghost cannot log in: there is no such login"),
            std::string::npos);
  const Explained away = of(asking.explain_submission({.account = "away", .sender = "me@x.test"}));
  EXPECT_EQ(away.outcome, Outcome::unasked);
  EXPECT_EQ(away.why, "the file cannot be read");
  EXPECT_TRUE(directory.asked.empty());
  // A bare name is asked for as whose login it is.
  EXPECT_EQ(of(asking.explain_submission({.account = "a", .sender = "me@x.test"})).outcome,
            Outcome::taken);
  EXPECT_EQ(directory.asked, std::vector<std::string>{"sender a@x.test me@x.test"});
}

TEST_F(ExplainerTest, WhatATablePutsOffWaitsByItsWord) {
  directory.plans.emplace("x@later.test",
                          std::unexpected(Refusal{Reason::by_table, 450, "4.7.1", "Not now"}));
  const Explained told = of(explainer.explain_relay({.address = "x@later.test"}));
  EXPECT_EQ(told.outcome, Outcome::unasked);
  EXPECT_EQ(told.reply.code, 450);
  EXPECT_EQ(told.reply.enhanced, "4.7.1");
  EXPECT_EQ(told.why, "the transport table says so");
  ASSERT_EQ(told.leads.size(), 1U);
  EXPECT_EQ(told.leads[0].way, "waits: 450 4.7.1 Not now");
}

TEST_F(ExplainerTest, WhatCannotBeAskedIsPutOff) {
  directory.broken = true;
  for (const Explained& told :
       {of(explainer.explain_recipient({.address = "a@x.test"})),
        of(explainer.explain_submission({.account = "a@x.test", .sender = "me@x.test"})),
        of(explainer.explain_relay({.address = "a@x.test"}))}) {
    EXPECT_EQ(told.outcome, Outcome::unasked);
    EXPECT_EQ(fmt::format("{} {} {}", told.reply.code, told.reply.enhanced, told.reply.text),
              "451 4.3.0 Temporary lookup failure");
    EXPECT_EQ(told.why, "the directory cannot be asked");
  }
}

TEST_F(ExplainerTest, ComesOverTheLineUnharmed) {
  Explained told{.outcome = Outcome::refused, .reply = {554, "5.7.1", "a\r\ntext\t"}, .why = "w"};
  told.steps.add({Decision::lookup, "k is in aliases: v", "aliases:1", "aliases", "k", "v"});
  told.steps.add({Decision::lookup, "k is not in senders", "senders", "senders", "k"});
  told.steps.add({Decision::catch_all, "it catches", ""});
  told.leads = {{"a@x", "aliases:1", "the mailbox of a@x"}, {"b@x", "", ""}};
  const auto read = read_explained(to_message(told));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->outcome, told.outcome);
  EXPECT_EQ(read->reply.text, told.reply.text);
  EXPECT_EQ(read->why, "w");
  ASSERT_EQ(read->steps.steps().size(), 3U);
  EXPECT_EQ(read->steps.steps()[0].found, "v");
  EXPECT_EQ(read->steps.steps()[0].basis, "aliases:1");
  EXPECT_EQ(read->steps.steps()[1].found, std::nullopt);
  EXPECT_EQ(read->steps.steps()[1].table, "senders");
  EXPECT_EQ(read->steps.steps()[2].decision, Decision::catch_all);
  ASSERT_EQ(read->leads.size(), 2U);
  EXPECT_EQ(read->leads[0].way, "the mailbox of a@x");
  EXPECT_EQ(read->leads[1].by, "");
}

TEST_F(ExplainerTest, ALineHoldsItWhateverItIs) {
  Explained told{.outcome = Outcome::taken};
  const std::string odd(1000, '\t');  // two octets each on the line
  for (int i = 0; i < 500; ++i) {
    told.steps.add({Decision::lookup, odd, odd, "aliases", odd, odd});
    told.leads.push_back({odd, odd, odd});
  }
  const net::Message message = to_message(told);
  EXPECT_LE(net::format_message("1000000", message).size(), net::kLineMax);
  const auto read = read_explained(message);
  ASSERT_TRUE(read);
  EXPECT_GT(read->steps.steps().size(), 0U);
  EXPECT_GT(read->leads.size(), 0U);
  EXPECT_EQ(read->steps.steps().size() + read->steps.left_out(), 500U);
  EXPECT_EQ(read->leads.size() + read->leads_left_out, 500U);
}

TEST_F(ExplainerTest, NonsenseIsNoExplanation) {
  for (const char* verb : {"temporary", "refused", "", "ok"})
    EXPECT_FALSE(read_explained(net::Message(verb)));
  const auto other = loop.wait(answer_explain(explainer, net::Message("bans")));
  EXPECT_FALSE(other);
  const auto unknown =
      loop.wait(answer_explain(explainer, net::Message("explain").add("of", "weather")));
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(read_explained(*unknown));
  const auto known = loop.wait(answer_explain(
      explainer, net::Message("explain").add("of", "relay").add("address", "far@y.test")));
  ASSERT_TRUE(known);
  EXPECT_TRUE(read_explained(*known));
  EXPECT_EQ(net::format_message("1", *known).find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::route
