// Proves what scripts send by themselves: what a notification and a report
// say, that each is sent once for a message and that no notification brings about another; and that
// the owner of a script that went wrong is told once a day.
#include "lda/notification.h"

#include "lda/fault_mail.h"
#include "message/compose.h"
#include "message/part.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kHeader =
    "Received: by mx.test with LMTP id S1\r\nFrom: Friend <friend@elsewhere.test>\r\n"
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n";

struct SendingTest : DeliveryTest {
  SendingTest() : scope(loop.executor(), clock) {
    config.server.hostname = "mx.test";
    start();
    opened = *loop.run(accounts->open("alice@example.org"));
    for (const char* address : {"pager@elsewhere.test", "abuse@elsewhere.test"})
      directory.recipients[address] = route::Expansion{.recipients = {address}};
  }
  Result<Answered> notify(const sieve::Notify& action, std::string_view header = kHeader,
                          const std::string& sender = "friend@elsewhere.test") {
    return loop.run(notifying(action, header, sender));
  }
  net::Task<Answered> notifying(sieve::Notify action, std::string_view header, std::string sender) {
    message::Envelope envelope = envelope_to({"alice@example.org"});
    envelope.sender = sender;
    const message::Headers headers(header);
    CO_TRY(const auto memory, co_await memories.hold("alice@example.org"));
    co_return co_await send_notification(
        {config, outbox, clock}, {envelope, headers, "alice@example.org", "alice@example.org"},
        message_key(header, "alice@example.org"), action, memory);
  }
  net::Task<Answered> reporting(sieve::Report action, std::string_view header,
                                std::string_view text) {
    message::Envelope envelope = envelope_to({"alice@example.org"});
    envelope.origin.client_address = "192.0.2.1";
    const message::Headers headers(header);
    CO_TRY(const auto memory, co_await memories.hold("alice@example.org"));
    co_return co_await send_report({config, outbox, clock},
                                   {envelope, headers, "alice@example.org", "alice@example.org"},
                                   {header, text}, action, memory);
  }
  net::Task<Told::When> telling() {
    CO_TRY(const auto memory, co_await memories.hold("alice@example.org"));
    const Told told = co_await tell_fault(*opened,
                                          {.account = "alice@example.org",
                                           .fault = "main:3: too many redirects",
                                           .subject = "Grüße",
                                           .hostname = "mx.test",
                                           .now = clock.now()},
                                          memory);
    co_return told.when;
  }
  Outgoing::Mail sent() const { return queue.committed().back(); }
  static message::Headers fields_of(const Outgoing::Mail& mail) {
    return message::Headers(std::string_view(mail.text).substr(0, mail.text.find("\r\n\r\n") + 2));
  }

  test::ManualClock clock;
  net::Scope scope;
  Outbox outbox{{directory, queue}};
  Memories memories{{scope, loop.pool(), config, disk}};
  store::AccountPtr opened;
};

TEST_F(SendingTest, ANotificationIsSentOnceForAMessage) {
  const sieve::Notify action{.method = "mailto:pager@elsewhere.test", .importance = "1"};
  ASSERT_TRUE(notify(action));
  EXPECT_EQ(notify(action)->why, "it was sent before");
  ASSERT_EQ(queue.committed().size(), 1U);
  const Outgoing::Mail mail = sent();
  const message::Headers headers = fields_of(mail);
  EXPECT_EQ(mail.envelope.sender, "");
  EXPECT_EQ(headers.find("From"), "<alice@example.org>");
  EXPECT_EQ(headers.find("To"), "<pager@elsewhere.test>");
  EXPECT_EQ(message::decode_words(*headers.find("Subject")), "Grüße");
  EXPECT_EQ(headers.find("Auto-Submitted"), "auto-notified; owner-email=\"alice@example.org\"");
  EXPECT_EQ(headers.find("Importance"), "high");
  // Another message is another matter.
  ASSERT_TRUE(notify(action, "Received: by mx.test with LMTP id S2\r\n"));
  EXPECT_EQ(queue.committed().size(), 2U);
}

TEST_F(SendingTest, TheScriptsWordsGoFirst) {
  ASSERT_TRUE(notify({.method = "mailto:pager@elsewhere.test?subject=uri&body=h%C3%B6r%20zu",
                      .message = "script"}));
  const Outgoing::Mail mail = sent();
  EXPECT_EQ(fields_of(mail).find("Subject"), "script");
  EXPECT_TRUE(mail.text.ends_with("\r\n\r\nh=C3=B6r zu\r\n"));
}

TEST_F(SendingTest, OnlyWhoMaySendSoIsItsSender) {
  ASSERT_TRUE(notify({.method = "mailto:pager@elsewhere.test", .from = "boss@example.org"}));
  EXPECT_EQ(fields_of(sent()).find("From"), "<alice@example.org>");
  EXPECT_EQ(sent().envelope.sender, "");
  directory.senders["boss@example.org"] = "alice@example.org";
  ASSERT_TRUE(notify({.method = "mailto:pager@elsewhere.test?to=pager@elsewhere.test",
                      .from = "boss@example.org"}));
  EXPECT_EQ(fields_of(sent()).find("From"), "<boss@example.org>");
  EXPECT_EQ(sent().envelope.sender, "boss@example.org");
  EXPECT_EQ(sent().envelope.recipients.size(), 1U);
  ASSERT_TRUE(notify(
      {.method = "mailto:pager@elsewhere.test?cc=pager@elsewhere.test", .from = "boss@example.org"},
      kHeader, ""));
  EXPECT_EQ(sent().envelope.sender, "");
}

TEST_F(SendingTest, ANotificationBringsAboutNone) {
  ASSERT_TRUE(notify({.method = "mailto:pager@elsewhere.test"}));
  const std::string text = sent().text;
  EXPECT_EQ(notify({.method = "mailto:pager@elsewhere.test"}, text)->why,
            "it is a notification itself");
  EXPECT_EQ(notify({.method = "mailto:nobody"})->why, "\"nobody\" is no address");
  EXPECT_EQ(notify({.method = "mailto:unknown@elsewhere.test"})->why, "User unknown");
  EXPECT_EQ(queue.committed().size(), 1U);
}

TEST_F(SendingTest, AReportIsOneOfRfc5965) {
  const std::string text = std::string(kHeader) + "\r\nbody\r\n";
  const sieve::Report action{
      .type = "abuse", .text = "Bitte prüfen", .address = "abuse@elsewhere.test"};
  ASSERT_TRUE(loop.run(reporting(action, kHeader, text)));
  EXPECT_EQ(loop.run(reporting(action, kHeader, text))->why, "it was sent before");
  ASSERT_EQ(queue.committed().size(), 1U);
  const Outgoing::Mail mail = sent();
  EXPECT_EQ(mail.envelope.sender, "");
  const message::Part parts = message::parse_parts(mail.text);
  EXPECT_EQ(parts.subtype, "report");
  ASSERT_EQ(parts.children.size(), 3U);
  EXPECT_EQ(parts.children[1].subtype, "feedback-report");
  EXPECT_TRUE(parts.children[2].is_message());
  EXPECT_NE(mail.text.find("Feedback-Type: abuse\r\n"), std::string::npos);
  EXPECT_NE(mail.text.find("Source-IP: 192.0.2.1\r\n"), std::string::npos);
  EXPECT_NE(mail.text.find(text), std::string::npos);
}

TEST_F(SendingTest, AReportOfHeadersHasNoBody) {
  ASSERT_TRUE(loop.run(reporting({.type = "abuse\r\nEvil: 1",
                                  .text = "x",
                                  .address = "abuse@elsewhere.test",
                                  .what = sieve::Report::What::headers},
                                 kHeader, std::string(kHeader) + "\r\nbody\r\n")));
  const std::string text = sent().text;
  EXPECT_EQ(text.find("\r\nbody\r\n"), std::string::npos);
  EXPECT_EQ(text.find("\r\nEvil:"), std::string::npos);
  EXPECT_NE(text.find("Content-Type: text/rfc822-headers\r\n"), std::string::npos);
}

TEST_F(SendingTest, TheOwnerIsToldOnceADay) {
  EXPECT_EQ(loop.run(telling()), Told::When::now);
  EXPECT_EQ(loop.run(telling()), Told::When::before);
  ASSERT_EQ(count("alice"), 1U);
  const std::string mail = messages("alice").front();
  EXPECT_NE(mail.find("main:3: too many redirects"), std::string::npos);
  EXPECT_NE(mail.find("Gr=C3=BC=C3=9Fe"), std::string::npos);
  EXPECT_NE(mail.find("Auto-Submitted: auto-generated\n"), std::string::npos);
  clock.advance(24h);
  EXPECT_EQ(loop.run(telling()), Told::When::now);
  EXPECT_EQ(count("alice"), 2U);
}

TEST_F(SendingTest, WhatCouldNotBeStoredIsToldTheNextTime) {
  disk.arm({.fault = test::FaultDisk::Fault::for_good, .at = 6, .error = ENOSPC});
  EXPECT_NE(loop.run(telling()), Told::When::now);
  disk.arm({});
  EXPECT_EQ(count("alice"), 0U);
}

}  // namespace
}  // namespace posthorn::lda
