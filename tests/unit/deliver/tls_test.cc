// TLS and logins towards a smarthost: where TLS is required nothing goes out without it, a wrong
// certificate or an injected reply ends the attempt, a password is never said in the clear, and a
// refused login keeps the queue.
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TlsTest : public TransportsTest {
 protected:
  route::RelayPlan login(std::uint16_t port, config::TlsPolicy tls) {
    route::RelayPlan plan = relay(port, tls);
    plan.user = "alice";
    plan.password = "secret";
    return plan;
  }
};

TEST_F(TlsTest, VerifiedAndNamed) {
  FakeSmtpPeer peer(Dialog{}, {.tls = good_.get()});
  EXPECT_EQ(kinds(attempt(relay(peer.port(), config::TlsPolicy::verify))), "DDD");
  peer.stop();
  EXPECT_TRUE(peer.session().tls);
  EXPECT_EQ(peer.session().server_name, "smtp.test");
  EXPECT_THAT(peer.session().commands,
              ::testing::ElementsAre("EHLO me.test", "STARTTLS", "EHLO me.test", StartsWith("MAIL"),
                                     StartsWith("RCPT"), StartsWith("RCPT"), StartsWith("RCPT"),
                                     "DATA", "QUIT"));
}

TEST_F(TlsTest, CertificatesThatProveNothing) {
  const test::Authority stranger;
  const auto foreign = stranger.issue(folder_, "foreign", {.names = {"smtp.test"}});
  const struct {
    std::string name;
    std::unique_ptr<net::TlsServer> tls;
  } rows[] = {
      {"expired", load("expired", {.names = {"smtp.test"},
                                   .begins = std::chrono::hours(-47),
                                   .ends = std::chrono::hours(-1)})},
      {"not yet", load("early", {.names = {"smtp.test"},
                                 .begins = std::chrono::hours(1),
                                 .ends = std::chrono::hours(2)})},
      {"other name", load("other", {.names = {"smtp.example"}})},
      {"partial wildcard", load("partial", {.names = {"s*.test"}})},
      {"wildcard too deep", load("deep", {.names = {"*.smtp.test"}})},
      {"address only", load("address", {.addresses = {"127.0.0.1"}})},
      {"unknown authority", *net::TlsServer::load({foreign})},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    FakeSmtpPeer peer(Dialog{}, {.tls = row.tls.get()});
    const Attempted attempted = attempt(login(peer.port(), config::TlsPolicy::verify));
    EXPECT_EQ(kinds(attempted), "ddd");
    EXPECT_TRUE(attempted.destination_down);
    EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr("certificate"));
    peer.stop();
    EXPECT_THAT(peer.session().commands, ::testing::ElementsAre("EHLO me.test", "STARTTLS"));

    // Encryption only: the same certificates do.
    FakeSmtpPeer second(Dialog{}, {.tls = row.tls.get()});
    EXPECT_EQ(kinds(attempt(relay(second.port(), config::TlsPolicy::encrypt))), "DDD");
    second.stop();
    EXPECT_TRUE(second.session().tls);
  }
}

TEST_F(TlsTest, RequiredMeansRequired) {
  const struct {
    std::string name;
    Dialog dialog;
  } rows[] = {
      {"not offered", {{"EHLO", {say(kPipelining)}}}},
      {"454", {{"STARTTLS", {say("454 4.7.0 not now\r\n")}}}},
      {"501", {{"STARTTLS", {say("501 5.5.4 no\r\n")}}}},
      {"503 and gone", {{"STARTTLS", {say_and_close("503 5.5.1 no\r\n")}}}},
      {"250 is no 220", {{"STARTTLS", {say("250 fine\r\n")}}}},
      {"stalls", {{"STARTTLS", {stall()}}}},
      {"gone", {{"STARTTLS", {hang_up()}}}},
      {"injected in the same segment",
       {{"STARTTLS", {say("220 go\r\n250-x\r\n250 AUTH PLAIN\r\n")}}}},
      {"half a line injected", {{"STARTTLS", {say("220 go\r\n25")}}}},
      {"plaintext instead of a handshake", {{"handshake", {say("250 AUTH PLAIN\r\n")}}}},
      {"handshake stalls", {{"handshake", {stall()}}}},
      {"handshake, gone", {{"handshake", {hang_up()}}}},
      {"handshake, reset", {{"handshake", {reset()}}}},
      {"handshake is an endless line",
       {{"handshake", {say_and_close(std::string(1U << 20U, 'z'))}}}},
      {"gone after the handshake", {{"EHLO", {say(kLogin), hang_up()}}}},
      {"421 after the handshake", {{"EHLO", {say(kLogin), say_and_close("421 no\r\n")}}}},
  };
  for (const auto& row : rows) {
    for (const auto level : {config::TlsPolicy::verify, config::TlsPolicy::encrypt}) {
      SCOPED_TRACE(fmt::format("{}, {}", row.name, to_string(level)));
      set_patience(row.dialog);
      FakeSmtpPeer peer(row.dialog, {.tls = good_.get()});
      const Attempted attempted = attempt(login(peer.port(), level));
      EXPECT_EQ(kinds(attempted), "ddd");
      EXPECT_TRUE(attempted.destination_down);
      EXPECT_FALSE(attempted.login_refused);
      peer.stop();
      for (const auto& session : peer.sessions()) {
        EXPECT_THAT(session.commands, Not(Contains(StartsWith("MAIL"))));
        EXPECT_THAT(session.commands, Not(Contains(StartsWith("AUTH"))));
      }
    }
  }
}

// Opportunistic TLS is better than none, and mail is better than no mail.
TEST_F(TlsTest, WhereTlsMayBe) {
  const struct {
    std::string name;
    Dialog dialog;
    std::size_t connections;
  } rows[] = {
      {"not offered", {{"EHLO", {say(kPipelining)}}}, 1},
      {"454", {{"STARTTLS", {say("454 4.7.0 not now\r\n")}}}, 1},
      {"handshake, gone", {{"handshake", {hang_up()}}}, 2},
      {"handshake garbage", {{"handshake", {say("250 what\r\n")}}}, 2},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    FakeSmtpPeer peer(row.dialog, {.tls = good_.get()});
    EXPECT_EQ(kinds(attempt(relay(peer.port(), config::TlsPolicy::may))), "DDD");
    peer.stop();
    EXPECT_FALSE(peer.session().tls);
    EXPECT_EQ(peer.connections(), row.connections);
  }
  FakeSmtpPeer peer(Dialog{}, {.tls = good_.get()});
  EXPECT_EQ(kinds(attempt(relay(peer.port(), config::TlsPolicy::may))), "DDD");
  peer.stop();
  EXPECT_TRUE(peer.session().tls);
}

// Whoever strips STARTTLS from the reply must not be given the password.
TEST_F(TlsTest, NoPasswordInTheClear) {
  for (const Dialog& dialog :
       {Dialog{{"EHLO", {say("250-peer.test\r\n250 AUTH PLAIN\r\n")}}},
        Dialog{{"EHLO", {say(kLogin)}}, {"STARTTLS", {say("454 4.7.0 not now\r\n")}}}}) {
    FakeSmtpPeer peer(dialog, {.tls = good_.get()});
    const Attempted attempted = attempt(login(peer.port(), config::TlsPolicy::may));
    EXPECT_EQ(kinds(attempted), "ddd");
    peer.stop();
    for (const auto& session : peer.sessions()) {
      EXPECT_THAT(session.commands, Not(Contains(StartsWith("AUTH"))));
      EXPECT_THAT(session.commands, Not(Contains(StartsWith("MAIL"))));
    }
  }
}

TEST_F(TlsTest, Logins) {
  const struct {
    std::string name;
    Dialog dialog;
    std::string kinds;
    bool refused;
    std::string reason;
  } rows[] = {
      {"welcome", {}, "DDD", false, ""},
      {"535", {{"AUTH", {say("535 5.7.8 wrong\r\n")}}}, "ddd", true, "535 5.7.8"},
      {"535 and gone", {{"AUTH", {say_and_close("535 5.7.8 wrong\r\n")}}}, "ddd", true, "535"},
      {"534", {{"AUTH", {say("534 5.7.9 too weak\r\n")}}}, "ddd", true, "534"},
      {"503", {{"AUTH", {say("503 no AUTH\r\n")}}}, "ddd", true, "503"},
      {"454", {{"AUTH", {say("454 4.7.0 database\r\n")}}}, "ddd", false, "454"},
      {"421", {{"AUTH", {say_and_close("421 4.7.0 bye\r\n")}}}, "ddd", false, "421"},
      {"334 is no welcome", {{"AUTH", {say("334 \r\n")}}}, "ddd", false, "334"},
      {"stalls", {{"AUTH", {stall()}}}, "ddd", false, "timed out"},
      {"gone", {{"AUTH", {hang_up()}}}, "ddd", false, "closed"},
      {"garbage", {{"AUTH", {say("yes\r\n")}}}, "ddd", false, "SMTP"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Dialog dialog = row.dialog;
    dialog["EHLO"] = {say(kLogin)};
    set_patience(dialog);
    FakeSmtpPeer peer(dialog, {.tls = good_.get()});
    const Attempted attempted = attempt(login(peer.port(), config::TlsPolicy::verify));
    EXPECT_EQ(kinds(attempted), row.kinds);
    EXPECT_EQ(attempted.login_refused, row.refused);
    EXPECT_EQ(attempted.destination_down, row.kinds == "ddd");
    EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr(row.reason));
    EXPECT_THAT(attempted.outcomes[0].reason, Not(HasSubstr("secret")));
    peer.stop();
    EXPECT_THAT(peer.session().commands, Contains("AUTH PLAIN AGFsaWNlAHNlY3JldA=="));
    if (row.kinds == "ddd") {
      EXPECT_THAT(peer.session().commands, Not(Contains(StartsWith("MAIL"))));
    }
  }
}

TEST_F(TlsTest, LoginMechanism) {
  const std::string offer = "250-peer.test\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n";
  FakeSmtpPeer peer(Dialog{{"EHLO", {say(offer)}},
                           {"AUTH", {say("334 VXNlcm5hbWU6\r\n")}},
                           {"other", {say("334 UGFzc3dvcmQ6\r\n"), say("235 welcome\r\n")}}},
                    {.tls = good_.get()});
  EXPECT_EQ(kinds(attempt(login(peer.port(), config::TlsPolicy::verify))), "DDD");
  peer.stop();
  EXPECT_THAT(peer.session().commands,
              ::testing::IsSupersetOf({"AUTH LOGIN", "YWxpY2U=", "c2VjcmV0"}));
}

}  // namespace
}  // namespace posthorn::deliver
