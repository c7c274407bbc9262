// The scheduler with a clock in the test's hand: when it tries again, when it gives up, what it
// tells the sender and when it tells nobody, who waits for whom, and that a clock which jumps or a
// message that is deleted, held or retried at the wrong moment does not disturb the others.
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <random>
#include <set>

#include "harness.h"

namespace posthorn::queue {
namespace {

class Scheduler : public testing::Test {
 protected:
  Scheduler() : config_(config_in(folder_.path())) {}
  Server& server() {
    if (!server_) {
      server_.emplace(config_, disk_, clock_, filter_);
      EXPECT_TRUE(server_->start());
    }
    return *server_;
  }
  void restart() {
    server_.reset();
    server();
  }
  std::string take(message::Envelope envelope, std::string_view text = Server::kText) {
    const auto id = server().take(std::move(envelope), text);
    EXPECT_TRUE(id);
    return id.value_or("");
  }
  // One recipient, with this wish.
  std::string take_with(const std::string& to, message::Notify notify,
                        std::string sender = "sender@example.org") {
    message::Envelope envelope = envelope_to({to}, std::move(sender));
    envelope.recipients[0].notify = notify;
    return take(std::move(envelope));
  }
  // What was sent to the sender by the null sender.
  std::vector<std::string> notices(const std::string& to = "sender@example.org") {
    std::vector<std::string> texts;
    for (const Call& call : server().transport.calls)
      if (call.envelope.sender.empty() && call.envelope.recipients[0].address == to)
        texts.push_back(call.text);
    return texts;
  }
  void run_for(std::chrono::milliseconds time, std::chrono::milliseconds step) {
    for (auto passed = 0ms; passed < time; passed += step) server().step(step, 12);
  }

  CapturedLog log_;
  TempFolder folder_;
  FaultDisk disk_;
  ManualClock clock_;
  FakeFilter* filter_ = nullptr;
  FakeFilter fake_filter_;
  config::Config config_;
  std::optional<Server> server_;
};

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// What may be signed in our name (deliver::Body).
TEST_F(Scheduler, KnowsWhatIsOurs) {
  const auto send = [&](message::SentBy by) {
    message::Envelope envelope = envelope_to({"ok@far.test"});
    envelope.origin.sent_by = by;
    // What a peer may say of itself counts for nothing.
    envelope.origin.account = "alice@example.org";
    envelope.origin.protocol = "ESMTPSA";
    envelope.origin.client_address = "10.1.1.1";
    take(std::move(envelope));
    server().settle();
    return server().transport.calls.back().is_ours;
  };
  EXPECT_FALSE(send(message::SentBy::stranger));
  EXPECT_TRUE(send(message::SentBy::user));
  EXPECT_FALSE(send(message::SentBy::sent_on));
  EXPECT_TRUE(send(message::SentBy::program));
  EXPECT_TRUE(send(message::SentBy::trusted_network));
  take(envelope_to({"bad@far.test"}));
  server().settle();
  ASSERT_EQ(notices().size(), 1U);
  EXPECT_TRUE(server().transport.calls.back().is_ours);
}

// A stranger's mail goes to another server only where what he named leads there, and lookup is
// asked that; whoever proved a right of his own is not.
TEST_F(Scheduler, AsksWhatAStrangerNamed) {
  const auto asked = [&](message::SentBy by, std::string named) {
    message::Envelope envelope = envelope_to({"ok@far.test"});
    envelope.origin.sent_by = by;
    envelope.recipients[0].named = std::move(named);
    take(std::move(envelope));
    server().settle();
    return server().directory.named.back();
  };
  EXPECT_EQ(asked(message::SentBy::stranger, "alias@example.org"), "alias@example.org");
  EXPECT_EQ(asked(message::SentBy::stranger, ""), "ok@far.test");
  for (const message::SentBy by :
       {message::SentBy::user, message::SentBy::program, message::SentBy::trusted_network,
        message::SentBy::notice, message::SentBy::sent_on})
    EXPECT_EQ(asked(by, "alias@example.org"), "-") << message::to_string(by);
}

// What our own tables refuse was not to be taken: its text is not carried to whom it names as its
// sender. What another server refuses goes back as ever, and so does a user's.
TEST_F(Scheduler, WhatWeRefuseAStrangerDoesNotGoBack) {
  const std::string_view text = "Subject: buy\r\n\r\nnow\r\n";
  const auto returned = [&](const std::string& to, message::SentBy by) {
    message::Envelope envelope = envelope_to({to, "later@far.test"});
    envelope.origin.sent_by = by;
    const std::size_t before = notices().size();
    take(std::move(envelope), text);
    server().settle();
    const auto told = notices();
    EXPECT_EQ(told.size(), before + 1) << to;
    return !told.empty() && told.back().contains("Subject: buy");
  };
  EXPECT_FALSE(returned("refused@example.org", message::SentBy::stranger));
  EXPECT_TRUE(returned("bad@example.org", message::SentBy::stranger));
  EXPECT_TRUE(returned("refused@example.org", message::SentBy::user));
  EXPECT_TRUE(notices().back().contains("No such user here"));
}

TEST_F(Scheduler, DeliversAtOnceAndForgets) {
  const std::string id =
      take(envelope_to({"ok@example.org", "ok@far.test", "ok2@far.test", "ok@relay.test"}));
  server().settle();
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.calls.size(), 3U);  // the two of one domain go together
  for (const Call& call : server().transport.calls) EXPECT_EQ(call.text, Server::kText);
  EXPECT_TRUE(names_in(folder_.path() / "spool/active").empty());
  EXPECT_TRUE(notices().empty());
}

TEST_F(Scheduler, BackOffDoublesUpToItsCap) {
  config_.queue.retry_first = 5min;
  config_.queue.retry_max = 1h;
  config_.queue.warn_after = 0ms;
  take(envelope_to({"later@far.test"}));
  server().settle();
  run_for(10h, 30s);
  std::vector<std::chrono::milliseconds> gaps;
  const auto& calls = server().transport.calls;
  for (std::size_t i = 1; i < calls.size(); ++i) gaps.push_back(calls[i].at - calls[i - 1].at);
  ASSERT_GE(gaps.size(), 10U);
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const auto right = std::min<std::chrono::milliseconds>(5min * (1U << std::min(i, 8UL)), 1h);
    EXPECT_GE(gaps[i], right) << i;
    EXPECT_LE(gaps[i], right + right / 10 + 30s) << i;
  }
}

TEST_F(Scheduler, ExpiryTellsTheSenderOnceWithARowForEachRecipient) {
  config_.queue.expire_after = 3h;
  config_.queue.warn_after = 0ms;
  message::Envelope envelope =
      envelope_to({"ok@example.org", "later1@far.test", "later2@far.test", "bad@far.test"});
  envelope.id = "E1";
  envelope.recipients[1].original = "rfc822;sales@example.org";
  take(envelope);
  server().settle();
  ASSERT_EQ(notices().size(), 1U);  // the refused one at once
  EXPECT_EQ(count(notices()[0], "Final-Recipient: "), 1U);
  EXPECT_NE(notices()[0].find("Final-Recipient: rfc822; bad@far.test\r\nAction: failed\r\n"
                              "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 Unknown\r\n"),
            std::string::npos);
  run_for(3h - 10min, 5min);
  EXPECT_EQ(notices().size(), 1U);
  run_for(90min, 5min);
  ASSERT_EQ(notices().size(), 2U);
  const std::string dsn = notices()[1];
  EXPECT_EQ(count(dsn, "Final-Recipient: "), 2U);
  EXPECT_EQ(count(dsn, "Action: failed\r\n"), 2U);
  EXPECT_EQ(count(dsn, "Status: 5.4.7\r\n"), 2U);
  EXPECT_EQ(count(dsn, "Diagnostic-Code: smtp; 450 4.2.0 Later\r\n"), 2U);
  for (const char* field :
       {"Content-Type: multipart/report; report-type=delivery-status", "Auto-Submitted: auto-",
        "Reporting-MTA: dns; mx.example.org\r\n", "Original-Envelope-Id: E1\r\n",
        "Arrival-Date: ", "Original-Recipient: rfc822; sales@example.org\r\n",
        "Content-Type: text/rfc822-headers\r\n", "Subject: hello\r\n"})
    EXPECT_EQ(count(dsn, field), 1U) << field;
  EXPECT_EQ(count(dsn, "body\r\n"), 0U);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(log_.count("event=queue.bounced"), 2);
}

TEST_F(Scheduler, ANoticeIsBounded) {
  config_.queue.bounce_headers_only = false;
  std::vector<std::string> many;
  for (int i = 0; i < 1200; ++i) many.push_back("bad" + std::to_string(i) + "@far.test");
  take(envelope_to(many), "Subject: x\r\n\r\n" + std::string(300'000, 'y') + "\r\n");
  server().settle(60);
  const auto texts = notices();
  ASSERT_EQ(texts.size(), 3U);
  std::size_t rows = 0;
  for (const std::string& text : texts) {
    rows += count(text, "Final-Recipient: ");
    EXPECT_LT(text.size(), 400'000U);
    // A text that is too long comes back as its header, and says so.
    EXPECT_EQ(count(text, "Content-Type: text/rfc822-headers"), 1U);
    EXPECT_EQ(count(text, "yyyy"), 0U);
  }
  EXPECT_EQ(rows, 1200U);
}

TEST_F(Scheduler, TheWholeTextComesBackWhereThatIsAsked) {
  for (const auto ret : {message::Ret::full, message::Ret::headers, message::Ret::unset}) {
    message::Envelope envelope =
        envelope_to({"bad@far.test"}, "s" + std::to_string(int(ret)) + "@example.org");
    envelope.ret = ret;
    take(envelope);
    server().settle();
    const auto texts = notices(envelope.sender);
    ASSERT_EQ(texts.size(), 1U);
    const bool whole = ret == message::Ret::full;
    EXPECT_EQ(count(texts[0], "Content-Type: message/rfc822"), whole ? 1U : 0U);
    EXPECT_EQ(count(texts[0], "body\r\n"), whole ? 1U : 0U);
  }
}

TEST_F(Scheduler, DelayIsToldOnce) {
  config_.queue.warn_after = 4h;
  take(envelope_to({"later@far.test", "later2@other.test"}));
  server().settle();
  run_for(3h + 50min, 10min);
  EXPECT_TRUE(notices().empty());
  run_for(1h + 20min, 10min);
  ASSERT_EQ(notices().size(), 1U);
  const std::string dsn = notices()[0];
  EXPECT_EQ(count(dsn, "Action: delayed\r\n"), 2U);
  EXPECT_EQ(count(dsn, "Status: 4.4.7\r\n"), 2U);
  EXPECT_EQ(count(dsn, "Will-Retry-Until: "), 2U);
  run_for(8h, 20min);
  restart();  // that it was told is on disk
  run_for(4h, 20min);
  EXPECT_EQ(notices().size(), 0U);
  EXPECT_EQ(log_.count("event=queue.warned"), 1);
}

struct Wish {
  const char* name;
  message::Notify notify;
  std::size_t failed, delayed, good;
};

TEST_F(Scheduler, WhatTheSenderWantsToBeToldIsHonoured) {
  config_.queue.warn_after = 10min;
  config_.queue.expire_after = 2h;
  const Wish rows[] = {
      {"unset", {}, 1, 2, 0},  // both of them are late
      {"NEVER", {.never = true, .success = false, .failure = false, .delay = false}, 0, 0, 0},
      {"NEVER and all", {.never = true, .success = true, .failure = true, .delay = true}, 0, 0, 0},
      {"FAILURE", {.never = false, .success = false, .failure = true, .delay = false}, 1, 0, 0},
      {"DELAY", {.never = false, .success = false, .failure = false, .delay = true}, 0, 2, 0},
      {"SUCCESS", {.never = false, .success = true, .failure = false, .delay = false}, 0, 0, 1},
  };
  std::size_t n = 0;
  for (const Wish& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string sender = "s" + std::to_string(++n) + "@example.org";
    message::Envelope envelope =
        envelope_to({"ok@example.org", "bad@far.test", "later@far.test"}, sender);
    for (auto& to : envelope.recipients) to.notify = row.notify;
    take(envelope);
    server().settle();
    run_for(40min, 5min);
    std::size_t failed = 0, delayed = 0, good = 0;
    for (const std::string& text : notices(sender)) {
      failed += count(text, "Action: failed");
      delayed += count(text, "Action: delayed");
      good += count(text, "Action: delivered");
    }
    EXPECT_EQ(failed, row.failed);
    EXPECT_EQ(delayed, row.delayed / 2);
    EXPECT_EQ(good, row.good);
    run_for(3h, 10min);
    failed = 0;
    for (const std::string& text : notices(sender)) failed += count(text, "Action: failed");
    EXPECT_EQ(failed, row.failed * 2);
    EXPECT_EQ(server().size(), 0U);
  }
}

TEST_F(Scheduler, TheNullSenderIsToldNothing) {
  config_.queue.warn_after = 10min;
  config_.queue.bounce_expire_after = 2h;
  take(envelope_to({"bad@far.test", "later@far.test", "refused@far.test"}, ""));
  server().settle();
  run_for(4h, 10min);
  EXPECT_EQ(server().size(), 0U);
  for (const Call& call : server().transport.calls) {
    EXPECT_NE(call.envelope.recipients[0].address, "");
    EXPECT_EQ(domain_of(call.envelope.recipients[0].address), "far.test");
  }
  EXPECT_GE(log_.count("event=queue.bounce.dropped"), 2);
  EXPECT_EQ(log_.count("event=queue.bounced"), 0);
}

TEST_F(Scheduler, WhoIsToldHasAMailbox) {
  using message::SentBy;
  auto& expansions = server().directory.expansions;
  expansions["list@example.org"] = {"a@example.org", "b@example.org"};
  expansions["postmaster"] = {"root@example.org"};
  const struct {
    SentBy by;
    std::string sender, account, told;
    int redirected;
  } rows[] = {
      {SentBy::user, "list@example.org", "a@example.org", "a@example.org b@example.org", 0},
      {SentBy::stranger, "list@example.org", "", "a@example.org b@example.org", 0},
      {SentBy::stranger, "friend@far.test", "", "friend@far.test", 0},
      // Nobody has the address any more: its account, and for a program postmaster.
      {SentBy::user, "unknown@example.org", "a@example.org", "a@example.org", 1},
      {SentBy::program, "unknown@mx.example.org", "unknown-www@mx.example.org", "root@example.org",
       1},
      {SentBy::program, "unknown@example.org", "a@example.org", "a@example.org", 1},
      {SentBy::program, "a@example.org", "a@example.org", "a@example.org", 0},
      {SentBy::user, "unknown@example.org", "unknown2@example.org", "unknown@example.org", 0},
      {SentBy::stranger, "unknown@example.org", "", "unknown@example.org", 0},
      {SentBy::trusted_network, "unknown@example.org", "", "unknown@example.org", 0},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.sender + " of " + row.account);
    log_.clear();
    server().transport.calls.clear();
    message::Envelope envelope = envelope_to({"bad@far.test"}, row.sender);
    envelope.origin.sent_by = row.by;
    envelope.origin.account = row.account;
    take(std::move(envelope));
    server().settle(60);
    EXPECT_EQ(server().size(), 0U);
    std::set<std::string> told;
    for (const Call& call : server().transport.calls)
      if (call.envelope.sender.empty())
        for (const auto& recipient : call.envelope.recipients) told.insert(recipient.address);
    EXPECT_EQ(fmt::format("{}", fmt::join(told, " ")), row.told);
    EXPECT_EQ(log_.count("event=queue.bounced"), 1);
    EXPECT_EQ(log_.count("event=queue.bounce.redirected"), row.redirected);
  }
}

// The alias of a program's sender leads to a server that refuses the bounce.
TEST_F(Scheduler, AProgramsBounceThatBouncesReachesPostmasterOnce) {
  auto& expansions = server().directory.expansions;
  expansions["root@example.org"] = {"bad-admin@far.test"};
  for (const bool is_reached : {true, false}) {
    log_.clear();
    server().transport.calls.clear();
    expansions["postmaster"] = {is_reached ? "alice@example.org" : "bad-postmaster@far.test"};
    message::Envelope envelope = envelope_to({"bad@far.test"}, "root@example.org");
    envelope.origin.sent_by = message::SentBy::program;
    envelope.origin.account = "root@example.org";
    take(std::move(envelope));
    server().settle(90);
    EXPECT_EQ(server().size(), 0U);
    std::vector<std::string> to;
    for (const Call& call : server().transport.calls)
      to.push_back(call.envelope.recipients[0].address);
    EXPECT_EQ(to, (std::vector<std::string>{"bad@far.test", "bad-admin@far.test",
                                            expansions["postmaster"].front()}));
    EXPECT_EQ(log_.count("event=queue.bounced"), 2);
    EXPECT_EQ(log_.count("event=queue.bounce.dropped"), is_reached ? 0 : 1);
  }
}

TEST_F(Scheduler, WhoIsToldIsAskedUntilItIsKnown) {
  take(envelope_to({"bad@far.test"}, "unasked@example.org"));
  server().settle(60);
  EXPECT_EQ(server().size(), 1U);  // kept, and nobody was told
  EXPECT_EQ(log_.count("event=queue.bounced"), 0);
  server().directory.expansions["unasked@example.org"] = {"a@example.org"};
  run_for(30min, 5min);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(notices("a@example.org").size(), 1U);
  EXPECT_EQ(log_.count("event=queue.bounced"), 1);
}

TEST_F(Scheduler, ABounceThatBouncesIsDroppedAndLogged) {
  take(envelope_to({"bad@far.test"}, "bad-sender@far.test"));
  server().settle(60);
  EXPECT_EQ(server().size(), 0U);
  ASSERT_EQ(server().transport.calls.size(), 2U);
  EXPECT_EQ(server().transport.calls[1].envelope.sender, "");
  EXPECT_EQ(server().transport.calls[1].envelope.recipients[0].address, "bad-sender@far.test");
  EXPECT_EQ(log_.count("event=queue.bounced"), 1);
  EXPECT_EQ(log_.count("event=queue.bounce.dropped"), 1);
  EXPECT_TRUE(names_in(folder_.path() / "spool/active").empty());
}

TEST_F(Scheduler, SuccessIsToldAsDeliveredOrRelayed) {
  const message::Notify success = {.never = false, .success = true, .failure = true, .delay = true};
  struct Row {
    const char* name;
    std::string to;
    bool takes_notices;
    std::string sender;
    std::string action;  // empty: nothing is told
  };
  const Row rows[] = {
      {"here", "ok@example.org", false, "a@example.org", "delivered"},
      {"here, whatever the store speaks", "ok@example.org", true, "b@example.org", "delivered"},
      {"a next hop without DSN", "ok@far.test", false, "c@example.org", "relayed"},
      {"a smarthost without DSN", "ok@relay.test", false, "d@example.org", "relayed"},
      {"a next hop with DSN tells it itself", "ok@far.test", true, "e@example.org", ""},
      {"a failure is a failure", "bad@far.test", false, "f@example.org", "failed"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    server().transport.takes_notices = row.takes_notices;
    message::Envelope envelope = envelope_to({row.to}, row.sender);
    envelope.recipients[0].notify = success;
    envelope.ret = message::Ret::full;  // RFC 3461 section 4.3: only for failures
    take(envelope);
    server().settle(40);
    const auto texts = notices(row.sender);
    ASSERT_EQ(texts.size(), row.action.empty() ? 0U : 1U);
    EXPECT_EQ(server().size(), 0U);
    if (row.action.empty()) continue;
    EXPECT_EQ(count(texts[0], "Action: " + row.action + "\r\n"), 1U);
    EXPECT_EQ(count(texts[0], "\r\nAction: "), 1U);
    if (row.action == "failed") continue;
    EXPECT_EQ(count(texts[0], "Status: 2.0.0\r\n"), 1U);
    EXPECT_EQ(count(texts[0], "Diagnostic-Code: smtp; 250 2.0.0 Ok\r\n"), 1U);
    EXPECT_EQ(count(texts[0], "body\r\n"), 0U);
    EXPECT_EQ(count(texts[0], "Will-Retry-Until"), 0U);
  }
  take_with("ok@example.org", success, "");
  server().settle(40);
  EXPECT_TRUE(notices("").empty());
}

TEST_F(Scheduler, SuccessIsToldThoughOthersWaitAndAcrossARestart) {
  message::Envelope envelope = envelope_to({"ok@example.org", "later@far.test", "ok@far.test"});
  for (auto& to : envelope.recipients)
    to.notify = {.never = false, .success = true, .failure = true, .delay = false};
  take(envelope);
  server().settle(40);
  EXPECT_EQ(notices().size(), 2U);  // one delivered, one relayed
  restart();
  run_for(2h, 5min);
  EXPECT_EQ(notices().size(), 0U);  // not told again
  EXPECT_GE(server().transport.calls_to("later@far.test"), 1U);
  EXPECT_EQ(server().transport.calls_to("ok@far.test"), 0U);
}

TEST_F(Scheduler, ADestinationHasOnlySoManyAtOnce) {
  config_.queue.attempts_per_destination_max = 3;
  server().transport.stuck = {"slow.test"};
  for (int i = 0; i < 50; ++i) take(envelope_to({"ok" + std::to_string(i) + "@slow.test"}));
  server().settle(60);
  EXPECT_EQ(server().transport.running["slow.test"], 3);
  // Others go past them, at once.
  take(envelope_to({"ok@quick.test", "ok@example.org"}));
  server().settle();
  EXPECT_EQ(server().transport.calls_to("ok@quick.test"), 1U);
  EXPECT_EQ(server().transport.calls_to("ok@example.org"), 1U);
  EXPECT_EQ(server().transport.calls.size(), 5U);
  // Nobody asks again and again while there is no room.
  const int plans = server().directory.plans;
  run_for(10s, 100ms);
  EXPECT_EQ(server().directory.plans, plans);
  server().transport.open("slow.test");
  server().settle(400);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.most["slow.test"], 3);
}

TEST_F(Scheduler, SlowAndQuickInOneMessage) {
  server().transport.stuck = {"slow.test"};
  const std::string id =
      take(envelope_to({"ok@slow.test", "ok@quick.test", "later@far.test", "bad@other.test"}));
  server().settle();
  EXPECT_EQ(server().transport.delivered[id + " ok@quick.test"], 1);
  // While it hangs the others are neither tried again nor forgotten.
  run_for(20min, 1min);
  EXPECT_EQ(server().transport.calls_to("later@far.test"), 1U);
  server().transport.open("slow.test");
  server().settle();
  run_for(20min, 1min);
  EXPECT_EQ(server().transport.delivered[id + " ok@slow.test"], 1);
  EXPECT_EQ(server().transport.delivered[id + " ok@quick.test"], 1);
  EXPECT_GE(server().transport.calls_to("later@far.test"), 2U);
  EXPECT_EQ(notices().size(), 1U);
}

TEST_F(Scheduler, ADeferredOneIsNotHammeredWhileAnotherHasNoRoom) {
  config_.queue.attempts_per_destination_max = 1;
  server().transport.stuck = {"slow.test"};
  take(envelope_to({"ok@slow.test"}));
  server().settle();
  take(envelope_to({"later@far.test", "ok2@slow.test"}));
  server().settle();
  run_for(4min, 1s);
  EXPECT_EQ(server().transport.calls_to("later@far.test"), 1U);
  server().transport.open("slow.test");
  server().settle();
  EXPECT_EQ(server().transport.calls_to("ok2@slow.test"), 1U);
}

TEST_F(Scheduler, AllTogetherOnlySoMany) {
  config_.queue.attempts_max = 5;
  for (int i = 0; i < 20; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".test";
    server().transport.stuck.insert(domain);
    take(envelope_to({"ok@" + domain, "ok2@" + domain, "ok@x" + domain}));
  }
  server().settle(60);
  EXPECT_EQ(server().transport.in_all, 5);
  for (int i = 0; i < 20; ++i) server().transport.open("d" + std::to_string(i) + ".test");
  server().settle(400);
  EXPECT_EQ(server().transport.most_in_all, 5);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.delivered.size(), 60U);
}

TEST_F(Scheduler, AMessageToAThousandGoesThroughFewSlots) {
  std::vector<std::string> all;
  for (int i = 0; i < 1000; ++i) all.push_back("ok" + std::to_string(i) + "@example.org");
  take(envelope_to(all));
  server().settle(1500);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.delivered.size(), 1000U);
  EXPECT_EQ(server().directory.plans, 1000);  // asked once each
  EXPECT_LE(server().transport.most["example.org"], 20);
}

TEST_F(Scheduler, ADeadDestinationIsLeftAloneForAWhile) {
  server().transport.down = {"dead.test"};
  for (int i = 0; i < 5; ++i) take(envelope_to({"ok" + std::to_string(i) + "@dead.test"}));
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 5U);
  run_for(30min, 10s);
  EXPECT_LE(server().transport.calls.size(), 20U);
  server().transport.down.clear();
  run_for(40min, 10s);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.delivered.size(), 5U);
}

TEST_F(Scheduler, ARefusedLoginKeepsEverything) {
  config_.queue.warn_after = 0ms;
  server().transport.login_refused = true;
  server().transport.worst = deliver::Outcome::Kind::failed;  // whatever the smarthost called it
  for (int i = 0; i < 10; ++i) take(envelope_to({"ok" + std::to_string(i) + "@relay.test"}));
  server().settle(60);
  run_for(24h, 10min);
  EXPECT_EQ(server().size(), 10U);
  EXPECT_TRUE(notices().empty());
  EXPECT_EQ(log_.count("event=queue.failed"), 0);
  EXPECT_GE(log_.count("event=relay.login.refused"), 1);
  EXPECT_LE(log_.count("event=relay.login.refused"), 24 * 60);
  server().transport.login_refused = false;
  server().retry_all();
  server().settle(60);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.delivered.size(), 10U);
}

TEST_F(Scheduler, ATableThatCannotBeAskedFailsNobody) {
  const CapturedLog log;
  take(envelope_to({"unasked@far.test", "ok@far.test"}));
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 1U);
  EXPECT_EQ(server().size(), 1U);
  EXPECT_TRUE(notices().empty());
  EXPECT_GE(log.count("event=queue.deferred"), 1);
  EXPECT_GE(log.count("to=unasked@far.test relay=- reply=\"no table\""), 1);
}

TEST_F(Scheduler, APlanThatIsRefusedBounces) {
  const CapturedLog log;
  take(envelope_to({"refused@far.test"}));
  server().settle();
  EXPECT_EQ(server().size(), 0U);
  ASSERT_EQ(notices().size(), 1U);
  EXPECT_EQ(count(notices()[0], "Status: 5.1.1\r\n"), 1U);
  EXPECT_EQ(log.count("event=queue.failed"), 1);
}

// --- the filter

class FilteredScheduler : public Scheduler {
 protected:
  FilteredScheduler() { filter_ = &fake_filter_; }
};

TEST_F(Scheduler, APlanThatComesBackLaterDoes) {
  take(envelope_to({"comesback@bad.test", "ok@example.org"}));
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 1U);  // the other one does not wait
  EXPECT_TRUE(notices().empty());
  server().step(9s);
  EXPECT_TRUE(notices().empty());
  server().step(2s);
  ASSERT_EQ(notices().size(), 1U);
  EXPECT_NE(notices()[0].find("Diagnostic-Code: smtp; 550 5.1.1 Not taken\r\n"), std::string::npos);
  EXPECT_EQ(server().size(), 0U);
}

// Mail that an alias sends on leaves with a sender of ours; what was written to where it goes, what
// our users wrote and what stays here does not. What is told of it goes to the first sender.
TEST_F(Scheduler, WhatIsSentOnHasARewrittenSender) {
  config_.srs.domain = "example.org";
  message::Envelope envelope = envelope_to(
      {"ok@far.test", "straight@far.test", "ok@example.org", "bad@far.test"}, "carol@other.test");
  envelope.origin.sent_by = message::SentBy::trusted_network;
  for (message::Recipient& to : envelope.recipients) {
    to.original = "rfc822;" + to.address;  // whatever the client says of it
    if (!to.address.starts_with("straight")) to.named = "alias@example.org";
  }
  const auto senders = [&] {
    std::map<std::string, std::string> found;
    for (const Call& call : server().transport.calls)
      for (const message::Recipient& to : call.envelope.recipients)
        if (!to.notify.never) found[to.address] = call.envelope.sender;
    server().transport.calls.clear();
    return found;
  };
  using Senders = std::map<std::string, std::string>;
  take(envelope);
  server().settle();
  EXPECT_EQ(notices("carol@other.test").size(), 1U);
  EXPECT_EQ(senders(), (Senders{{"ok@far.test", "SRS0=x@example.org"},
                                {"bad@far.test", "SRS0=x@example.org"},
                                {"straight@far.test", "carol@other.test"},
                                {"ok@example.org", "carol@other.test"}}));
  EXPECT_EQ(server().directory.rewrites, 1);
  EXPECT_EQ(log_.count("event=srs.rewritten"), 1);
  const auto alone = [&](std::string sender, message::SentBy by = message::SentBy::stranger) {
    message::Envelope one = envelope_to({"ok@far.test"}, std::move(sender));
    one.recipients[0].original = "rfc822;ok@far.test";
    one.origin.sent_by = by;
    one.origin.protocol = "ESMTPSA";  // whatever is said of it
    take(std::move(one));
    server().settle();
    return senders();
  };
  EXPECT_EQ(alone("carol@other.test", message::SentBy::user),
            (Senders{{"ok@far.test", "carol@other.test"}}));
  EXPECT_EQ(alone("carol@other.test", message::SentBy::sent_on),
            (Senders{{"ok@far.test", "SRS0=x@example.org"}}));
  EXPECT_EQ(alone(""), (Senders{{"ok@far.test", ""}}));
  EXPECT_EQ(alone("own@example.org"), (Senders{{"ok@far.test", "own@example.org"}}));
  // Could not be asked: it waits, and does not leave as it is.
  EXPECT_EQ(alone("unasked@other.test"), Senders{});
  EXPECT_EQ(server().size(), 1U);
}

TEST_F(Scheduler, WithoutADomainNoSenderIsRewritten) {
  message::Envelope envelope = envelope_to({"ok@far.test"}, "carol@other.test");
  envelope.recipients[0].original = "rfc822;alias@example.org";
  take(envelope);
  server().settle();
  ASSERT_EQ(server().transport.calls.size(), 1U);
  EXPECT_EQ(server().transport.calls[0].envelope.sender, "carol@other.test");
  EXPECT_EQ(server().directory.rewrites, 0);
}

TEST_F(FilteredScheduler, WaitMeansWait) {
  config_.filter.when_down = config::WhenDown::wait;
  config_.filter.tries_max = 3;
  fake_filter_.is_down = true;
  take(envelope_to({"ok@example.org"}));
  server().settle();
  run_for(10min, 5s);
  EXPECT_GE(fake_filter_.scans, 20);
  EXPECT_LE(fake_filter_.scans, 70);  // every ten seconds, not all the time
  EXPECT_TRUE(server().transport.calls.empty());
  restart();
  run_for(1min, 5s);
  EXPECT_TRUE(server().transport.calls.empty());
  fake_filter_.is_down = false;
  run_for(30s, 5s);
  ASSERT_EQ(server().transport.calls.size(), 1U);
  EXPECT_TRUE(server().transport.calls[0].text.starts_with("X-Spam-Score: 0.1\r\nFrom: "));
  EXPECT_EQ(server().size(), 0U);
}

TEST_F(FilteredScheduler, DeliverMeansAfterSomeTries) {
  fake_filter_.is_down = true;
  take(envelope_to({"ok@example.org"}));
  server().settle();
  EXPECT_TRUE(server().transport.calls.empty());
  run_for(1min, 5s);
  EXPECT_EQ(fake_filter_.scans, 3);
  ASSERT_EQ(server().transport.calls.size(), 1U);
  EXPECT_NE(server().transport.calls[0].text.find("X-Spam-Status:"), std::string::npos);
  EXPECT_TRUE(server().transport.calls[0].text.ends_with(Server::kText));
}

TEST_F(FilteredScheduler, OwnMailBouncesAndWhatWasScannedAreNotScanned) {
  message::Envelope own = envelope_to({"ok@far.test"});
  own.origin.sent_by = message::SentBy::user;
  take(own);
  server().settle();
  EXPECT_EQ(fake_filter_.scans, 0);
  take(envelope_to({"bad@far.test", "later@far.test"}));
  server().settle();
  EXPECT_EQ(notices().size(), 1U);
  EXPECT_EQ(fake_filter_.scans, 1);
  restart();
  run_for(30min, 5min);
  EXPECT_GE(server().transport.calls_to("later@far.test"), 1U);
  EXPECT_EQ(fake_filter_.scans, 1);
}

TEST_F(FilteredScheduler, DeletedOrHeldWhileItIsScanned) {
  fake_filter_.is_down = true;
  config_.filter.when_down = config::WhenDown::wait;
  const std::string first = take(envelope_to({"ok1@example.org"}));
  const std::string second = take(envelope_to({"ok2@example.org"}));
  server().settle();
  EXPECT_EQ(server().ask("delete", first).verb, "ok");
  EXPECT_EQ(server().ask("hold", second).verb, "ok");
  fake_filter_.is_down = false;
  run_for(2min, 5s);
  EXPECT_TRUE(server().transport.calls.empty());
  EXPECT_EQ(server().size(), 1U);
  take(envelope_to({"ok3@example.org"}));  // it still works
  server().settle();
  EXPECT_EQ(server().transport.calls_to("ok3@example.org"), 1U);
}

// The scan fails after the command came: it must not put the message back in line.
TEST_F(FilteredScheduler, CommandsWhileAScanHangs) {
  fake_filter_.is_down = true;
  config_.filter.when_down = config::WhenDown::wait;
  net::Event gate(server().loop.executor());
  fake_filter_.gate = &gate;
  const std::string deleted = take(envelope_to({"ok1@example.org"}));
  const std::string held = take(envelope_to({"ok2@example.org"}));
  server().settle();
  EXPECT_EQ(server().ask("delete", deleted).verb, "ok");
  EXPECT_EQ(server().ask("hold", held).verb, "ok");
  fake_filter_.gate = nullptr;
  gate.set();
  server().settle();
  EXPECT_EQ(server().size(), 1U);
  fake_filter_.is_down = false;
  run_for(5min, 10s);
  EXPECT_TRUE(server().transport.calls.empty());
  take(envelope_to({"ok3@example.org"}));
  server().settle();
  EXPECT_EQ(server().transport.calls_to("ok3@example.org"), 1U);
  EXPECT_EQ(server().ask("release", held).verb, "ok");
  server().settle();
  EXPECT_EQ(server().transport.calls_to("ok2@example.org"), 1U);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(log_.count("event=coroutine.threw"), 0);
}

// --- commands

TEST_F(Scheduler, HeldMailStaysUntilItIsReleased) {
  const std::string id = take(envelope_to({"later@far.test"}));
  server().settle();
  EXPECT_EQ(server().ask("hold", id).verb, "ok");
  EXPECT_EQ(server().state(id), "hold");
  run_for(24h * 7, 6h);
  EXPECT_EQ(server().transport.calls.size(), 1U);
  EXPECT_EQ(server().ask("retry", id).verb, "refused");
  EXPECT_EQ(server().retry_all().get("not_for_now"), "1");
  restart();
  run_for(2h, 10min);
  EXPECT_TRUE(server().transport.calls.empty());
  EXPECT_EQ(server().state(id), "hold");
  EXPECT_TRUE(notices().empty());
  EXPECT_EQ(server().ask("release", id).verb, "ok");
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 1U);
}

TEST_F(Scheduler, RetryTriesOnceAndNow) {
  const std::string id = take(envelope_to({"later@far.test"}));
  server().settle();
  EXPECT_EQ(server().ask("retry", id).verb, "ok");
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 2U);
  EXPECT_EQ(server().retry_all().get("done"), "1");
  server().settle();
  EXPECT_EQ(server().transport.calls.size(), 3U);
  EXPECT_EQ(server().ask("retry", "0123456789ABC").verb, "refused");
  EXPECT_EQ(server().ask("hold", "../../etc/passwd").verb, "refused");
  EXPECT_EQ(server().ask("delete", "").verb, "refused");
  EXPECT_EQ(server().ask("nonsense", id).verb, "refused");
}

TEST_F(Scheduler, RetryAllWhileAttemptsRunBlocksNoDestination) {
  config_.queue.attempts_per_destination_max = 2;
  server().transport.stuck = {"slow.test"};
  for (int i = 0; i < 6; ++i) take(envelope_to({"ok" + std::to_string(i) + "@slow.test"}));
  server().settle();
  EXPECT_EQ(server().retry_all().get("done"), "6");
  server().settle();
  EXPECT_EQ(server().transport.running["slow.test"], 2);
  server().transport.open("slow.test");
  server().settle(100);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.most["slow.test"], 2);
  take(envelope_to({"after@slow.test"}));
  server().settle();
  EXPECT_EQ(server().transport.calls_to("after@slow.test"), 1U);
}

TEST_F(Scheduler, DeleteAndHoldWhileAnAttemptRuns) {
  server().transport.stuck = {"slow.test"};
  const std::string doomed = take(envelope_to({"ok@slow.test", "later@slow.test"}));
  const std::string held = take(envelope_to({"later2@slow.test"}));
  const std::string done = take(envelope_to({"ok3@slow.test"}));
  server().settle();
  EXPECT_EQ(server().ask("delete", doomed).verb, "ok");
  EXPECT_EQ(server().ask("hold", held).verb, "ok");
  EXPECT_EQ(server().ask("hold", done).verb, "ok");
  EXPECT_EQ(server().ask("delete", doomed).verb, "ok");
  server().transport.open("slow.test");
  server().settle(60);
  run_for(2h, 10min);
  EXPECT_EQ(server().size(), 1U);  // the held one; what was delivered is gone
  EXPECT_EQ(server().state(held), "hold");
  EXPECT_EQ(server().transport.calls_to("later2@slow.test"), 1U);
  EXPECT_EQ(server().transport.calls_to("later@slow.test"), 1U);
  restart();
  EXPECT_EQ(server().size(), 1U);
  EXPECT_EQ(server().ask("release", held).verb, "ok");
  server().settle();
  EXPECT_EQ(server().transport.calls_to("later2@slow.test"), 1U);
}

TEST_F(Scheduler, AReleaseThatComesAsTheMessageGoesDisturbsNobody) {
  server().transport.stuck = {"slow.test"};
  const std::string id = take(envelope_to({"ok@slow.test"}));
  server().settle();
  EXPECT_EQ(server().ask("hold", id).verb, "ok");
  server().transport.open("slow.test");
  server().ask("release", id);  // its record and the attempt's end cross
  server().settle();
  take(envelope_to({"next@far.test"}));
  server().settle();
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.calls_to("next@far.test"), 1U);
}

TEST_F(Scheduler, CommandsThatTheDiskRefuses) {
  const std::string id = take(envelope_to({"later@far.test"}));
  server().settle();
  disk_.arm({.fault = FaultDisk::Fault::once, .at = 1, .error = EIO});
  EXPECT_EQ(server().ask("delete", id).verb, "refused");
  disk_.arm({.fault = FaultDisk::Fault::once, .at = 2, .error = ENOSPC});
  EXPECT_EQ(server().ask("hold", id).verb, "refused");
  disk_.arm({});
  EXPECT_EQ(server().state(id), "deferred");
  EXPECT_EQ(server().ask("delete", id).verb, "ok");
  EXPECT_EQ(server().size(), 0U);
  EXPECT_TRUE(names_in(folder_.path() / "spool/active").empty());
}

TEST_F(Scheduler, VerbsAtRandomMoments) {
  // Whatever order commands and attempts come in: nothing is delivered twice, nothing is stuck.
  std::minstd_rand random(7);
  server().transport.stuck = {"slow.test"};
  std::vector<std::string> ids;
  for (int round = 0; round < 400; ++round) {
    const auto pick = [&] { return ids.empty() ? "" : ids[random() % ids.size()]; };
    switch (random() % 8) {
      case 0:
      case 1:
        ids.push_back(take(envelope_to({"ok@slow.test", "ok@far.test"})));
        break;
      case 2:
        server().ask("hold", pick());
        break;
      case 3:
        server().ask("release", pick());
        break;
      case 4:
        server().ask("retry", pick());
        break;
      case 5:
        server().transport.open("slow.test");
        break;
      case 6:
        server().transport.stuck.insert("slow.test");
        break;
      default:
        server().step(std::chrono::seconds(random() % 400), static_cast<int>(random() % 4));
    }
  }
  server().transport.open("slow.test");
  for (const std::string& id : ids) server().ask("release", id);
  server().settle(200);
  run_for(2h, 10min);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(server().transport.delivered.size(), ids.size() * 2);
  for (const auto& [what, times] : server().transport.delivered) EXPECT_EQ(times, 1) << what;
  EXPECT_EQ(log_.count("event=coroutine.threw"), 0);
}

// --- clocks

struct Jump {
  const char* name;
  std::chrono::milliseconds by;
};

TEST_F(Scheduler, AWallClockThatJumpsExpiresNothingAndHurriesNothing) {
  using std::chrono::hours;
  const auto epoch = -clock_.now().time_since_epoch() + 1min;
  const Jump rows[] = {{"a year on", hours(24 * 365)},
                       {"a year back", -hours(24 * 365)},
                       {"1970", epoch},
                       {"an hour back", -1h}};
  for (const Jump& row : rows) {
    SCOPED_TRACE(row.name);
    const WallTime before = clock_.now();
    const std::string id = take(envelope_to({"later@far.test"}));
    server().settle();
    run_for(1h, 5min);
    server().transport.calls.clear();
    clock_.set_wall(before + row.by);
    run_for(2h, 5min);
    EXPECT_LE(server().transport.calls.size(), 4U) << "hurried";
    EXPECT_GE(server().transport.calls.size(), 1U) << "asleep";
    restart();  // and when it starts under the wrong clock
    run_for(2h, 5min);
    EXPECT_LE(server().transport.calls.size(), 5U) << "hurried";
    EXPECT_GE(server().transport.calls.size(), 1U) << "asleep";
    clock_.set_wall(before + 5h);  // mended
    restart();
    run_for(2h, 5min);
    EXPECT_GE(server().transport.calls.size(), 1U) << "asleep";
    EXPECT_TRUE(notices().empty());
    EXPECT_EQ(server().size(), 1U);
    EXPECT_EQ(server().ask("delete", id).verb, "ok");
  }
  EXPECT_EQ(log_.count("event=queue.bounced"), 0);
}

TEST_F(Scheduler, AgeCountsAcrossRestarts) {
  config_.queue.warn_after = 0ms;
  config_.queue.expire_after = 12h;
  take(envelope_to({"later@far.test"}));
  server().settle();
  for (int i = 0; i < 8; ++i) {
    run_for(100min, 10min);
    restart();
    server().settle();
  }
  run_for(2h, 10min);
  EXPECT_EQ(server().size(), 0U);
  EXPECT_EQ(log_.count("event=queue.bounced"), 1);
}

// --- numbers

TEST_F(Scheduler, TenThousandQueuedMessages) {
  {
    Server seed(config_, disk_, clock_);
    ASSERT_TRUE(seed.start());
    seed.transport.stuck = {"slow.test", "relay.test"};
    const auto id = seed.take(envelope_to({"old@relay.test"}));
    ASSERT_TRUE(id);
    const Path active = folder_.path() / "spool/active";
    const std::string text = read_text(active / *id);
    for (int i = 1; i < 10'000; ++i)
      write_text(active / fmt::format("{:03}3456789{:03}", i / 1000, i % 1000), text);
  }
  // Of all threads; what others do to the disk meanwhile is no matter of the scheduler's.
  const std::clock_t begun = std::clock();
  server();
  EXPECT_LT((std::clock() - begun) / CLOCKS_PER_SEC, 30);
  EXPECT_EQ(server().size(), 10'000U);
  server().transport.stuck = {"relay.test"};
  server().settle(100);
  // New mail is not behind them: neither elsewhere nor to the same place.
  take(envelope_to({"new@example.org"}));
  server().settle(100);
  EXPECT_EQ(server().transport.calls_to("new@example.org"), 1U);
  EXPECT_EQ(server().transport.running["relay.test"], 20);
}

TEST_F(Scheduler, NewMailIsNotBehindAllTheOldToTheSamePlace) {
  config_.queue.attempts_per_destination_max = 2;
  server().transport.down = {"relay.test"};
  for (int i = 0; i < 300; ++i) take(envelope_to({"old@relay.test"}));
  server().settle_until([&] { return server().count("queue.deferred") == 300; });
  server().transport.down.clear();
  server().transport.stuck = {"relay.test"};
  server().transport.calls.clear();
  server().retry_all();
  server().settle(600);
  EXPECT_EQ(server().transport.calls.size(), 2U);
  for (int i = 0; i < 3; ++i) take(envelope_to({"new@relay.test"}));
  server().settle(300);
  server().transport.stuck.clear();
  server().transport.open("relay.test");
  server().settle_until([&] { return server().size() == 0; });
  EXPECT_EQ(server().size(), 0U);
  const auto& calls = server().transport.calls;
  std::size_t last = 0;
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (calls[i].envelope.recipients[0].address.starts_with("new")) last = i;
  EXPECT_LE(last, 20U);
  EXPECT_EQ(calls.size(), 303U);
}

// A text that the disk has changed does not go out; the others do.
TEST_F(Scheduler, ADamagedTextIsSetAsideBeforeItGoesOut) {
  config_.queue.warn_after = 0ms;
  const std::string id = take(envelope_to({"later@far.test"}));
  const std::string other = take(envelope_to({"later2@far.test"}));
  server().settle();
  server_.reset();
  const Path path = folder_.path() / "spool/active" / id;
  std::string text = read_text(path);
  text[text.size() - 4] ^= 1;
  write_text(path, text);
  run_for(2h, 10min);
  EXPECT_EQ(server().transport.calls_to("later@far.test"), 0U);
  EXPECT_GE(server().transport.calls_to("later2@far.test"), 1U);
  EXPECT_EQ(server().size(), 1U);
  EXPECT_EQ(log_.count("event=queue.corrupt"), 1);
  EXPECT_EQ(names_in(folder_.path() / "spool/corrupt").size(), 2U);
}

// A full disk: what is done is known, though it cannot be recorded for a while.
TEST_F(Scheduler, NoDuplicatesWhileTheDiskIsFull) {
  const std::string id = take(envelope_to({"later@far.test", "ok@slow.test"}));
  server().transport.stuck = {"slow.test"};
  server().settle();
  disk_.arm({.fault = FaultDisk::Fault::for_good, .at = 1, .error = ENOSPC});
  server().transport.open("slow.test");
  server().settle();
  run_for(3h, 10min);
  EXPECT_EQ(server().transport.calls_to("ok@slow.test"), 1U);
  EXPECT_GE(server().transport.calls_to("later@far.test"), 3U);
  EXPECT_FALSE(server().take(envelope_to({"ok@far.test"})));
  disk_.arm({});  // there is room again, and nobody had to do anything
  run_for(2h, 10min);
  restart();
  run_for(2h, 10min);
  EXPECT_EQ(server().transport.calls_to("ok@slow.test"), 0U);
  EXPECT_GE(server().transport.calls_to("later@far.test"), 1U);
  EXPECT_EQ(server().state(id), "deferred");
}

// A message whose files cannot be removed is not bounced again each time that is tried.
TEST_F(Scheduler, OneBounceThoughTheRemovalFails) {
  take(envelope_to({"bad@far.test"}));
  server().settle(40);
  EXPECT_EQ(notices().size(), 1U);
  disk_.arm({});
  take(envelope_to({"bad@far.test"}));
  server().settle(40);
  const auto operations = disk_.operations();
  int at = 0;
  for (std::size_t i = 0; i < operations.size(); ++i)
    if (operations[i] == FaultDisk::Op::remove && at == 0) at = static_cast<int>(i) + 1;
  ASSERT_GT(at, 0);
  disk_.arm({.fault = FaultDisk::Fault::once, .at = at, .error = EIO});
  take(envelope_to({"bad@far.test"}));
  server().settle(40);
  run_for(30min, 5min);
  EXPECT_EQ(notices().size(), 3U);
  EXPECT_EQ(server().size(), 0U);
}

}  // namespace
}  // namespace posthorn::queue
