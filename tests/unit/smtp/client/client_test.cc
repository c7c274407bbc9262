// The client engine by itself: what it sends for each extension that is offered, how it reads
// replies cut anywhere and mixed up, and that more recipients than fit into a socket's buffers
// cannot lock both sides.
#include "smtp/client/client.h"

#include <gmock/gmock.h>

#include "net/socket.h"
#include "tests/support/fake_smtp_peer.h"
#include "tests/support/test_loop.h"

namespace posthorn::smtp {
namespace {

using test::Dialog;
using test::FakeServer;
using test::FakeSmtpPeer;
using test::say;
using test::Wire;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> client(const net::Address& address, bool lmtp = false) {
    auto stream = loop_.run(net::connect(loop_.executor(), address, test::soon(2s)));
    EXPECT_TRUE(stream) << (stream ? "" : stream.error().what);
    return std::make_unique<Client>(*std::move(stream),
                                    ClientOptions{.hostname = "me.test",
                                                  .lmtp = lmtp,
                                                  .is_inner = is_inner_,
                                                  .command_timeout = 500ms,
                                                  .data_timeout = 500ms},
                                    Clock::system());
  }
  static message::Envelope envelope(std::size_t recipients) {
    message::Envelope envelope;
    envelope.sender = "a@me.test";
    for (std::size_t i = 0; i < recipients; ++i)
      envelope.recipients.push_back(
          {.address = "r" + std::to_string(i) + "@x", .original = {}, .notify = {}});
    return envelope;
  }

  test::TestLoop loop_;
  bool is_inner_ = false;
};

TEST_F(ClientTest, Parameters) {
  auto mail = envelope(1);
  mail.declared_size = 100;
  mail.eight_bit = mail.smtputf8 = true;
  mail.ret = message::Ret::headers;
  mail.id = "a b+c";
  mail.recipients[0].notify = {.never = false, .success = true, .failure = true, .delay = false};
  mail.recipients[0].original = "rfc822;sales+1@x";
  const std::pair<std::string, std::pair<std::string, std::string>> rows[] = {
      {"HELP", {"MAIL FROM:<a@me.test>", "RCPT TO:<r0@x>"}},
      {"SIZE 1000", {"MAIL FROM:<a@me.test> SIZE=100", "RCPT TO:<r0@x>"}},
      {"size", {"MAIL FROM:<a@me.test> SIZE=100", "RCPT TO:<r0@x>"}},
      {"SIZES", {"MAIL FROM:<a@me.test>", "RCPT TO:<r0@x>"}},
      {"8BITMIME", {"MAIL FROM:<a@me.test> BODY=8BITMIME", "RCPT TO:<r0@x>"}},
      {"SMTPUTF8", {"MAIL FROM:<a@me.test> SMTPUTF8", "RCPT TO:<r0@x>"}},
      {"DSN",
       {"MAIL FROM:<a@me.test> RET=HDRS ENVID=a+20b+2Bc",
        "RCPT TO:<r0@x> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;sales+2B1@x"}},
  };
  for (const auto& [extension, lines] : rows) {
    SCOPED_TRACE(extension);
    FakeSmtpPeer peer(Dialog{{"EHLO", {say("250-peer\r\n250 " + extension + "\r\n")}}});
    const auto mine = client(peer.address());
    ASSERT_TRUE(loop_.run(mine->open()));
    const auto begun = loop_.run(mine->begin(mail));
    ASSERT_TRUE(begun);
    EXPECT_EQ(begun->data.code, 354);
    mine->stream().close();
    peer.stop();
    EXPECT_THAT(peer.session().commands,
                ElementsAre("EHLO me.test", lines.first, lines.second, "DATA"));
  }
}

// NEVER excludes the others, and no line break gets out of a parameter.
TEST_F(ClientTest, HostileParameters) {
  auto mail = envelope(1);
  mail.id = "x\r\nRCPT TO:<evil@x>";
  mail.recipients[0].notify = {.never = true, .success = false, .failure = true, .delay = true};
  mail.recipients[0].original = "rfc822;a\r\nDATA\r\n@x";
  mail.origin.helo = "h\r\nQUIT";
  mail.origin.client_name = "n\n";
  is_inner_ = true;
  FakeSmtpPeer peer(Dialog{{"EHLO", {say("250-peer\r\n250-XFORWARD\r\n250 DSN\r\n")}},
                           {"other", {say("250 ok\r\n")}}});
  const auto mine = client(peer.address());
  ASSERT_TRUE(loop_.run(mine->open()));
  ASSERT_TRUE(loop_.run(mine->begin(mail)));
  mine->stream().close();
  peer.stop();
  const auto commands = peer.session().commands;
  ASSERT_EQ(commands.size(), 5U);
  EXPECT_THAT(commands[1], HasSubstr("HELO=h+0D+0AQUIT"));
  EXPECT_EQ(commands[2], "MAIL FROM:<a@me.test> ENVID=x+0D+0ARCPT+20TO:<evil@x>");
  EXPECT_EQ(commands[3], "RCPT TO:<r0@x> NOTIFY=NEVER ORCPT=rfc822;a+0D+0ADATA+0D+0A@x");
  EXPECT_FALSE(peer.session().bare_line_ends);
}

// What our roles tell each other, no other server learns by offering XFORWARD.
TEST_F(ClientTest, OnlyOurRolesAreTold) {
  for (const bool is_inner : {false, true}) {
    auto mail = envelope(1);
    mail.token = "0123abcd";
    mail.origin.session = "S1";
    mail.recipients[0].named = "alias@me.test";
    FakeSmtpPeer peer(
        Dialog{{"EHLO", {say("250-peer\r\n250 XFORWARD\r\n")}}, {"other", {say("250 ok\r\n")}}});
    is_inner_ = is_inner;
    const auto mine = client(peer.address());
    ASSERT_TRUE(loop_.run(mine->open()));
    ASSERT_TRUE(loop_.run(mine->begin(mail)));
    mine->stream().close();
    peer.stop();
    std::string all;
    for (const std::string& command : peer.session().commands) all += command + "\n";
    for (const char* word : {"XFORWARD", "IDENT=S1", " XTOKEN=0123abcd", " XNAMED=alias@me.test"})
      EXPECT_EQ(all.contains(word), is_inner) << word << " in " << all;
  }
}

TEST_F(ClientTest, RepliesInPieces) {
  for (std::size_t piece = 1; piece < 12; ++piece) {
    FakeServer server([piece](Wire& wire, std::size_t) {
      const auto slowly = [&](std::string_view text) {
        for (std::size_t i = 0; i < text.size(); i += piece) {
          wire.say(text.substr(i, piece));
          wire.pause(1ms);
        }
      };
      slowly("220-a\r\n220 b\r\n");
      (void)wire.line();
      slowly("250-x\n250-PIPELINING\r\n250\r\n");
      for (int i = 0; i < 3; ++i) (void)wire.line();
      // Answers to commands that were not yet asked come early, and count for them.
      slowly("250 2.1.0 m\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n250 r\r\n451 4.0.0 d\r\n");
      wire.stall();
    });
    const auto mine = client(server.address());
    ASSERT_TRUE(loop_.run(mine->open()));
    EXPECT_TRUE(mine->extensions().pipelining);
    const auto begun = loop_.run(mine->begin(envelope(2)));
    ASSERT_TRUE(begun);
    EXPECT_EQ(begun->mail.enhanced, "2.1.0");
    EXPECT_EQ(to_string(begun->recipients[0]), "550 5.1.1 no such");
    EXPECT_EQ(begun->recipients[1].code, 250);
    EXPECT_EQ(to_string(begun->data), "451 4.0.0 d");
  }
}

// 3000 recipients, answers of 1 KB: neither side waits for the other to read.
TEST_F(ClientTest, ManyRecipients) {
  const std::string reply = "250 2.1.5 " + std::string(1000, 'y') + "\r\n";
  FakeSmtpPeer peer(
      Dialog{{"EHLO", {say("250-peer\r\n250 PIPELINING\r\n")}}, {"RCPT", {say(reply)}}});
  const auto mine = client(peer.address());
  ASSERT_TRUE(loop_.run(mine->open()));
  const auto begun = loop_.run(mine->begin(envelope(3000)));
  ASSERT_TRUE(begun);
  EXPECT_FALSE(begun->broken);
  EXPECT_EQ(begun->recipients.size(), 3000U);
  EXPECT_EQ(begun->data.code, 354);
  mine->stream().close();
}

// A server that drips one byte at a time does not get more time than one that is silent.
TEST_F(ClientTest, TheDeadlineIsForTheWholeReply) {
  FakeServer server([](Wire& wire, std::size_t) {
    while (wire.say("2") && wire.pause(30ms)) {
    }
  });
  const auto mine = client(server.address());
  const SteadyTime begin = Clock::system().steady_now();
  const auto opened = loop_.run(mine->open());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::timeout);
  EXPECT_LT(Clock::system().steady_now() - begin, 3s);
}

TEST_F(ClientTest, LmtpDoesNotFallBackToHelo) {
  FakeSmtpPeer peer(Dialog{{"EHLO", {say("500 what\r\n")}}},
                    {.protocol = FakeSmtpPeer::Protocol::lmtp});
  const auto mine = client(peer.address(), true);
  const auto opened = loop_.run(mine->open());
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->code, 500);
  mine->stream().close();
  peer.stop();
  EXPECT_THAT(peer.session().commands, ElementsAre("LHLO me.test"));
}

// One body after the other on one connection: dots and line ends start afresh.
TEST_F(ClientTest, TwoMessages) {
  FakeSmtpPeer peer;
  const auto mine = client(peer.address());
  ASSERT_TRUE(loop_.run(mine->open()));
  for (const std::string text : {"one\r", ".two"}) {
    ASSERT_TRUE(loop_.run(mine->begin(envelope(1))));
    for (const char c : text) ASSERT_TRUE(loop_.run(mine->write(std::string_view(&c, 1))));
    const auto replies = loop_.run(mine->finish());
    ASSERT_TRUE(replies);
    EXPECT_EQ(replies->front().code, 250);
  }
  mine->stream().close();
  peer.stop();
  EXPECT_EQ(peer.session().body, "one\r\n..two\r\n");
}

}  // namespace
}  // namespace posthorn::smtp
