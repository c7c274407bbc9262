#include "tap/dialog.h"

#include <gtest/gtest.h>
#include <random>

#include "tests/support/secret_dialog.h"

namespace posthorn::tap {
namespace {

struct Watch {
  explicit Watch(Protocol protocol, Begin begin = Begin::at_start) : dialog(protocol, begin) {}
  Watch& c(std::string_view bytes) { return feed(From::client, bytes); }
  Watch& s(std::string_view bytes) { return feed(From::server, bytes); }
  Watch& feed(From from, std::string_view bytes) {
    std::vector<Line> lines;
    dialog.feed(from, bytes, lines);
    for (const Line& line : lines)
      text += (line.kind == Line::Kind::body      ? "b"
               : line.kind == Line::Kind::summary ? "="
                                                  : "") +
              std::string(line.from == From::client ? "C: " : "S: ") + line.text + "\n";
    return *this;
  }
  Dialog dialog;
  std::string text;
};

TEST(Tap, SmtpDialog) {
  Watch w(Protocol::smtp);
  w.s("220 mx ESMTP\r\n").c("EHLO x\r\n").s("250-mx\r\n250 AUTH PLAIN\r\n");
  w.c("AUTH PLAIN c2VjcmV0\r\n").s("235 ok\r\n");
  w.c("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n").s("250 ok\r\n250 ok\r\n354 go\r\n");
  w.c("Subject: s\r\n\r\nQUIT\r\n..\r\n.\r\nRSET\r\n").s("250 ok\r\n250 ok\r\n");
  w.c("BDAT 4 LAST\r\nab\r\nQUIT\r\n").s("250 ok\r\n221 bye\r\n");
  EXPECT_EQ(w.text,
            "S: 220 mx ESMTP\nC: EHLO x\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN [hidden]\n"
            "S: 235 ok\nC: MAIL FROM:<a@x>\nC: RCPT TO:<b@x>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: "
            "354 go\nbC: Subject: s\nbC: \nbC: QUIT\nbC: ..\n=C: [24 bytes]\nC: RSET\nS: 250 "
            "ok\nS: 250 ok\nC: BDAT 4 LAST\nbC: ab\n=C: [4 bytes]\nC: QUIT\nS: 250 ok\nS: 221 "
            "bye\n");
}

// What edge proves a login with to the queue.
TEST(Tap, SmtpTokens) {
  Watch w(Protocol::smtp);
  w.c("MAIL FROM:<a@x> SIZE=3 XTOKEN=0123abcd\r\nmail from:<b@x> xtoken=4567 SIZE=3\r\n");
  EXPECT_EQ(w.text,
            "C: MAIL FROM:<a@x> SIZE=3 XTOKEN=[hidden]\nC: mail from:<b@x> xtoken=[hidden] "
            "SIZE=3\n");
}

TEST(Tap, SmtpDataThatIsRefused) {
  Watch w(Protocol::smtp);
  w.c("DATA\r\n").s("503 no\r\n").c("RSET\r\n").s("250 ok\r\n");
  EXPECT_EQ(w.text, "C: DATA\nS: 503 no\nC: RSET\nS: 250 ok\n");
  w.text.clear();
  w.c("DATA\r\nNOOP\r\n").s("503 no\r\n250 ok\r\n").c("QUIT\r\n");
  EXPECT_EQ(w.text, "C: DATA\nS: 503 no\nS: 250 ok\nC: NOOP\nC: QUIT\n");
}

TEST(Tap, ImapDialog) {
  Watch w(Protocol::imap);
  w.s("* OK ready\r\n").c("a LOGIN bob {6}\r\n").s("+ OK\r\n").c("secret\r\n");
  w.dialog.set_logged_in();
  w.s("a OK in\r\n").c("b SELECT INBOX\r\n").s("* 1 EXISTS\r\nb OK\r\n");
  w.c("c APPEND INBOX (\\Seen) {7}\r\n").s("+ go\r\n").c("x\r\ny").c("\r\nz\r\n").s("c OK\r\n");
  w.c("d UID FETCH 1 BODY[]\r\n").s("* 1 FETCH (BODY[] {5}\r\na\r\nb\n FLAGS ())\r\nd OK\r\n");
  w.c("e IDLE\r\n").s("+ idling\r\n").c("DONE\r\n").s("e OK\r\n");
  EXPECT_EQ(w.text,
            "S: * OK ready\nC: a LOGIN [hidden]\nS: + OK\nS: a OK in\nC: b SELECT INBOX\nS: * 1 "
            "EXISTS\nS: b OK\nC: c APPEND INBOX (\\Seen) {7}\nS: + go\nbC: x\nbC: y\nbC: z\n=C: [7 "
            "bytes]\nS: c OK\nC: d UID FETCH 1 BODY[]\nS: * 1 FETCH (BODY[] {5}\nbS: a\nbS: b\n=S: "
            "[5 bytes]\nS:  FLAGS ())\nS: d OK\nC: e IDLE\nS: + idling\nC: DONE\nS: e OK\n");
}

TEST(Tap, Pop3Dialog) {
  Watch w(Protocol::pop3);
  w.s("+OK\r\n").c("USER bob\r\n").s("+OK\r\n").c("PASS secret\r\n").s("+OK\r\n");
  w.c("RETR 1\r\n").s("+OK 5\r\n-ERR\r\n.\r\n").c("LIST\r\n").s("+OK\r\n1 5\r\n.\r\n");
  EXPECT_EQ(w.text,
            "S: +OK\nC: USER bob\nS: +OK\nC: PASS [hidden]\nS: +OK\nC: RETR 1\nS: +OK 5\nbS: "
            "-ERR\n=S: [6 bytes]\nC: LIST\nS: +OK\nS: 1 5\n");
}

TEST(Tap, ManageSieveDialog) {
  Watch w(Protocol::managesieve);
  w.s("OK\r\n").c("AUTHENTICATE \"PLAIN\" {6+}\r\nsecret\r\n").s("NO {2}\r\nno\r\n");
  w.c("Authenticate \"PLAIN\" \"secret\"\r\n").s("OK\r\n").c("NOOP \"x\"\r\n");
  w.s("OK (TAG \"x\") \"Done\"\r\n").c("PUTSCRIPT \"a\" {9+}\r\nOK\r\nke").c("ep;\r\n");
  w.s("OK\r\n").c("GETSCRIPT {1+}\r\na\r\n").s("{5}\r\nkeep;\r\nOK\r\n").c("LOGOUT\r\n");
  EXPECT_EQ(w.text,
            "S: OK\nC: AUTHENTICATE PLAIN [hidden]\nC: [hidden]\nS: NO {2}\nbS: no\n=S: [2 bytes]\n"
            "S: \nC: AUTHENTICATE PLAIN [hidden]\nS: OK\nC: NOOP\nS: OK (TAG [hidden])\n"
            "C: PUTSCRIPT \"a\" {9+}\nbC: OK\nbC: keep;\n=C: [9 bytes]\nS: OK\n"
            "C: GETSCRIPT {1+}\nbC: a\n=C: [1 bytes]\nS: {5}\nbS: keep;\n=S: [5 bytes]\nS: \n"
            "S: OK\nC: LOGOUT\n");
}

TEST(Tap, BegunInTheMiddle) {
  Watch smtp(Protocol::smtp, Begin::in_the_middle);
  smtp.c("c2VjcmV0\r\n").s("235 ok\r\n").c("MAIL FROM:<>\r\n");
  EXPECT_EQ(smtp.text, "C: [10 bytes, not in step yet]\nS: 235 ok\nC: MAIL FROM:<>\n");
  Watch imap(Protocol::imap, Begin::in_the_middle);
  imap.c("secret\r\n").s("a BAD\r\n").c("b NOOP\r\n");
  EXPECT_EQ(imap.text.find("NOOP"), std::string::npos);
  imap.dialog.set_logged_in();
  imap.s("b OK\r\n").c("c NOOP\r\n");
  EXPECT_NE(imap.text.find("C: c NOOP\n"), std::string::npos);
}

TEST(Tap, PrintableWhateverComes) {
  EXPECT_EQ(make_printable("a\x1B[2J\x7F\xC2\x9Bz\xFF"), "a\\x1B[2J\\x7F\\xC2\\x9Bz\\xFF");
  EXPECT_EQ(make_printable("žluť \xE2\x80\xAE"), "žluť \\xE2\\x80\\xAE");
  // Not UTF-8: an overlong form, a surrogate, beyond U+10FFFF.
  EXPECT_EQ(make_printable("\xE0\x80\x80"), "\\xE0\\x80\\x80");
  EXPECT_EQ(make_printable("\xED\xA0\x80"), "\\xED\\xA0\\x80");
  EXPECT_EQ(make_printable("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
  EXPECT_EQ(make_printable(std::string(1001, 'x')), std::string(1000, 'x') + " [1 bytes more]");
}

TEST(Tap, NoSecretIsEverShown) {
  std::mt19937 random(20'261'121);
  const auto choose = [&](std::size_t n) -> std::size_t { return n == 0 ? 0 : random() % n; };
  std::size_t shown = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = test::SecretDialog(choose).run();
    ASSERT_EQ(text.find('~'), std::string::npos) << text;
    shown += text.size();
  }
  EXPECT_GT(shown, 250'000U);  // it is not silence that hides them
}

}  // namespace
}  // namespace posthorn::tap
