// Proves whom vacation answers (those who wrote to one of the user's addresses, once a period), what
// the answer says, and that a crash or a queue that is away neither repeats nor holds up anything.
#include "lda/vacation.h"

#include "message/part.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

constexpr std::string_view kHeader =
    "From: Friend <friend@elsewhere.test>\r\nTo: Alice <alice@example.org>\r\n"
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@elsewhere.test>\r\n";

struct VacationTest : testing::Test {
  VacationTest() : scope(loop.executor(), clock) {
    config.paths.mail = folder.path();
    config.server.hostname = "mx.test";
    std::filesystem::create_directories(folder.path() / "example.org" / "alice");
    reach("friend@elsewhere.test", {"friend@elsewhere.test"});
  }
  void reach(const std::string& address, std::vector<std::string> to) {
    directory.recipients[address] = route::Expansion{.recipients = std::move(to)};
  }
  Result<Answered> answer(std::string_view header = kHeader,
                          const std::string& sender = "friend@elsewhere.test") {
    return loop.run(run(header, sender));
  }
  net::Task<Answered> run(std::string_view header, std::string sender) {
    message::Envelope envelope;
    envelope.sender = sender;
    const message::Headers headers(header);
    CO_TRY(const auto memory, co_await memories.hold("alice@example.org"));
    const Incoming mail{envelope, headers, "alice@example.org", "alice+tag@example.org"};
    co_return co_await answer_vacation({config, outbox, clock}, mail, vacation, memory);
  }
  std::size_t sent() const { return queue.committed().size(); }
  message::Headers fields() {
    last = queue.committed().back();
    return message::Headers(std::string_view(last.text).substr(0, last.text.find("\r\n\r\n") + 2));
  }

  test::TestLoop loop;
  test::ManualClock clock;
  net::Scope scope;
  test::TempFolder folder;
  config::Config config;
  test::FaultDisk disk;
  test::FakeDirectory directory;
  Outgoing queue;
  Outbox outbox{{directory, queue}};
  Memories memories{{scope, loop.pool(), config, disk}};
  sieve::Vacation vacation{.reason = "I am away.", .handle = "h", .period = std::chrono::days(7)};
  Outgoing::Mail last;
};

TEST_F(VacationTest, AStrangerIsAnsweredOnceAPeriod) {
  ASSERT_TRUE(answer());
  EXPECT_EQ(sent(), 1U);
  clock.advance(std::chrono::days(6));
  EXPECT_EQ(answer()->why, "it was answered before");
  EXPECT_EQ(answer(kHeader, "Friend@Elsewhere.test")->why, "it was answered before");
  EXPECT_EQ(sent(), 1U);
  clock.advance(std::chrono::days(1));
  ASSERT_TRUE(answer());
  EXPECT_EQ(sent(), 2U);
  vacation.handle = "another";
  ASSERT_TRUE(answer());
  EXPECT_EQ(sent(), 3U);
}

TEST_F(VacationTest, TheAnswerIsAReply) {
  ASSERT_TRUE(answer());
  const message::Headers headers = fields();
  EXPECT_EQ(last.envelope.sender, "");
  ASSERT_EQ(last.envelope.recipients.size(), 1U);
  EXPECT_EQ(last.envelope.recipients[0].address, "friend@elsewhere.test");
  EXPECT_TRUE(last.envelope.recipients[0].notify.never);
  EXPECT_EQ(headers.find("From"), "<alice@example.org>");
  EXPECT_EQ(headers.find("To"), "<friend@elsewhere.test>");
  EXPECT_EQ(message::decode_words(*headers.find("Subject")), "Auto: Grüße");
  EXPECT_EQ(headers.find("In-Reply-To"), "<1@elsewhere.test>");
  EXPECT_EQ(headers.find("References"), "<1@elsewhere.test>");
  EXPECT_EQ(headers.find("Auto-Submitted"), "auto-replied");
  EXPECT_EQ(headers.find("Precedence"), "bulk");
  EXPECT_TRUE(headers.has("Date"));
  EXPECT_TRUE(headers.find("Message-ID")->ends_with("@mx.test>"));
  EXPECT_EQ(headers.find("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(last.text.ends_with("\r\n\r\nI am away.\r\n"));
}

TEST_F(VacationTest, AnAnswerIsAnsweredByNoVacation) {
  ASSERT_TRUE(answer());
  const std::string text = queue.committed()[0].text;
  EXPECT_EQ(answer(text, "other@elsewhere.test")->queue_id, "");
  EXPECT_EQ(sent(), 1U);
}

TEST_F(VacationTest, ASubjectAndAMimeTextAreTaken) {
  vacation.subject = "Away until Möntag\r\nBcc: all@example.org";
  vacation.form = sieve::Vacation::Form::mime;
  vacation.reason = "Content-Type: text/html\nBcc: all@example.org\n\n<b>away</b>\n";
  ASSERT_TRUE(answer());
  const message::Headers headers = fields();
  EXPECT_EQ(message::decode_words(*headers.find("Subject")),
            "Away until Möntag  Bcc: all@example.org");
  EXPECT_EQ(headers.find("Content-Type"), "text/html");
  EXPECT_FALSE(headers.has("Bcc"));
  EXPECT_EQ(headers.count("Content-Type"), 1U);
  EXPECT_TRUE(last.text.ends_with("\r\n\r\n<b>away</b>\r\n"));
}

TEST_F(VacationTest, OnlyWhoWroteToTheUserIsAnswered) {
  for (const char* header :
       {"To: bob@example.org\r\n", "Subject: none\r\n", "To: undisclosed-recipients:;\r\n"}) {
    EXPECT_EQ(answer(header)->why, "it was not written to the user") << header;
  }
  EXPECT_EQ(sent(), 0U);
  int n = 0;
  for (const char* name : {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"}) {
    const std::string sender = std::to_string(++n) + "@elsewhere.test";
    reach(sender, {sender});
    ASSERT_TRUE(answer(std::string(name) + ": bob@x, ALICE+news@Example.org\r\n", sender));
    EXPECT_EQ(sent(), static_cast<std::size_t>(n)) << name;
  }
}

TEST_F(VacationTest, AnAliasThatLeadsToTheUserIsTheUsers) {
  reach("sales@example.org", {"bob@example.org", "Alice+sales@example.org"});
  ASSERT_TRUE(answer("To: sales@example.org\r\n"));
  ASSERT_EQ(sent(), 1U);
  // The user may not write as sales: it is answered as the account.
  EXPECT_EQ(fields().find("From"), "<alice@example.org>");
  directory.senders["sales@example.org"] = "alice@example.org";
  clock.advance(std::chrono::days(8));
  ASSERT_TRUE(answer("To: sales@example.org\r\n"));
  EXPECT_EQ(fields().find("From"), "<sales@example.org>");
}

TEST_F(VacationTest, AddressesAndFromOfTheScriptCount) {
  vacation.addresses = {"Alice <old@elsewhere.test>"};
  vacation.from = "Boss <boss@example.org>";
  ASSERT_TRUE(answer("To: old@elsewhere.test\r\n"));
  ASSERT_EQ(sent(), 1U);
  EXPECT_EQ(fields().find("From"), "<alice@example.org>");
  directory.senders["boss@example.org"] = "alice@example.org";
  clock.advance(std::chrono::days(8));
  ASSERT_TRUE(answer("To: old@elsewhere.test\r\n"));
  EXPECT_EQ(fields().find("From"), "\"Boss\" <boss@example.org>");
}

TEST_F(VacationTest, TheUserIsNotAnswered) {
  reach("me@example.org", {"alice@example.org"});
  vacation.addresses = {"old@elsewhere.test"};
  for (const char* sender :
       {"alice@example.org", "Alice+x@example.org", "me@example.org", "old@elsewhere.test"})
    EXPECT_EQ(answer(kHeader, sender)->why, "the user has sent it") << sender;
  EXPECT_EQ(sent(), 0U);
}

TEST_F(VacationTest, ARelayMayWantASender) {
  config.sieve.vacation_sender = config::VacationSender::user;
  ASSERT_TRUE(answer());
  EXPECT_EQ(queue.committed()[0].envelope.sender, "alice@example.org");
}

TEST_F(VacationTest, WhatCannotBeAskedIsTriedAgainAndWhatCannotBeQueuedIsNot) {
  directory.broken = true;
  EXPECT_FALSE(answer());
  directory.broken = false;
  queue.is_down = true;
  ASSERT_TRUE(answer());
  EXPECT_EQ(sent(), 0U);
  queue.is_down = false;
  // It was forgotten again: the next mail is answered.
  ASSERT_TRUE(answer());
  EXPECT_EQ(sent(), 1U);
}

// Killed before any operation on the disk and run again: never two answers. None, if the kill came
// between remembering and sending.
TEST_F(VacationTest, NoCrashRepeatsAnAnswer) {
  std::size_t all = 0;
  for (int at = 1; at < 12; ++at) {
    const test::TempFolder home;
    config.paths.mail = home.path();
    std::filesystem::create_directories(home.path() / "example.org" / "alice");
    queue.mails.clear();
    test::FaultDisk dying(test::FaultDisk::Fault::for_good, at);
    for (Disk* one : {static_cast<Disk*>(&dying), &Disk::real(), &Disk::real()}) {
      Memories anew{{scope, loop.pool(), config, *one}};
      const auto run_once = [&]() -> net::Task<Answered> {
        message::Envelope envelope;
        envelope.sender = "friend@elsewhere.test";
        const message::Headers headers(kHeader);
        CO_TRY(const auto memory, co_await anew.hold("alice@example.org"));
        co_return co_await answer_vacation(
            {config, outbox, clock}, {envelope, headers, "alice@example.org", "alice@example.org"},
            vacation, memory);
      };
      (void)loop.run(run_once());
    }
    EXPECT_LE(sent(), 1U) << at;
    all += sent();
  }
  EXPECT_GE(all, 9U);
}

TEST_F(VacationTest, ManySendersAreAnsweredOnceEach) {
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 200; ++i) {
      const std::string sender = "s" + std::to_string(i) + "@elsewhere.test";
      reach(sender, {sender});
      ASSERT_TRUE(answer(kHeader, sender));
    }
  EXPECT_EQ(sent(), 200U);
}

}  // namespace
}  // namespace posthorn::lda
