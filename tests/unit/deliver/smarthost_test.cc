// What becomes of each recipient when a smarthost fails, at every stage of the dialog and in every
// way: nothing that is not certain may bounce, nothing that was not taken may count as delivered,
// and a refused recipient stays refused whatever happens to the others.
#include "base/utf8.h"
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::string name;
  Dialog dialog;
  std::string kinds;
  std::string reason;  // part of the first recipient's that was not delivered
  bool down = false;   // nobody could be reached
};

std::string lines(std::size_t count, const std::string& code) {
  std::string text;
  for (std::size_t i = 0; i + 1 < count; ++i) text += code + "-more and more\r\n";
  return text + code + " the end\r\n";
}

const std::string kEndless = "250 " + std::string(1U << 20U, 'x') + "\r\n";

std::vector<Row> rows() {
  return {
      {"all well", {}, "DDD", ""},
      {"banner stalls", {{"banner", {stall()}}}, "ddd", "timed out", true},
      {"banner, gone", {{"banner", {hang_up()}}}, "ddd", "closed", true},
      {"banner, reset", {{"banner", {reset()}}}, "ddd", "", true},
      {"banner 421", {{"banner", {say_and_close("421 4.3.2 later\r\n")}}}, "ddd", "421", true},
      {"banner 554", {{"banner", {say("554 5.7.1 not you\r\n")}}}, "ddd", "554", true},
      {"banner is HTTP", {{"banner", {say("HTTP/1.1 400 Bad\r\n\r\n")}}}, "ddd", "SMTP", true},
      {"banner is cut", {{"banner", {say_and_close("220 he")}}}, "ddd", "closed", true},
      {"banner of 1 MB", {{"banner", {say(kEndless)}}}, "ddd", "endless", true},
      {"banner never ends", {{"banner", {say(lines(5000, "220"))}}}, "ddd", "SMTP", true},
      {"EHLO stalls", {{"EHLO", {stall()}}}, "ddd", "timed out", true},
      {"EHLO, gone", {{"EHLO", {hang_up()}}}, "ddd", "closed", true},
      {"EHLO 421", {{"EHLO", {say_and_close("421 busy\r\n")}}}, "ddd", "421", true},
      {"EHLO 502, HELO", {{"EHLO", {say("502 what\r\n")}}}, "DDD", ""},
      {"EHLO 550, HELO 550",
       {{"EHLO", {say("550 no\r\n")}}, {"HELO", {say("550 no\r\n")}}},
       "ddd",
       "550 no",
       true},
      {"EHLO 1 of 3 lines", {{"EHLO", {say("250-a\r\n250-b\r\n"), stall()}}}, "ddd", "", true},
      {"MAIL stalls", {{"MAIL", {stall()}}}, "ddd", "timed out"},
      {"MAIL, gone", {{"MAIL", {hang_up()}}}, "ddd", "closed"},
      {"MAIL 421", {{"MAIL", {say_and_close("421 4.7.0 slow down\r\n")}}}, "ddd", "421 4.7.0"},
      {"MAIL 451",
       {{"MAIL", {say("451 later\r\n")}}, {"RCPT", {say("503 MAIL?\r\n")}}},
       "ddd",
       "451"},
      {"MAIL 550",
       {{"MAIL", {say("550 5.7.1 no\r\n")}}, {"RCPT", {say("503 MAIL?\r\n")}}},
       "FFF",
       "550"},
      {"MAIL 550, gone", {{"MAIL", {say_and_close("550 5.7.1 no\r\n")}}}, "FFF", "550 5.7.1"},
      {"MAIL is garbage", {{"MAIL", {say("\x01\x02\x03\r\n")}}}, "ddd", "SMTP"},
      {"RCPT stalls", {{"RCPT", {stall()}}}, "ddd", "timed out"},
      {"RCPT, gone", {{"RCPT", {hang_up()}}}, "ddd", "closed"},
      {"RCPT mixed",
       {{"RCPT", {say("250 ok\r\n"), say("550 5.1.1 who\r\n"), say("451 4.3.0 later\r\n")}}},
       "DFd",
       "550 5.1.1 who"},
      {"RCPT all refused", {{"RCPT", {say("550 5.1.1 who\r\n")}}}, "FFF", "550"},
      {"RCPT all refused, gone at RSET",
       {{"RCPT", {say("550 5.1.1 who\r\n")}}, {"RSET", {hang_up()}}},
       "FFF",
       "550"},
      {"RCPT all later", {{"RCPT", {say("450 4.2.0 grey\r\n")}}}, "ddd", "450"},
      {"RCPT refused, taken, then 421 and gone",
       {{"RCPT", {say("550 5.1.1 who\r\n"), say("250 ok\r\n"), say_and_close("421 bye\r\n")}}},
       "Fdd",
       "550"},
      {"RCPT refused, then gone", {{"RCPT", {say("553 no\r\n"), hang_up()}}}, "Fdd", "553"},
      {"RCPT 354 is no yes", {{"RCPT", {say("354 go\r\n"), say("250 ok\r\n")}}}, "dDD", "354"},
      {"DATA stalls", {{"DATA", {stall()}}}, "ddd", "timed out"},
      {"DATA, gone", {{"DATA", {hang_up()}}}, "ddd", "closed"},
      {"DATA 421", {{"DATA", {say_and_close("421 later\r\n")}}}, "ddd", "421"},
      {"DATA 451", {{"DATA", {say("451 later\r\n")}}}, "ddd", "451"},
      {"DATA 554", {{"DATA", {say("554 5.5.1 no\r\n")}}}, "FFF", "554"},
      {"DATA 250 took nothing", {{"DATA", {say("250 ok\r\n")}}}, "ddd", "250"},
      {"DATA 554 after a mixture",
       {{"RCPT", {say("450 later\r\n"), say("250 ok\r\n")}}, {"DATA", {say("554 no\r\n")}}},
       "dFF",
       "450"},
      {"body, gone", {{"body", {hang_up()}}}, "ddd", ""},
      {"body, reset", {{"body", {reset()}}}, "ddd", ""},
      {"EOD stalls", {{"EOD", {stall()}}}, "ddd", "outcome unknown"},
      {"EOD, gone", {{"EOD", {hang_up()}}}, "ddd", "outcome unknown"},
      {"EOD, reset", {{"EOD", {reset()}}}, "ddd", "outcome unknown"},
      {"EOD cut", {{"EOD", {say_and_close("250 2.0.0 ta")}}}, "ddd", "outcome unknown"},
      {"EOD 1 of 2 lines", {{"EOD", {say_and_close("250-2.0.0 taken\r\n")}}}, "ddd", "unknown"},
      {"EOD 250, then reset", {{"EOD", {say_and_reset("250 taken\r\n")}}}, "DDD", ""},
      {"EOD 250, QUIT stalls", {{"QUIT", {stall()}}}, "DDD", ""},
      {"EOD 250, QUIT resets", {{"QUIT", {reset()}}}, "DDD", ""},
      {"EOD 421", {{"EOD", {say_and_close("421 later\r\n")}}}, "ddd", "421"},
      {"EOD 451", {{"EOD", {say("451 later\r\n")}}}, "ddd", "451"},
      {"EOD 554", {{"EOD", {say("554 5.7.1 spam\r\n")}}}, "FFF", "554 5.7.1 spam"},
      {"EOD 354", {{"EOD", {say("354 more\r\n")}}}, "ddd", "354"},
      {"EOD 550 after a mixture",
       {{"RCPT", {say("250 ok\r\n"), say("451 later\r\n"), say("550 who\r\n")}},
        {"EOD", {say("452 4.3.1 full\r\n")}}},
       "ddF",
       "452"},
      {"EOD 150 lines", {{"EOD", {say(lines(150, "250"))}}}, "DDD", ""},
      {"EOD 5000 lines", {{"EOD", {say(lines(5000, "250"))}}}, "ddd", "outcome unknown"},
      {"EOD of 1 MB", {{"EOD", {say(kEndless)}}}, "ddd", "outcome unknown"},
      {"EOD codes differ: the last counts", {{"EOD", {say("250-ok\r\n554 no\r\n")}}}, "FFF", "554"},
  };
}

class SmarthostTest : public TransportsTest {};

TEST_F(SmarthostTest, EveryFaultAtEveryStage) {
  for (const std::string& ehlo : {kPipelining, kPlain}) {
    for (Row& row : rows()) {
      SCOPED_TRACE(row.name + (ehlo == kPlain ? ", one by one" : ", pipelined"));
      if (!row.dialog.contains("EHLO")) row.dialog["EHLO"] = {say(ehlo)};
      set_patience(row.dialog);
      FakeSmtpPeer peer(row.dialog);
      const Attempted attempted = attempt(relay(peer.port()));
      EXPECT_EQ(kinds(attempted), row.kinds);
      EXPECT_EQ(attempted.destination_down, row.down);
      EXPECT_FALSE(attempted.login_refused);
      const std::string remote = "smtp.test[127.0.0.1]:" + std::to_string(peer.port());
      for (const Outcome& outcome : attempted.outcomes) EXPECT_EQ(outcome.remote, remote);
      const auto not_done = std::ranges::find_if(attempted.outcomes, [](const Outcome& outcome) {
        return outcome.kind != Outcome::Kind::delivered;
      });
      if (not_done != attempted.outcomes.end()) {
        EXPECT_THAT(not_done->reason, HasSubstr(row.reason));
        EXPECT_LT(not_done->reason.size(), 1200U);
      }
      peer.stop();
      const auto session = peer.session();
      EXPECT_FALSE(session.bare_line_ends);
      EXPECT_EQ(peer.connections(), 1U);
    }
  }
}

TEST_F(SmarthostTest, NobodyListensOrAnswers) {
  const ClosedPort closed;
  Attempted attempted = attempt(relay(closed.port()));
  EXPECT_EQ(kinds(attempted), "ddd");
  EXPECT_TRUE(attempted.destination_down);
  EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr("refused"));

  const SilentPort silent;
  set_patience(150ms);
  attempted = attempt(relay(silent.port()));
  EXPECT_EQ(kinds(attempted), "ddd");
  EXPECT_TRUE(attempted.destination_down);
  EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr("timed out"));
}

// The operator named this host: that DNS does not know it is no reason to bounce.
TEST_F(SmarthostTest, ItsNameIsNotThere) {
  for (const FakeDns::Fault fault :
       {FakeDns::Fault::nxdomain, FakeDns::Fault::servfail, FakeDns::Fault::refused}) {
    dns_.fault("smtp.test", fault);
    const Attempted attempted = attempt(relay(25));
    EXPECT_EQ(kinds(attempted), "ddd") << static_cast<int>(fault);
    EXPECT_TRUE(attempted.destination_down);
  }
}

TEST_F(SmarthostTest, WhatItWasTold) {
  FakeSmtpPeer peer(Dialog{{"EHLO", {say(kPipelining)}}});
  auto mail = envelope(2);
  mail.eight_bit = true;
  mail.origin = {.session = "S1",
                 .client_address = "192.0.2.1",
                 .client_name = "c.test",
                 .helo = "h",
                 .protocol = "ESMTP",
                 .account = "alice"};
  EXPECT_EQ(kinds(attempt(relay(peer.port()), mail, body("a: b\r\n\r\n", "p: q\r\n"))), "DD");
  peer.stop();
  EXPECT_THAT(
      peer.session().commands,
      ::testing::ElementsAre("EHLO me.test", "MAIL FROM:<alice@me.test> SIZE=14 BODY=8BITMIME",
                             "RCPT TO:<r0@there.test>", "RCPT TO:<r1@there.test>", "DATA", "QUIT"));
  EXPECT_EQ(peer.session().body, "p: q\r\na: b\r\n\r\n");
}

// A server without an extension is not asked for it.
TEST_F(SmarthostTest, WhatItDoesNotOffer) {
  FakeSmtpPeer peer(Dialog{{"EHLO", {say("250 peer.test\r\n")}}});
  auto mail = envelope(1);
  mail.eight_bit = true;
  mail.smtputf8 = true;
  mail.ret = message::Ret::full;
  mail.id = "id";
  mail.recipients[0].notify.never = true;
  mail.recipients[0].original = "rfc822;r@there.test";
  EXPECT_EQ(kinds(attempt(relay(peer.port()), mail, body("a: b\r\n\r\n\xC3\xA4\r\n"))), "D");
  peer.stop();
  EXPECT_THAT(peer.session().commands,
              ::testing::ElementsAre("EHLO me.test", "MAIL FROM:<alice@me.test>",
                                     "RCPT TO:<r0@there.test>", "DATA", "QUIT"));

  // RFC 6531: an address in UTF-8 has no other form.
  FakeSmtpPeer ascii(Dialog{{"EHLO", {say(kPipelining)}}});
  mail.recipients[0].address = "j\xC3\xBCrgen@there.test";
  const Attempted attempted = attempt(relay(ascii.port()), mail, body("x\r\n"));
  EXPECT_EQ(kinds(attempted), "F");
  EXPECT_EQ(attempted.outcomes[0].reply.enhanced, "5.6.7");
  ascii.stop();
  EXPECT_THAT(ascii.session().commands, ::testing::ElementsAre("EHLO me.test", "QUIT"));
}

// CVE-2020-8794 and its like: the text goes into the queue's records, the log and the bounce.
TEST_F(SmarthostTest, ItsTextIsHarmless) {
  const std::string evil =
      std::string("550 5.1.1 a\rb\x1B[31mc\0d\x7F", 21) + "\xFF\x80\xC3\xA4 e\r\n";
  for (const std::string stage : {"MAIL", "RCPT", "DATA", "EOD", "banner"}) {
    FakeSmtpPeer peer(Dialog{{stage, {say(evil)}}});
    const Attempted attempted = attempt(relay(peer.port()), 1);
    ASSERT_EQ(attempted.outcomes.size(), 1U);
    const std::string& reason = attempted.outcomes[0].reason;
    EXPECT_THAT(reason, HasSubstr("550 5.1.1 a")) << stage;
    const std::string& text = attempted.outcomes[0].reply.text;
    EXPECT_TRUE(is_utf8(reason) && is_utf8(text)) << stage;  // whole characters stay, no other byte
    const auto is_control = [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    };
    EXPECT_EQ(std::ranges::count_if(reason, is_control), 0) << stage;
    EXPECT_EQ(std::ranges::count_if(text, is_control), std::ranges::count(text, '\n')) << stage;
  }
}

// What lies in the spool leaves with CRLF only and its dots doubled, whatever its line ends were.
TEST_F(SmarthostTest, LineEndsAndDots) {
  const std::pair<std::string, std::string> table[] = {
      {"", ""},
      {"a\r\n", "a\r\n"},
      {"a", "a\r\n"},
      {".\r\n", "..\r\n"},
      {"a\n.\nb\n", "a\r\n..\r\nb\r\n"},
      {"a\r.\rb\r", "a\r\n..\r\nb\r\n"},
      {"a\n.\r\nMAIL FROM:<evil@x>\r\n", "a\r\n..\r\nMAIL FROM:<evil@x>\r\n"},
      {"a\r\n.\rMAIL\r\n", "a\r\n..\r\nMAIL\r\n"},
      {"a\r\r\n.b\r\n", "a\r\n\r\n..b\r\n"},
      {"..\r\n...\r\n", "...\r\n....\r\n"},
      {"\r", "\r\n"},
      {"\n", "\r\n"},
      {std::string("a\0b\r\n", 5), std::string("a\0b\r\n", 5)},
  };
  for (const auto& [stored, sent] : table) {
    FakeSmtpPeer peer;
    EXPECT_EQ(kinds(attempt(relay(peer.port()), envelope(1), body(stored))), "D");
    peer.stop();
    EXPECT_EQ(peer.session().body, sent);
    EXPECT_FALSE(peer.session().bare_line_ends);
    EXPECT_TRUE(peer.session().ended);
  }
}

// A server that has its fill in the middle of the message says so and goes.
TEST_F(SmarthostTest, ARefusalInTheMiddle) {
  const std::string big(6U << 20U, 'b');
  const struct {
    Act act;
    std::string kind;
    std::string reason;
  } rows[] = {
      {say_and_close("552 5.3.4 too big\r\n"), "F", "552 5.3.4 too big"},
      {say_and_close("451 4.3.1 no room\r\n"), "d", "451 4.3.1 no room"},
      {say_and_close("250 2.0.0 taken\r\n"), "d", ""},  // it cannot have
      {say_and_close("nonsense\r\n"), "d", ""},
      {hang_up(), "d", ""},
      {reset(), "d", ""},
  };
  for (const auto& row : rows) {
    FakeSmtpPeer peer(Dialog{{"body", {row.act}}});
    const Attempted attempted = attempt(relay(peer.port()), envelope(1), body(big));
    EXPECT_EQ(kinds(attempted), row.kind) << row.act.say;
    EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr(row.reason));
    peer.stop();
    EXPECT_FALSE(peer.session().ended);
  }
}

TEST_F(SmarthostTest, BigBodyAndBodyThatIsGone) {
  std::string big;
  while (big.size() < 2U << 20U) big += ".dots and\nbare line ends\r\n";
  set_patience(10s);
  FakeSmtpPeer peer;
  EXPECT_EQ(kinds(attempt(relay(peer.port()), envelope(1), body(big))), "D");
  peer.stop();
  EXPECT_FALSE(peer.session().bare_line_ends);
  EXPECT_EQ(peer.session().body.size(), big.size() / 26 * 28);

  // A spool file that is shorter than its record says: the message is not ended by us.
  FakeSmtpPeer other;
  Body cut = body("short\r\n");
  cut.size = 5000;
  EXPECT_EQ(kinds(attempt(relay(other.port()), envelope(1), cut)), "d");
  other.stop();
  EXPECT_FALSE(other.session().ended);
  FakeSmtpPeer third;
  cut.file = folder_.path() / "nothing";
  EXPECT_EQ(kinds(attempt(relay(third.port()), envelope(1), cut)), "d");
  third.stop();
  EXPECT_FALSE(third.session().ended);
}

}  // namespace
}  // namespace posthorn::deliver
