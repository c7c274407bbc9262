// Proves that what we write about a message cannot be bent by what strangers said: a Received field
// is three well-formed lines whatever HELO was, and a delivery status notification is one
// multipart/report of bounded size, its remote text cleaned, its recipients each named once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "message/dsn.h"
#include "message/headers.h"
#include "message/part.h"
#include "message/received.h"

namespace posthorn::message {
namespace {

using namespace std::string_literals;

const WallTime kNow{std::chrono::milliseconds(1'767'225'600'000)};

Envelope envelope() {
  Envelope e;
  e.sender = "alice@example.test";
  e.recipients = {{.address = "bob@example.test", .original = {}, .notify = {}}};
  e.origin = {.session = "7K2QD4MX",
              .client_address = "192.0.2.1",
              .client_name = "mail.remote.example",
              .helo = "remote.example",
              .protocol = "ESMTPS",
              .account = {}};
  return e;
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++n;
  return n;
}

// Every line ends in CRLF, and there is no CR or LF besides.
bool has_clean_lines(std::string_view text) {
  return count_of(text, "\r") == count_of(text, "\r\n") &&
         count_of(text, "\n") == count_of(text, "\r\n") && text.ends_with("\r\n");
}

TEST(Received, Form) {
  const ReceivedBy by{.hostname = "mx.example.test",
                      .session = "7K2QD4MX",
                      .tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384",
                      .hide_client = false,
                      .now = kNow};
  const std::string field = make_received(envelope(), by);
  EXPECT_TRUE(
      field.starts_with("Received: from remote.example (mail.remote.example [192.0.2.1])\r\n\t"))
      << field;
  EXPECT_NE(field.find("(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)"), std::string::npos);
  EXPECT_NE(field.find("by mx.example.test (Posthorn) with ESMTPS id 7K2QD4MX"), std::string::npos);
  EXPECT_NE(field.find("for <bob@example.test>;\r\n\t"), std::string::npos);
  EXPECT_TRUE(field.ends_with(format_rfc5322(kNow) + "\r\n"));
  EXPECT_EQ(Headers(field).fields().size(), 1U);
  EXPECT_EQ(Headers(field).fields().front().raw, field);

  // Several recipients would learn of each other.
  Envelope many = envelope();
  many.recipients.push_back({.address = "carol@example.test", .original = {}, .notify = {}});
  EXPECT_EQ(make_received(many, by).find("for <"), std::string::npos);
  // A client is hidden only where somebody logged in.
  ReceivedBy hidden = by;
  hidden.hide_client = true;
  EXPECT_NE(make_received(envelope(), hidden).find("192.0.2.1"), std::string::npos);
  Envelope own = envelope();
  own.origin.account = "alice@example.test";
  EXPECT_EQ(make_received(own, hidden).find("192.0.2.1"), std::string::npos);
  EXPECT_EQ(make_received(own, hidden).find("alice"), std::string::npos);
}

TEST(Received, NoTextOfAStrangerBendsIt) {
  const std::string texts[] = {
      "",        "x\r\nX-Evil: 1", "x\nX-Evil: 1", "x)\r\n(", "a;b",   "<x>",
      "\\",      "a b c",          "\x1b[31m",     "\0x"s,    "(((((", std::string(100'000, 'h'),
      "\xff\xfe"};
  for (const std::string& text : texts) {
    Envelope e = envelope();
    e.origin.helo = e.origin.client_name = e.origin.client_address = text;
    e.origin.protocol = text;
    e.recipients.front().address = text;
    const std::string field = make_received(
        e, {.hostname = "mx", .session = text, .tls = {}, .hide_client = false, .now = kNow});
    EXPECT_TRUE(has_clean_lines(field)) << text.substr(0, 20);
    EXPECT_EQ(Headers(field).fields().size(), 1U) << field.substr(0, 200);
    EXPECT_EQ(count_of(field, "("), 2U) << field.substr(0, 200);
    EXPECT_EQ(count_of(field, ")"), 2U);
    EXPECT_EQ(count_of(field, ";"), 1U);
    EXPECT_EQ(field.find('\0'), std::string::npos);
    for (std::size_t at = 0; at < field.size(); at = field.find('\n', at) + 1)
      EXPECT_LE(field.find('\n', at) - at, 998U);
  }
}

TEST(Received, Hops) {
  std::string block =
      "received: a\r\nX-Received: b\r\nRECEIVED : c\r\nSubject: Received: d\r\n Received: e\r\n";
  EXPECT_EQ(count_hops(Headers(block)), 2U);
  for (int i = 0; i < 60; ++i) block += "Received: from x by y\r\n";
  EXPECT_EQ(count_hops(Headers(block)), 62U);
  EXPECT_EQ(count_hops(Headers("")), 0U);
}

TEST(MessageId, Unique) {
  const std::string a = make_message_id("mx.example.test", Clock::system().now()),
                    b = make_message_id("mx.example.test", Clock::system().now());
  EXPECT_NE(a, b);
  EXPECT_TRUE(a.starts_with("<") && a.ends_with("@mx.example.test>")) << a;
  EXPECT_EQ(make_message_id("x>\r\nY: z", Clock::system().now()).find('\r'), std::string::npos);
}

Dsn dsn() {
  Dsn d;
  d.hostname = "mx.example.test";
  d.envelope = envelope();
  d.envelope.id = "QQ314159";
  d.arrived = kNow;
  d.now = kNow + std::chrono::hours(1);
  d.retry_until = kNow + std::chrono::hours(120);
  d.recipients = {{.recipient = {.address = "bob@remote.example",
                                 .original = "rfc822;sales@example.test",
                                 .notify = {}},
                   .status = "5.1.1",
                   .diagnostic = "550 5.1.1 User unknown",
                   .remote = "mail.remote.example[192.0.2.9]:25",
                   .reason = "The server does not know the address."},
                  {.recipient = {.address = "eve@remote.example", .original = {}, .notify = {}},
                   .status = {},
                   .diagnostic = {},
                   .remote = {},
                   .reason = "Too long."}};
  d.returned = "Subject: hello\r\nFrom: a@b\r\n";
  return d;
}

std::string body_of(std::string_view text, const Part& part) {
  return std::string(text.substr(part.body_begin, part.body_end - part.body_begin));
}

TEST(DsnForm, ThreePartsAsRfc3464HasThem) {
  const std::string text = make_dsn(dsn());
  EXPECT_TRUE(has_clean_lines(text));
  const Headers headers(
      std::string_view(text).substr(0, find_header_end(text, Input::whole)->header_size));
  EXPECT_EQ(headers.find("To"), "<alice@example.test>");
  EXPECT_EQ(headers.find("Auto-Submitted"), "auto-replied");
  EXPECT_TRUE(headers.has("Date") && headers.has("Message-ID") && headers.has("From"));
  const Part root = parse_parts(text);
  EXPECT_EQ(root.type + "/" + root.subtype, "multipart/report");
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_EQ(root.children[0].type + "/" + root.children[0].subtype, "text/plain");
  EXPECT_EQ(root.children[1].type + "/" + root.children[1].subtype, "message/delivery-status");
  EXPECT_EQ(root.children[2].type + "/" + root.children[2].subtype, "text/rfc822-headers");
  EXPECT_NE(body_of(text, root.children[2]).find("Subject: hello"), std::string::npos);

  const std::string status = body_of(text, root.children[1]);
  const std::size_t first = status.find("\r\n\r\n"), second = status.find("\r\n\r\n", first + 4);
  const std::string whole = status.substr(0, first + 2),
                    bob = status.substr(first + 4, second - first - 2),
                    eve = status.substr(second + 4);
  const Headers of_message(whole), of_bob(bob), of_eve(eve);
  EXPECT_EQ(of_message.find("Reporting-MTA"), "dns; mx.example.test");
  EXPECT_EQ(of_message.find("Original-Envelope-Id"), "QQ314159");
  EXPECT_EQ(of_message.find("Arrival-Date"), format_rfc5322(kNow));
  EXPECT_EQ(of_bob.find("Original-Recipient"), "rfc822; sales@example.test");
  EXPECT_EQ(of_bob.find("Final-Recipient"), "rfc822; bob@remote.example");
  EXPECT_EQ(of_bob.find("Action"), "failed");
  EXPECT_EQ(of_bob.find("Status"), "5.1.1");
  EXPECT_EQ(of_bob.find("Remote-MTA"), "dns; mail.remote.example");
  EXPECT_EQ(of_bob.find("Diagnostic-Code"), "smtp; 550 5.1.1 User unknown");
  EXPECT_FALSE(of_bob.has("Will-Retry-Until"));
  EXPECT_FALSE(of_eve.has("Original-Recipient"));
  EXPECT_EQ(of_eve.find("Status"), "5.0.0");
  EXPECT_FALSE(of_eve.has("Diagnostic-Code"));
  EXPECT_EQ(count_of(status, "Final-Recipient"), 2U);
}

TEST(DsnForm, Delayed) {
  Dsn d = dsn();
  d.kind = Dsn::Kind::delayed;
  d.recipients.front().status = "4.4.1";
  d.is_whole = true;
  d.returned = "Subject: hello\r\n\r\nbody";
  const std::string text = make_dsn(d);
  EXPECT_NE(text.find("Action: delayed\r\n"), std::string::npos);
  EXPECT_NE(text.find("Will-Retry-Until: " + format_rfc5322(d.retry_until)), std::string::npos);
  EXPECT_NE(text.find("Status: 4.0.0\r\n"), std::string::npos);
  const Part root = parse_parts(text);
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_TRUE(root.children[2].is_message());
  EXPECT_TRUE(has_clean_lines(text));
}

TEST(DsnForm, AReasonInUtf8IsRead) {
  Dsn d = dsn();
  d.recipients[0].reason = d.recipients[0].diagnostic = "550 5.7.1 Keine Gr\u00FC\u00DFe";
  const std::string text = make_dsn(d);
  const Part root = parse_parts(text);
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_EQ(root.encoding, "8bit");
  EXPECT_EQ(root.children[0].encoding, "8bit");
  EXPECT_EQ(root.children[0].parameters.front(),
            (std::pair<std::string, std::string>{"charset", "utf-8"}));
  EXPECT_NE(body_of(text, root.children[0]).find("    550 5.7.1 Keine Gr\u00FC\u00DFe\r\n"),
            std::string::npos);
  // RFC 3464 section 2.1.1: the fields of a delivery status are ASCII.
  EXPECT_NE(body_of(text, root.children[1]).find("Diagnostic-Code: smtp; 550 5.7.1 Keine Gr????e"),
            std::string::npos);
}

TEST(DsnForm, RemoteTextIsCleanedAndBounded) {
  const std::string evil =
      "550 x\r\n\r\n--boundary\r\nContent-Type: text/html\r\n\r\n<script>\x1b[2J\0\xff"s +
      std::string(1U << 20U, 'A');
  Dsn d = dsn();
  d.envelope.id = evil;
  d.recipients.resize(1);
  for (std::string* field :
       {&d.recipients[0].diagnostic, &d.recipients[0].remote, &d.recipients[0].reason,
        &d.recipients[0].status, &d.recipients[0].recipient.address,
        &d.recipients[0].recipient.original})
    *field = evil;
  d.recipients[0].recipient.original = "rfc822;" + evil;
  d.envelope.sender = "a@b>\r\nBcc: <victim@remote.example";
  const std::string text = make_dsn(d);
  EXPECT_TRUE(has_clean_lines(text));
  EXPECT_LT(text.size(), 16'384U);
  EXPECT_EQ(text.find('\0'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
  EXPECT_EQ(parse_parts(text).children.size(), 3U);
  const Headers headers(
      std::string_view(text).substr(0, find_header_end(text, Input::whole)->header_size));
  EXPECT_FALSE(headers.has("Bcc"));
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    longest = std::max(longest, text.find('\n', at) - at);
  EXPECT_LE(longest, 999U);
}

TEST(DsnForm, WhatComesBackIsBounded) {
  Dsn d = dsn();
  d.returned = "Subject: x\r\n" + std::string("X-Long: y\r\n");
  while (d.returned.size() < (4U << 20U)) d.returned += "X-A: 0123456789abcdef\r\n";
  const std::string text = make_dsn(d);
  EXPECT_LT(text.size(), 100'000U);
  EXPECT_TRUE(has_clean_lines(text));
  EXPECT_EQ(parse_parts(text).children.size(), 3U);
  d.returned = std::string(4U << 20U, 'x');  // one line
  EXPECT_LT(make_dsn(d).size(), 100'000U);
}

}  // namespace
}  // namespace posthorn::message
