// The next host of a domain when the first one puts mail off: RFC 5321 section 5.1 at every stage
// of the dialog, for one recipient and for two that differ. Who was refused for good, has the mail
// or may have it, is not offered to another; how many hosts an attempt asks is bounded; and where
// the mail goes when none of them took it.
#include "tests/support/captured_log.h"
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;

class NextHostTest : public TransportsTest {
 protected:
  NextHostTest() {
    dns_.a("one.test", "127.0.0.1").a("two.test", "127.0.0.2").a("three.test", "127.0.0.3");
    dns_.mx("d.test", 10, "one.test").mx("d.test", 20, "two.test").mx("d.test", 30, "three.test");
  }
  // Servers on one port, at 127.0.0.1 to 127.0.0.3.
  void serve(Dialog one, Dialog two = {}, Dialog three = {}) {
    peers_.clear();
    int host = 0;
    for (Dialog& dialog : std::vector<Dialog>{std::move(one), std::move(two), std::move(three)}) {
      FakeSmtpPeer::Options options;
      options.where.host = "127.0.0." + std::to_string(++host);
      if (!peers_.empty()) options.where.port = peers_[0]->port();
      peers_.push_back(std::make_unique<FakeSmtpPeer>(std::move(dialog), options));
    }
    config_.relay.mx_port = peers_[0]->port();
  }
  Attempted go(std::size_t recipients, std::vector<route::RelayPlan> fallbacks = {}) {
    return attempt(route::MxPlan{"d.test", std::move(fallbacks)}, recipients);
  }
  // "1+1+0" connections.
  std::string served() const {
    std::string text;
    for (const auto& peer : peers_)
      text += (text.empty() ? "" : "+") + std::to_string(peer->connections());
    return text;
  }
  // Whom a host was asked to take mail for: "0 1".
  std::string asked(std::size_t host) const {
    std::string text;
    for (const std::string& line : peers_[host]->session().commands)
      if (line.starts_with("RCPT TO:<r"))
        text += (text.empty() ? "" : " ") + line.substr(10, line.find('@') - 10);
    return text;
  }

  std::vector<std::unique_ptr<FakeSmtpPeer>> peers_;
};

TEST_F(NextHostTest, AtEachStage) {
  const std::string later = "451 4.2.0 later\r\n", busy = "421 4.3.2 busy\r\n",
                    never = "550 5.1.1 never\r\n";
  const struct {
    std::string name, stage;
    Act act;
    char kind;
    bool is_asked;  // the next one
  } rows[] = {
      {"banner 451", "banner", say(later), 'D', true},
      {"banner 421", "banner", say_and_close(busy), 'D', true},
      {"banner 550", "banner", say(never), 'D', true},
      {"banner gone", "banner", hang_up(), 'D', true},
      {"banner reset", "banner", reset(), 'D', true},
      {"EHLO 421", "EHLO", say_and_close(busy), 'D', true},
      {"EHLO gone", "EHLO", hang_up(), 'D', true},
      {"MAIL 451", "MAIL", say(later), 'D', true},
      {"MAIL 421", "MAIL", say_and_close(busy), 'D', true},
      {"MAIL gone", "MAIL", hang_up(), 'D', true},
      {"MAIL 550", "MAIL", say(never), 'F', false},
      {"RCPT 451", "RCPT", say(later), 'D', true},
      {"RCPT 421", "RCPT", say_and_close(busy), 'D', true},
      {"RCPT gone", "RCPT", hang_up(), 'D', true},
      {"RCPT reset", "RCPT", reset(), 'D', true},
      {"RCPT 550", "RCPT", say(never), 'F', false},
      {"DATA 451", "DATA", say(later), 'D', true},
      {"DATA 421", "DATA", say_and_close(busy), 'D', true},
      {"DATA gone", "DATA", hang_up(), 'D', true},
      {"DATA 550", "DATA", say(never), 'F', false},
      {"dot 451", "EOD", say(later), 'D', true},
      {"dot 421", "EOD", say_and_close(busy), 'D', true},
      {"dot 550", "EOD", say(never), 'F', false},
      // Whether it was taken nobody knows: another host would make a second copy of it.
      {"dot gone", "EOD", hang_up(), 'd', false},
      {"dot reset", "EOD", reset(), 'd', false},
  };
  for (const auto& row : rows)
    for (const std::size_t recipients : {1U, 2U})
      for (const std::string& offered : {kPipelining, kPlain}) {
        SCOPED_TRACE(row.name + " " + std::to_string(recipients));
        Dialog dialog = {{row.stage, {row.act}}};
        if (row.stage != "EHLO") dialog["EHLO"] = {say(offered)};
        serve(dialog);
        const Attempted attempted = go(recipients);
        EXPECT_EQ(kinds(attempted), std::string(recipients, row.kind));
        EXPECT_EQ(served(), row.is_asked ? "1+1+0" : "1+0+0");
        EXPECT_FALSE(attempted.destination_down);
        if (row.is_asked) {
          EXPECT_EQ(asked(1), recipients == 1 ? "0" : "0 1");
          EXPECT_THAT(attempted.outcomes[0].remote, HasSubstr("two.test"));
        }
      }
}

TEST_F(NextHostTest, RecipientsThatDiffer) {
  const Act yes = say("250 2.1.5 ok\r\n"), later = say("450 4.2.0 later\r\n"),
            never = say("550 5.1.1 never\r\n");
  const struct {
    std::vector<Act> recipients;
    std::optional<Act> end;
    std::string kinds, asked;  // asked: of the second host
  } rows[] = {
      {{yes, later}, {}, "DD", "1"},
      {{later, yes}, {}, "DD", "0"},
      {{later, later}, {}, "DD", "0 1"},
      {{yes, never}, {}, "DF", ""},
      {{never, later}, {}, "FD", "1"},
      {{never, never}, {}, "FF", ""},
      {{yes, later, never}, {}, "DDF", "1"},
      {{yes, later}, say("451 4.3.0 later\r\n"), "DD", "0 1"},
      {{yes, never}, say("451 4.3.0 later\r\n"), "DF", "0"},
      {{yes, later}, say("554 5.6.0 no\r\n"), "FD", "1"},
      // The first one may have it, the second one has not.
      {{yes, later}, hang_up(), "dD", "1"},
      {{yes, never}, hang_up(), "dF", ""},
  };
  for (const auto& row : rows)
    for (const std::string& offered : {kPipelining, kPlain}) {
      SCOPED_TRACE(row.kinds + " " + row.asked);
      Dialog dialog = {{"EHLO", {say(offered)}}, {"RCPT", row.recipients}};
      if (row.end) dialog["EOD"] = {*row.end};
      serve(dialog);
      EXPECT_EQ(kinds(go(row.recipients.size())), row.kinds);
      EXPECT_EQ(asked(1), row.asked);
      EXPECT_EQ(served(), row.asked.empty() ? "1+0+0" : "1+1+0");
    }
}

TEST_F(NextHostTest, WhatWasSaidOfADeferral) {
  // The second one's word, where it says one.
  serve({{"RCPT", {say("450 4.2.0 first\r\n")}}}, {{"RCPT", {say("452 4.2.2 second\r\n")}}});
  Attempted attempted = go(1);
  EXPECT_EQ(attempted.outcomes[0].reply.code, 452);
  EXPECT_FALSE(attempted.destination_down);
  // That the second one cannot be reached says less than what the first one said.
  serve({{"RCPT", {say("450 4.2.0 first\r\n")}}}, {{"banner", {hang_up()}}},
        {{"banner", {hang_up()}}});
  attempted = go(1);
  EXPECT_EQ(kinds(attempted), "d");
  EXPECT_EQ(attempted.outcomes[0].reply.code, 450);
  EXPECT_EQ(served(), "1+1+1");
  EXPECT_FALSE(attempted.destination_down);
}

// What the queue does not tell, as it hears of the end only.
TEST_F(NextHostTest, WhoWasPutOffBeforeIsTold) {
  const Act yes = say("250 2.1.5 ok\r\n"), later = say("450 4.2.0 later\r\n");
  const Dialog busy = {{"RCPT", {later}}}, deaf = {{"banner", {hang_up()}}};
  const struct {
    std::string name;
    Dialog one, two, three;
    std::vector<std::string> told;  // in order
  } rows[] = {
      {"taken at once", {}, {}, {}, {}},
      {"one of two", {{"RCPT", {yes, later}}}, {}, {}, {"to=r1@there.test relay=one.test"}},
      {"both",
       busy,
       {},
       {},
       {"to=r0@there.test relay=one.test", "to=r1@there.test relay=one.test"}},
      {"not reached",
       deaf,
       {},
       {},
       {"to=r0@there.test relay=one.test", "to=r1@there.test relay=one.test"}},
      {"one after the other",
       {{"RCPT", {yes, later}}},
       deaf,
       {},
       {"to=r1@there.test relay=one.test", "to=r1@there.test relay=two.test"}},
      {"refused for good", {{"RCPT", {say("550 5.1.1 no\r\n")}}}, {}, {}, {}},
      {"nobody asked behind the last",
       {{"RCPT", {yes, later}}},
       {{"RCPT", {later}}},
       {{"RCPT", {later}}},
       {"to=r1@there.test relay=one.test", "to=r1@there.test relay=two.test"}},
  };
  config_.relay.sessions_max = 3;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    serve(row.one, row.two, row.three);
    const test::CapturedLog log;
    (void)go(2);
    std::vector<std::string> told;
    for (const std::string& line : log.lines())
      if (line.contains("event=queue.passed.on")) told.push_back(line);
    ASSERT_EQ(told.size(), row.told.size());
    for (std::size_t i = 0; i < told.size(); ++i) EXPECT_THAT(told[i], HasSubstr(row.told[i]));
  }
  // A fallback is a next host, too.
  serve(busy, busy, busy);
  const FakeSmtpPeer fallback(Dialog{});
  const test::CapturedLog log;
  EXPECT_EQ(kinds(go(1, {relay(fallback.port())})), "D");
  EXPECT_EQ(log.count("event=queue.passed.on"), 3);
}

TEST_F(NextHostTest, HowManyAreAsked) {
  const Dialog later = {{"RCPT", {say("450 4.2.0 later\r\n")}}}, deaf = {{"banner", {hang_up()}}};
  const struct {
    std::size_t addresses, sessions;
    Dialog one, two, three;
    std::string kinds, served;
  } rows[] = {
      {5, 2, later, later, {}, "d", "1+1+0"},
      {5, 3, later, later, {}, "D", "1+1+1"},
      {5, 1, later, {}, {}, "d", "1+0+0"},
      {5, 1, deaf, deaf, {}, "D", "1+1+1"},  // a session is one that came to the envelope
      {2, 2, deaf, deaf, {}, "d", "1+1+0"},
  };
  for (const auto& row : rows) {
    config_.relay.addresses_max = row.addresses;
    config_.relay.sessions_max = row.sessions;
    serve(row.one, row.two, row.three);
    EXPECT_EQ(kinds(go(1)), row.kinds);
    EXPECT_EQ(served(), row.served);
  }
}

TEST_F(NextHostTest, TwoAddressesOfOneHost) {
  dns_.a("both.test", "127.0.0.1").a("both.test", "127.0.0.2");
  const Dialog later = {{"RCPT", {say("450 4.2.0 later\r\n")}}};
  serve(later, later);
  EXPECT_EQ(kinds(attempt(route::MxPlan{"both.test"}, 1)), "d");
  EXPECT_EQ(served(), "1+1+0");
  // A smarthost's are asked just so.
  route::RelayPlan plan = relay(config_.relay.mx_port);
  plan.host = "both.test";
  EXPECT_EQ(kinds(attempt(plan, 1)), "d");
  EXPECT_EQ(served(), "2+2+0");
}

TEST_F(NextHostTest, ThatOffersNoTlsWhereItMust) {
  config_.relay.mx_tls = config::TlsPolicy::encrypt;
  serve({});
  FakeSmtpPeer::Options options;
  options.where = {.host = "127.0.0.4", .port = config_.relay.mx_port};
  options.tls = good_.get();
  const FakeSmtpPeer secure(Dialog{{"EHLO", {say(kLogin)}}}, options);
  dns_.a("four.test", "127.0.0.4");
  dns_.mx("tls.test", 10, "one.test").mx("tls.test", 20, "four.test");
  EXPECT_EQ(kinds(attempt(route::MxPlan{"tls.test"}, 2)), "DD");
  EXPECT_EQ(served(), "1+0+0");
  EXPECT_TRUE(secure.session().tls);
  EXPECT_TRUE(peers_[0]->session().body.empty());
}

// Each recipient's notice is the matter of who took the mail for him.
TEST_F(NextHostTest, WhoAnswersForNotices) {
  serve({{"EHLO", {say("250-one.test\r\n250 DSN\r\n")}},
         {"RCPT", {say("250 ok\r\n"), say("450 4.2.0 later\r\n")}}},
        {{"EHLO", {say(kPlain)}}});
  const Attempted attempted = go(2);
  EXPECT_EQ(kinds(attempted), "DD");
  EXPECT_TRUE(attempted.outcomes[0].takes_notices);
  EXPECT_FALSE(attempted.outcomes[1].takes_notices);
}

// relay.fallback, as Postfix's smtp_fallback_relay.
TEST_F(NextHostTest, TheFallback) {
  const std::string later = "450 4.2.0 later\r\n";
  const Dialog busy = {{"RCPT", {say(later)}}}, deaf = {{"banner", {hang_up()}}};
  dns_.mx("null.test", 0, ".").mx("self.test", 10, "me.test").a("me.test", "127.0.0.1");
  const struct {
    std::string name, domain;
    Dialog hosts, fallback;
    std::string kinds;
    std::size_t asked;  // the fallback
  } rows[] = {
      {"they put it off", "d.test", busy, {}, "DD", 1},
      {"they do not answer", "d.test", deaf, {}, "DD", 1},
      {"no such domain", "nowhere.test", {}, {}, "DD", 1},
      {"no such domain, and it is busy", "nowhere.test", {}, busy, "dd", 1},
      {"no such domain, and it is deaf", "nowhere.test", {}, deaf, "dd", 1},
      {"it is no better", "d.test", busy, busy, "dd", 1},
      {"it says no", "d.test", busy, {{"RCPT", {say("550 5.1.1 no\r\n")}}}, "FF", 1},
      {"they took it", "d.test", {}, {}, "DD", 0},
      {"they said no", "d.test", {{"RCPT", {say("550 5.1.1 no\r\n")}}}, {}, "FF", 0},
      {"nobody knows", "d.test", {{"EOD", {hang_up()}}}, {}, "dd", 0},
      {"null MX", "null.test", {}, {}, "FF", 0},
      {"it would come back", "self.test", {}, {}, "FF", 0},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    serve(row.hosts, row.hosts, row.hosts);
    const FakeSmtpPeer fallback(row.fallback);
    const Attempted attempted = attempt(route::MxPlan{row.domain, {relay(fallback.port())}}, 2);
    EXPECT_EQ(kinds(attempted), row.kinds);
    EXPECT_EQ(fallback.connections(), row.asked);
  }
  // The first one that takes it, for those who are left; and for a smarthost's mail, too.
  const Dialog half = {{"RCPT", {say("250 ok\r\n"), say(later)}}};
  serve(half);
  const FakeSmtpPeer first(half), second(Dialog{});
  route::RelayPlan plan = relay(config_.relay.mx_port);
  plan.host = "one.test";
  plan.fallbacks = {relay(first.port()), relay(second.port())};
  EXPECT_EQ(kinds(attempt(plan, 3)), "DDD");
  EXPECT_EQ(first.connections(), 1U);
  EXPECT_EQ(second.connections(), 1U);
  EXPECT_EQ(second.session().commands.size(), 5U);  // EHLO, MAIL, RCPT, DATA, QUIT
}

}  // namespace
}  // namespace posthorn::deliver
