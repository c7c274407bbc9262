#include "message/local_mail.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

LocalMail mail(std::string_view text) {
  LocalMail m;
  m.text = text;
  m.sender = "carol@example.org";
  m.domain = "example.org";
  return m;
}

PreparedMail prepare(const LocalMail& m) {
  auto prepared = prepare_local_mail(m);
  EXPECT_TRUE(prepared) << prepared.error().what;
  return prepared.value_or(PreparedMail{});
}

using Names = std::vector<std::string>;

TEST(LocalMail, AddsWhatIsMissing) {
  LocalMail m = mail("Subject: s\n\nbody\nmore");
  m.recipients = {"bob", "alice@example.net"};
  m.sender_name = "Carol \"C\"";
  const PreparedMail p = prepare(m);
  EXPECT_EQ(p.recipients, (Names{"bob@example.org", "alice@example.net"}));
  EXPECT_EQ(p.text,
            "From: \"Carol \\\"C\\\"\" <carol@example.org>\r\nSubject: s\r\n"
            "To: undisclosed-recipients:;\r\n\r\nbody\r\nmore\r\n");
  EXPECT_FALSE(p.is_eight_bit);
}

TEST(LocalMail, AddsNothingThatIsThere) {
  LocalMail m = mail("from: x@y.test\r\ncc: z\r\n\r\nbody\r\n");
  m.recipients = {"bob"};
  EXPECT_EQ(prepare(m).text, "from: x@y.test\r\ncc: z\r\n\r\nbody\r\n");
}

TEST(LocalMail, ATextWithoutAHeader) {
  LocalMail m = mail("just text\nand: more\n");
  m.recipients = {"bob"};
  EXPECT_EQ(prepare(m).text,
            "From: carol@example.org\r\nTo: undisclosed-recipients:;\r\n\r\njust text\r\nand: "
            "more\r\n");
  m.text = "";
  EXPECT_EQ(prepare(m).text, "From: carol@example.org\r\nTo: undisclosed-recipients:;\r\n\r\n");
}

TEST(LocalMail, RecipientsFromTheHeader) {
  LocalMail m = mail(
      "From: c@x.test\nTo: Bob <bob@example.org>, \"A, B\" <ab@x.test>\nCc: team: t1@x.test,\n "
      "t2@x.test;\nBcc: hidden\n secret@x.test\n\nbody\n");
  m.takes_recipients = true;
  m.recipients = {"bob@example.org"};
  const PreparedMail p = prepare(m);
  EXPECT_EQ(p.text.find("secret"), std::string::npos);
  EXPECT_EQ(p.text.find("Bcc"), std::string::npos);
  EXPECT_EQ(p.recipients.front(), "bob@example.org");
  EXPECT_NE(std::ranges::find(p.recipients, "t2@x.test"), p.recipients.end());
  EXPECT_EQ(std::ranges::find(p.recipients, "team@example.org"), p.recipients.end());
  EXPECT_EQ(std::ranges::count(p.recipients, "bob@example.org"), 1);
}

// As line ends of old programs a lone CR ends a line before the header is looked at.
TEST(LocalMail, ALoneCrEndsALine) {
  LocalMail m = mail("From: c@x.test\rTo: bob@example.org\rBcc: secret@x.test\r\rbody\r");
  m.takes_recipients = true;
  const PreparedMail p = prepare(m);
  EXPECT_EQ(p.recipients, (Names{"bob@example.org", "secret@x.test"}));
  EXPECT_EQ(p.text, "From: c@x.test\r\nTo: bob@example.org\r\n\r\nbody\r\n");
  m.text = "Subject: a\rBcc: secret@x.test\nTo: bob@example.org\n\nbody\n";
  EXPECT_EQ(prepare(m).text.find("secret"), std::string::npos);
  m = mail("X: y\r\r");
  m.recipients = {"bob"};
  EXPECT_EQ(prepare(m).text,
            "From: carol@example.org\r\nX: y\r\nTo: undisclosed-recipients:;\r\n\r\n");
}

TEST(LocalMail, BccStaysWithoutT) {
  LocalMail m = mail("From: c@x.test\nBcc: z@x.test\n\nb\n");
  m.recipients = {"bob"};
  const PreparedMail p = prepare(m);
  EXPECT_EQ(p.recipients, Names{"bob@example.org"});
  EXPECT_NE(p.text.find("Bcc: z@x.test\r\n"), std::string::npos);
}

TEST(LocalMail, ResentGoesToItsOwnRecipients) {
  LocalMail m = mail("Resent-To: new@x.test\nTo: old@x.test\nFrom: o@x.test\n\nb\n");
  m.takes_recipients = true;
  const PreparedMail p = prepare(m);
  EXPECT_EQ(p.recipients, Names{"new@x.test"});
  EXPECT_TRUE(p.text.starts_with("Resent-From: carol@example.org\r\n"));
}

TEST(LocalMail, ANameThatIsNotAscii) {
  LocalMail m = mail("\nb");
  m.recipients = {"bob"};
  m.sender_name = "Žofie";
  EXPECT_TRUE(prepare(m).text.starts_with("From: =?UTF-8?B?xb1vZmll?= <carol@example.org>\r\n"));
}

TEST(LocalMail, NoAddressIsAnError) {
  LocalMail m = mail("\nb");
  m.recipients = {"a b@"};
  const auto prepared = prepare_local_mail(m);
  if (prepared) {
    for (const std::string& one : prepared->recipients) EXPECT_EQ(one.find(' '), std::string::npos);
  }
  m.recipients = {"<bob@exa mple>"};
  (void)prepare_local_mail(m);
  m.recipients = {"bob@-bad-"};
  EXPECT_FALSE(prepare_local_mail(m));
}

TEST(LocalMail, EndsAtADot) {
  EXPECT_EQ(up_to_dot("a\n.\nb\n"), "a\n");
  EXPECT_EQ(up_to_dot("a\r\n.\r\nb\n"), "a\r\n");
  EXPECT_EQ(up_to_dot(".."), "..");
  EXPECT_EQ(up_to_dot("."), "");
  EXPECT_EQ(up_to_dot("a\n.."), "a\n..");
  EXPECT_EQ(up_to_dot(""), "");
}

}  // namespace
}  // namespace posthorn::message
