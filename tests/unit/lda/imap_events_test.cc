// Proves which scripts run at what IMAP clients do, what they see of it, and what becomes of the
// message where it lies (RFC 6785).
#include "lda/imap_events.h"

#include "tests/support/captured_log.h"
#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Texts = std::vector<std::string>;

TEST(ImapRuleTest, WhatIsSaidOfThem) {
  const auto rule = parse_imap_rule("COPY,append Old Mail -> Junk*: a.sieve");
  ASSERT_TRUE(rule) << rule.error();
  EXPECT_EQ(rule->file, "a.sieve");
  using imap::Cause;
  EXPECT_TRUE(rule->applies_to(Cause::copy, "Old Mail", "Junk.2026"));
  EXPECT_FALSE(rule->applies_to(Cause::copy, "INBOX", "Junk"));
  EXPECT_FALSE(rule->applies_to(Cause::copy, "Old Mail", "INBOX"));
  EXPECT_TRUE(rule->applies_to(Cause::append, "", "Junk"));
  EXPECT_FALSE(rule->applies_to(Cause::flag, "", "Junk"));
  const auto any = parse_imap_rule("FLAG -> *: b.sieve");
  ASSERT_TRUE(any) << any.error();
  EXPECT_TRUE(any->applies_to(Cause::flag, "", "Work.2026"));
  for (const char* text : {"", "COPY", "COPY -> Junk", "COPY -> : a.sieve", "MOVE -> Junk: a.sieve",
                           " -> Junk: a.sieve", "COPY -> Junk: a.txt", "COPY: a.sieve -> Junk"})
    EXPECT_FALSE(parse_imap_rule(text)) << text;
}

struct ImapEventsTest : DeliveryTest {
  void begin(std::string_view text, std::string rule = "COPY -> INBOX: event.sieve") {
    config.sieve.imap = {std::move(rule)};
    script("event.sieve", text);
    start();
    events.emplace(ImapEvents::Parts{config, *scripts, *redirector});
    EXPECT_EQ(deliver({"alice@example.org"}), Texts{"250 2.0.0"});
  }
  void see(imap::Cause cause = imap::Cause::copy, std::vector<store::FlagChange> changes = {}) {
    const imap::Happening happening{.cause = cause,
                                    .account = *loop.run(accounts->open("alice@example.org")),
                                    .mailbox = "INBOX",
                                    .from = "Old",
                                    .uids = {1},
                                    .changes = std::move(changes)};
    loop.wait(events->see(happening));
  }
  std::optional<ImapEvents> events;
};

TEST_F(ImapEventsTest, AKeepLeavesItWithTheFlagsThatTheScriptGives) {
  begin("require \"imap4flags\"; addflag [\"\\\\Seen\", \"$Moved\"];\n");
  see(imap::Cause::append);  // no rule for it
  EXPECT_TRUE(messages("alice")[0].starts_with("|"));
  see();
  ASSERT_EQ(count("alice"), 1U);
  EXPECT_TRUE(messages("alice")[0].starts_with("Sa|")) << messages("alice")[0];
}

TEST_F(ImapEventsTest, WithoutAKeepItIsMarkedDeleted) {
  begin("require [\"fileinto\"];\nfileinto \"Other\";\n");
  see();
  EXPECT_TRUE(messages("alice")[0].starts_with("T|")) << messages("alice")[0];
  ASSERT_EQ(count("alice", "Other"), 1U);
  EXPECT_TRUE(messages("alice", "Other")[0].ends_with("Subject: hello\n\nbody\n"));
}

TEST_F(ImapEventsTest, ACopyLeavesIt) {
  begin("require [\"fileinto\", \"copy\"];\nfileinto :copy \"Other\";\n");
  see();
  EXPECT_TRUE(messages("alice")[0].starts_with("|"));
  EXPECT_EQ(count("alice", "Other"), 1U);
}

TEST_F(ImapEventsTest, RedirectSendsItAsTheUsers) {
  directory.recipients["bob@elsewhere.test"] =
      route::Expansion{.recipients = {"bob@elsewhere.test"}};
  begin("require \"copy\"; redirect :copy \"bob@elsewhere.test\";\n");
  see();
  ASSERT_EQ(queue.committed().size(), 1U);
  EXPECT_EQ(queue.committed()[0].envelope.sender, "alice@example.org");
  EXPECT_TRUE(queue.committed()[0].text.ends_with("Subject: hello\r\n\r\nbody\r\n"));
}

TEST_F(ImapEventsTest, AFaultLeavesItAsItIs) {
  std::string many = "require \"fileinto\";";
  for (int i = 0; i < 40; ++i) many += fmt::format("fileinto \"m{}\";", i);
  begin(many);
  const test::CapturedLog log;
  see();
  EXPECT_TRUE(messages("alice")[0].starts_with("|"));
  EXPECT_EQ(log.count("event=sieve.failed"), 1);
  EXPECT_EQ(log.count("may take 32 actions"), 1);
}

TEST_F(ImapEventsTest, ARuleThatIsNoneIsAFaultOfTheSettings) {
  config.sieve.imap = {"MOVE -> Junk: a.sieve"};
  const auto findings = SiteScripts::check(config);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].weight, config::Weight::fault);
  EXPECT_EQ(findings[0].reason, "sieve.imap: \"MOVE -> Junk: a.sieve\" is no rule");
}

}  // namespace
}  // namespace posthorn::lda
