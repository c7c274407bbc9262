// What the filter is known by is believed of the filter alone: fields of these names that came with
// a stranger's mail do not go on, whether it was scanned or not, after a restart too, and nothing
// else of the text changes. The log says of a mail that passed unscanned that it did, and why.
#include <fmt/format.h>

#include "harness.h"

namespace posthorn::queue {
namespace {

// The sender's own, written in all ways that a reader takes for one.
constexpr std::string_view kForged =
    "X-Spam-Flag: YES\r\n"
    "Received: from x\r\n"
    "x-spam-flag: yes\r\n"
    "X-SPAM-Status :\r\n Yes, score=99\r\n\tmore\r\n"
    "Subject: hello\r\n"
    "X-Spam-Level: ***\r\n"
    "X-Spam-Score: 99\r\n"
    "X-Spam-: \r\n"
    "X-Spam: stays\r\n"
    "X-Spamd: stays\r\n"
    "subject: second\r\n"
    "x-spam-report:\r\n"
    "\r\n"
    "X-Spam-Flag: YES\r\nin the text\r\n";
constexpr std::string_view kCleaned =
    "Received: from x\r\n"
    "Subject: hello\r\n"
    "X-Spam: stays\r\n"
    "X-Spamd: stays\r\n"
    "subject: second\r\n"
    "\r\n"
    "X-Spam-Flag: YES\r\nin the text\r\n";

class FilterFields : public testing::Test {
 protected:
  FilterFields() : config_(config_in(folder_.path())) {}
  Server& server() {
    if (!server_) {
      server_.emplace(config_, disk_, clock_, filter_);
      EXPECT_TRUE(server_->start());
    }
    return *server_;
  }
  void take(message::Envelope envelope) {
    EXPECT_TRUE(server().take(std::move(envelope), kForged));
  }
  // What was sent last, once the filter has had its tries.
  std::string sent() {
    for (int i = 0; i < 12; ++i) server().step(5s, 12);
    return server().transport.calls.empty() ? "" : server().transport.calls.back().text;
  }
  std::string sent_of(message::Envelope envelope) {
    take(std::move(envelope));
    return sent();
  }

  CapturedLog log_;
  TempFolder folder_;
  FaultDisk disk_;
  ManualClock clock_;
  FakeFilter fake_filter_;
  FakeFilter* filter_ = &fake_filter_;
  config::Config config_;
  std::optional<Server> server_;
};

TEST_F(FilterFields, OfStrangersGo) {
  const std::string cleaned(kCleaned), forged(kForged);
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})), "X-Spam-Score: 0.1\r\n" + cleaned);
  EXPECT_EQ(sent_of(envelope_to({"ok@far.test", "ok@example.org"})),
            "X-Spam-Score: 0.1\r\n" + cleaned);
  EXPECT_EQ(log_.count("event=queue.scanned"), 2);
  EXPECT_EQ(log_.count("spam=no score=0.1"), 2);
  // Below filter.headers_score there are none of ours, and none of his either.
  fake_filter_.verdict = filter::Verdict{.is_spam = false, .score = "0.1"};
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})), cleaned);
  // Our own users' stay: what they send on is not ours to change.
  message::Envelope own = envelope_to({"ok@far.test"});
  own.origin.account = "sender@example.org";
  own.origin.sent_by = message::SentBy::user;
  EXPECT_EQ(sent_of(own), forged);
  // Other names, if the configuration says so.
  server_.reset();
  config_.filter.headers = {"X-Spam-S", "", "received"};
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})),
            "X-Spam-Flag: YES\r\nx-spam-flag: yes\r\nSubject: hello\r\nX-Spam-Level: ***\r\n"
            "X-Spam-: \r\nX-Spam: stays\r\nX-Spamd: stays\r\nsubject: second\r\nx-spam-report:\r\n"
            "\r\nX-Spam-Flag: YES\r\nin the text\r\n");
  server_.reset();
  filter_ = nullptr;  // none is configured: nobody here says anything by these names
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})), forged);
}

TEST_F(FilterFields, AlsoWhereNobodyScanned) {
  const std::string cleaned(kCleaned);
  fake_filter_.is_down = true;
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})),
            "X-Spam-Status: unknown, reason=unavailable\r\n" + cleaned);
  EXPECT_EQ(log_.count("event=queue.scanned"), 1);
  EXPECT_EQ(log_.count("spam=unscanned reason=unavailable error=\"spamd: connection refused\""), 1);
  EXPECT_EQ(log_.count("spam=no"), 0);
  fake_filter_.is_down = false;
  fake_filter_.verdict = filter::Filter::unscanned(filter::Unscanned::size);
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})),
            "X-Spam-Status: unknown, reason=size\r\n" + cleaned);
  EXPECT_EQ(log_.count("spam=unscanned reason=size"), 1);
}

TEST_F(FilterFields, AfterARestartToo) {
  take(envelope_to({"later@far.test"}));
  server().settle();
  EXPECT_EQ(sent(), "X-Spam-Score: 0.1\r\n" + std::string(kCleaned));
  server_.reset();
  for (int i = 0; i < 30 && server().transport.calls.empty(); ++i) server().step(5min, 12);
  EXPECT_EQ(fake_filter_.scans, 1);
  EXPECT_EQ(sent(), "X-Spam-Score: 0.1\r\n" + std::string(kCleaned));
}

TEST_F(FilterFields, TheSubjectOfOursStandsForTheFirst) {
  config_.filter.spam_subject = "***SPAM***";
  fake_filter_.verdict =
      filter::Verdict{.is_spam = true, .score = "9", .headers = "X-Spam-Flag: YES\r\n"};
  std::string expected(kCleaned);
  expected.erase(expected.find("Subject: hello\r\n"), 16);
  expected = "X-Spam-Flag: YES\r\nSubject: ***SPAM*** hello\r\n" + expected;
  EXPECT_EQ(sent_of(envelope_to({"later@far.test"})), expected);
  server_.reset();
  for (int i = 0; i < 30 && server().transport.calls.empty(); ++i) server().step(5min, 12);
  EXPECT_EQ(sent(), expected);
  // Marked by somebody before: it stays.
  server_.reset();
  config_.filter.spam_subject = "hello";
  std::string marked(kCleaned);
  EXPECT_EQ(sent_of(envelope_to({"ok@example.org"})), "X-Spam-Flag: YES\r\n" + marked);
}

}  // namespace
}  // namespace posthorn::queue
