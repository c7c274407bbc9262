// Proves that the log says of every delivery what became of the mail, where it lies, and which line
// of which script said so; and that what it brought about is named by the queue's id.
#include "lda/outcome.h"

#include <regex>

#include "lda/telling.h"
#include "tests/support/captured_log.h"
#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Replies = std::vector<std::string>;

struct OutcomeTest : DeliveryTest {
  OutcomeTest() {
    for (const char* address : {"bob@elsewhere.test", "friend@elsewhere.test"})
      directory.recipients[address] = route::Expansion{.recipients = {address}};
  }
  void rewrite(std::string_view text) {
    script("default.sieve", text);
    test::Watched watched(loop, 1h, *scripts);
    EXPECT_TRUE(watched.reload().empty());
  }
  // The lines of an event since the last look, from "to=" on.
  std::vector<std::string> told(std::string_view event) {
    std::vector<std::string> out;
    const std::string word = fmt::format("event={} ", event);
    for (const std::string& line : log.lines())
      if (line.find(word) != std::string::npos) {
        std::string text = line.substr(line.find(" s=") + 1);
        while (text.ends_with('\n')) text.pop_back();
        out.push_back(std::move(text));
      }
    return out;
  }
  // Of the only one of its event.
  std::string value(std::string_view event, const std::string& key) {
    const auto lines = told(event);
    if (lines.size() != 1) return fmt::format("{} lines", lines.size());
    std::smatch found;
    if (!std::regex_search(lines[0], found, std::regex("(^| )" + key + "=(\"[^\"]*\"|\\S*)")))
      return "none";
    std::string text = found[2];
    return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
  }
  std::string place_of(std::string_view event) {
    return value(event, "script") + ":" + value(event, "line");
  }
  void expect_file(const std::string& mailbox) {
    bool is_there = false;
    for (const char* part : {"new", "cur"})
      for (const std::string& name : test::names_in(place("alice", mailbox) / part))
        is_there |= name.starts_with(value("store.delivered", "file"));
    EXPECT_TRUE(is_there) << value("store.delivered", "file");
  }

  test::CapturedLog log;
};

TEST_F(OutcomeTest, ACopyIsToldWithItsFileUidAndLine) {
  std::filesystem::create_directories(config.paths.sieve / "before");
  config.sieve.before = {"before/lists.sieve"};
  script("before/lists.sieve",
         "require [\"fileinto\", \"imap4flags\"];\n"
         "if header :contains \"subject\" \"hello\" {\n"
         "  fileinto :flags [\"\\\\Flagged\", \"$Work\"] \"Lists\";\n}\n");
  start();
  EXPECT_EQ(deliver({"alice+x@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(value("store.delivered", "to"), "alice+x@example.org");
  EXPECT_EQ(value("store.delivered", "account"), "alice@example.org");
  EXPECT_EQ(value("store.delivered", "mailbox"), "Lists");
  EXPECT_EQ(value("store.delivered", "uid"), "1");
  EXPECT_NE(value("store.delivered", "uidvalidity"), "0");
  EXPECT_EQ(value("store.delivered", "flags"), "\\\\Flagged $Work");
  EXPECT_EQ(place_of("store.delivered"), "before/lists.sieve:3");
  EXPECT_EQ(value("store.delivered", "reason"), "");
  expect_file("Lists");
}

TEST_F(OutcomeTest, WhatNoRuleMatchedIsKeptByTheLastScript) {
  start();
  deliver({"alice@example.org"});
  EXPECT_EQ(place_of("store.delivered"), "default.sieve:1");  // an explicit keep
  expect_file("INBOX");
  log.clear();
  make_mailbox("alice@example.org", "Work");
  rewrite("if false { discard; }\n");
  deliver({"alice+work@example.org"});
  EXPECT_EQ(place_of("store.delivered"), "default.sieve:0");
  EXPECT_EQ(value("store.delivered", "mailbox"), "Work");
  EXPECT_EQ(value("store.delivered", "reason"),
            "no rule matched; the address's tag names the folder");
  log.clear();
  std::filesystem::remove(config.paths.sieve / "default.sieve");
  scripts = std::make_unique<SiteScripts>(loop.scope(), loop.pool(), config);
  factory.emplace(StoreSinkParts{config, *accounts, *scripts, *own, *redirector, *answering});
  deliver({"alice@example.org"});
  EXPECT_EQ(place_of("store.delivered"), "-:0");
  EXPECT_EQ(value("store.delivered", "reason"), "there is no script");
}

TEST_F(OutcomeTest, EachRecipientHasItsOwnEnd) {
  script("users/bob@example.org.sieve", "require \"ereject\";\n\nereject \"no\";\n");
  script("users/carol@example.org.sieve", "\ndiscard;\n");
  script("users/dora@example.org.sieve", "\n\nredirect \"bob@elsewhere.test\";\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org", "bob@example.org", "carol@example.org",
                     "dora@example.org", std::string(300, 'x') + "@example.org"}),
            (Replies{"250 2.0.0", "550 5.7.1", "250 2.0.0", "250 2.0.0", "550 5.1.1"}));
  EXPECT_EQ(value("store.delivered", "to"), "alice@example.org");
  EXPECT_EQ(value("sieve.rejected", "to"), "bob@example.org");
  EXPECT_EQ(value("sieve.rejected", "how"), "ereject");
  EXPECT_EQ(place_of("sieve.rejected"), "users/bob@example.org.sieve:3");
  EXPECT_EQ(value("store.discarded", "to"), "carol@example.org");
  EXPECT_EQ(place_of("store.discarded"), "users/carol@example.org.sieve:2");
  EXPECT_EQ(value("sieve.redirected", "to"), "dora@example.org");
  EXPECT_EQ(value("sieve.redirected", "rcpt"), "bob@elsewhere.test");
  EXPECT_EQ(value("sieve.redirected", "child"), "Q1");
  EXPECT_EQ(place_of("sieve.redirected"), "users/dora@example.org.sieve:3");
  EXPECT_EQ(told("store.refused").size(), 1U);
}

TEST_F(OutcomeTest, TheIdsOfTheMailStandInEveryLine) {
  script("default.sieve", "redirect \"bob@elsewhere.test\"; keep;\n");
  start();
  auto envelope = envelope_to({"alice@example.org"});
  envelope.origin.session = "SESSION1";
  envelope.origin.queue_id = "QUEUE1";
  const auto sink = factory->make();
  ASSERT_TRUE(loop.run(sink->begin(envelope)));
  ASSERT_TRUE(loop.run(sink->write(kMail)));
  ASSERT_TRUE(loop.run(sink->commit()));
  for (const char* event : {"sieve.redirected", "store.delivered"}) {
    EXPECT_EQ(value(event, "s"), "SESSION1") << event;
    EXPECT_EQ(value(event, "q"), "QUEUE1") << event;
  }
}

TEST_F(OutcomeTest, AUsersScriptGoesByItsOwnName) {
  start();
  std::filesystem::create_directories(place("alice") / "sieve");
  test::write_text(place("alice") / "sieve/rules.sieve",
                   "require [\"vacation\", \"include\"];\ninclude \"friends\";\n"
                   "vacation :days 3 \"away\";\n");
  test::write_text(place("alice") / "sieve/friends.sieve",
                   "require [\"fileinto\", \"copy\"];\n\nfileinto :copy \"Friends\";\n");
  std::filesystem::create_symlink("sieve/rules.sieve", place("alice") / ".dovecot.sieve");
  const std::string mail = "To: alice@example.org\r\n" + std::string(kMail);
  deliver({"alice@example.org"}, mail);
  EXPECT_EQ(value("sieve.answered", "child"), "Q1");
  EXPECT_EQ(value("sieve.answered", "rcpt"), "friend@elsewhere.test");
  EXPECT_EQ(place_of("sieve.answered"), "alice@example.org/rules:3");
  ASSERT_EQ(told("store.delivered").size(), 2U);
  EXPECT_EQ(log.count("script=\"alice@example.org/friends\" line=3") +
                log.count("script=alice@example.org/friends line=3"),
            1);
  log.clear();
  deliver({"alice@example.org"}, mail);
  EXPECT_EQ(value("sieve.unanswered", "reason"), "it was answered before");
  EXPECT_EQ(place_of("sieve.unanswered"), "alice@example.org/rules:3");
}

TEST_F(OutcomeTest, WhatCannotBeDoneIsKeptAndSaysWhy) {
  script("default.sieve", "\nredirect \"nobody@elsewhere.test\";\n");
  start();
  deliver({"alice@example.org"});
  EXPECT_EQ(place_of("sieve.failed"), "default.sieve:2");
  EXPECT_EQ(place_of("store.delivered"), "default.sieve:2");
  EXPECT_EQ(value("store.delivered", "reason"), "it could not be sent on: User unknown");
  log.clear();
  rewrite("require \"fileinto\";\nfileinto \"a..b\";\n");
  deliver({"alice@example.org"});
  EXPECT_EQ(value("sieve.failed", "reason"), "no folder can have this name: kept in INBOX");
  EXPECT_EQ(value("sieve.failed", "mailbox"), "a..b");
  EXPECT_EQ(value("store.delivered", "mailbox"), "INBOX");
}

TEST_F(OutcomeTest, AFaultIsToldWithItsPlaceAndItsMail) {
  start();
  std::string many = "require \"fileinto\";\n";
  for (int i = 0; i < 40; ++i) many += fmt::format("fileinto \"m{}\";\n", i);
  std::filesystem::create_directories(place("alice") / "sieve");
  test::write_text(place("alice") / "sieve/rules.sieve",
                   "require \"include\";\ninclude \"many\";\n");
  test::write_text(place("alice") / "sieve/many.sieve", many);
  std::filesystem::create_symlink("sieve/rules.sieve", place("alice") / ".dovecot.sieve");
  deliver({"alice@example.org"});
  EXPECT_EQ(place_of("sieve.failed"), "alice@example.org/many:34");
  EXPECT_EQ(place_of("store.delivered"), "alice@example.org/many:34");
  EXPECT_EQ(value("store.delivered", "reason"), "the script failed");
  EXPECT_EQ(value("sieve.told", "mailbox"), "INBOX");
  EXPECT_EQ(count("alice"), 2U);
}

TEST_F(OutcomeTest, ADuplicateAndAFullMailboxAreTold) {
  script("default.sieve", "require \"duplicate\";\n\nif duplicate { discard; }\n");
  config.store.quota = 1'000;
  start();
  const std::string mail = "Message-ID: <1@example.org>\r\n" + std::string(kMail);
  deliver({"alice@example.org"}, mail);
  EXPECT_TRUE(told("sieve.duplicate").empty());
  deliver({"alice@example.org"}, mail);
  EXPECT_EQ(place_of("sieve.duplicate"), "default.sieve:3");
  EXPECT_EQ(place_of("store.discarded"), "default.sieve:3");
  EXPECT_EQ(deliver({"alice@example.org"}, std::string(kMail) + std::string(2'000, 'x') + "\r\n"),
            Replies{"552 5.2.2"});
  EXPECT_EQ(value("store.refused", "reason"), "the mailbox is full");
}

TEST(ResultTest, TheReplyFollowsFromTheEnding) {
  using Reason = smtp::RecipientResult::Reason;
  const std::pair<Ending, std::pair<Reason, int>> kRows[] = {
      {Stored{{Filed{.placed = {.mailbox = "Work"}}}}, {Reason::stored, 250}},
      {SentAway{}, {Reason::redirected, 250}},
      {Discarded{}, {Reason::discarded, 250}},
      {Refused{.text = "no"}, {Reason::rejected, 550}},
      {Full{"a@example.org"}, {Reason::over_quota, 552}},
      {Full{.recipient = "a@example.org", .is_put_off = true}, {Reason::over_quota, 452}},
      {Impossible{}, {Reason::rejected, 550}},
      {Postponed{}, {Reason::failed, 451}}};
  for (const auto& [ending, expected] : kRows) {
    const auto result = result_of(ending);
    EXPECT_EQ(result.reason, expected.first);
    EXPECT_EQ(result.reply.code, expected.second);
  }
  EXPECT_EQ(result_of(kRows[0].first).reply.text, "Ok: saved in Work");
}

}  // namespace
}  // namespace posthorn::lda
