// What a server gets that offers no 8BITMIME, or no SMTPUTF8, and what of lines that are too long:
// the same message in 7 bits (RFC 6152 section 3) and in short lines, as it is where that is asked
// for or nothing else is right, or a bounce that says why (RFC 6531 section 3.5).
#include "message/part.h"
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kNoEightBit = "250-peer.test\r\n250 PIPELINING\r\n";
const std::string kEightBit = "250-peer.test\r\n250 8BITMIME\r\n";
const std::string kMail =
    "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "All the best wishes from \xc3\xbc\r\n.\r\n--b\r\nContent-Type: image/x\r\n\r\n\xff\xfe\r\n"
    "--b--\r\n";
const std::string kSigned =
    "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n"
    "--b\r\n\r\nsig\r\n--b--\r\n";
const std::string kUtf8Header =
    "Subject: gr\xc3\xbc\xc3\x9f"
    "e\r\n\r\nbody\r\n";

class RefitTest : public TransportsTest {
 protected:
  struct Sent {
    std::string kinds, reason, body;
    std::vector<std::string> commands;
  };
  enum class Whose { ours, a_strangers };
  Sent send(const std::string& ehlo, const std::string& mail, bool smtputf8 = false,
            Whose whose = Whose::a_strangers) {
    FakeSmtpPeer peer({{"EHLO", {say(ehlo)}}});
    message::Envelope to = envelope(1);
    to.eight_bit = true;
    to.smtputf8 = smtputf8;
    Body text = body(mail, "X-Spam-Flag: NO\r\n");
    text.is_ours = whose == Whose::ours;
    const Attempted attempted = attempt(relay(peer.port()), std::move(to), std::move(text));
    peer.stop();
    return {kinds(attempted), attempted.outcomes.front().reason, peer.session().body,
            peer.session().commands};
  }
};

TEST_F(RefitTest, AServerWithoutItGetsTheSameInSevenBits) {
  const Sent sent = send(kNoEightBit, kMail);
  EXPECT_EQ(sent.kinds, "D");
  EXPECT_EQ(sent.body,
            "X-Spam-Flag: NO\r\nSubject: a\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            "All the best wishes from =C3=BC\r\n..\r\n--b\r\nContent-Type: image/x\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n//4=\r\n--b--\r\n");
  for (const std::string& command : sent.commands) {
    EXPECT_THAT(command, Not(HasSubstr("BODY=")));
    EXPECT_THAT(command, Not(HasSubstr("SIZE=")));
  }
}

TEST_F(RefitTest, ABigOneGoesInPieces) {
  std::string text = "Subject: a\r\nContent-Type: text/plain\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) text += "A line with one of them: \xe4 and a half = 50%\r\n";
  const Sent sent = send(kNoEightBit, text);
  EXPECT_EQ(sent.kinds, "D");
  const message::Part part = message::parse_parts(sent.body);
  EXPECT_EQ(part.encoding, "quoted-printable");
  EXPECT_EQ(
      message::decode_transfer(std::string_view(sent.body).substr(part.body_begin), part.encoding),
      text.substr(text.find("\r\n\r\n") + 4));
}

TEST_F(RefitTest, WhatStaysAsItIs) {
  const std::string prefix = "X-Spam-Flag: NO\r\n";
  const Sent knows = send(kEightBit, kUtf8Header + "\xe4\r\n");
  EXPECT_EQ(knows.body, prefix + kUtf8Header + "\xe4\r\n");
  EXPECT_THAT(knows.commands, testing::Contains(HasSubstr("BODY=8BITMIME")));
  EXPECT_EQ(send(kNoEightBit, kSigned).body, prefix + kSigned);
  EXPECT_EQ(send(kNoEightBit, kUtf8Header).body, prefix + kUtf8Header);
  config_.relay.disable_mime_output_conversion = true;
  EXPECT_EQ(send(kNoEightBit, "Subject: a\r\n\r\n\xe4\r\n").body,
            prefix + "Subject: a\r\n\r\n\xe4\r\n");
}

TEST_F(RefitTest, WhatGoesBack) {
  Sent sent = send(kNoEightBit, kUtf8Header, true);
  EXPECT_EQ(sent.kinds, "F");
  EXPECT_THAT(sent.reason, HasSubstr("550 5.6.7"));
  EXPECT_EQ(sent.body, "");
  sent = send(kEightBit, kUtf8Header, true);
  EXPECT_THAT(sent.reason, HasSubstr("550 5.6.7"));
  EXPECT_EQ(send(kEightBit, "Subject: ascii\r\n\r\n\xc3\xbc\r\n", true).kinds, "D");
  EXPECT_EQ(send("250-peer.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n", kUtf8Header, true).kinds,
            "D");
  config_.relay.signed_eight_bit = config::SignedEightBit::bounce;
  sent = send(kNoEightBit, kSigned);
  EXPECT_EQ(sent.kinds, "F");
  EXPECT_THAT(sent.reason, HasSubstr("554 5.6.3"));
  EXPECT_EQ(send(kEightBit, kSigned).kinds, "D");
}

// RFC 5322 section 2.1.1; test_dkim.py proves that the signature is over what is sent.
TEST_F(RefitTest, LongLinesOfOursAreMendedAndThoseOfOthersAreNot) {
  const std::string line(2'500, 'x');
  const std::string mail = "Subject: a\r\n\r\n" + line + "\r\n";
  const Sent ours = send(kEightBit, mail, false, Whose::ours);
  EXPECT_EQ(ours.kinds, "D");
  EXPECT_THAT(ours.body, HasSubstr("Content-Transfer-Encoding: quoted-printable\r\n\r\nxxx"));
  EXPECT_THAT(ours.body, Not(HasSubstr(std::string(77, 'x'))));
  EXPECT_EQ(send(kEightBit, mail).body, "X-Spam-Flag: NO\r\n" + mail);
  const std::string brought = "DKIM-Signature: v=1; d=elsewhere.test\r\n" + mail;
  EXPECT_EQ(send(kEightBit, brought, false, Whose::ours).body, "X-Spam-Flag: NO\r\n" + brought);
  config_.relay.disable_mime_output_conversion = true;
  EXPECT_EQ(send(kEightBit, mail, false, Whose::ours).body, "X-Spam-Flag: NO\r\n" + mail);
}

}  // namespace
}  // namespace posthorn::deliver
