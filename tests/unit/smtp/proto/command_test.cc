#include "smtp/proto/command.h"

#include <gtest/gtest.h>

namespace posthorn::smtp {
namespace {

int mail_code(std::string_view argument) {
  const auto mail = parse_mail(argument);
  return mail ? 250 : mail.error().code;
}
std::string rcpt(std::string_view argument) {
  const auto parsed = parse_rcpt(argument, message::AddressCharset::ascii);
  return parsed ? parsed->address : std::to_string(parsed.error().code);
}

TEST(Command, Verbs) {
  EXPECT_EQ(parse_command("ehlo  x ")->argument, "x");
  EXPECT_EQ(parse_command("MAIL FROM:<>")->verb, Verb::mail);
  EXPECT_EQ(parse_command("XYZZY").error().code, 500);
  EXPECT_EQ(parse_command("").error().code, 500);
}

TEST(Command, Mail) {
  EXPECT_EQ(parse_mail("FROM:<a@b.test>")->sender, "a@b.test");
  EXPECT_EQ(parse_mail("FROM: <a@b.test> SIZE=10 BODY=8BITMIME")->size, 10U);
  EXPECT_EQ(parse_mail("from:<>")->sender, "");
  EXPECT_EQ(parse_mail("FROM:a@b.test")->sender, "a@b.test");
  EXPECT_EQ(mail_code("FROM:<a@b.test"), 501);
  EXPECT_EQ(mail_code("FROM:<a@b.test> SIZE=abc"), 501);
  EXPECT_EQ(mail_code("FROM:<a@b.test> SIZE=-1"), 501);
  EXPECT_EQ(mail_code("FROM:<a@b.test> FOO=1"), 555);
  EXPECT_EQ(mail_code("FROM:<a@b.test>x"), 501);
  EXPECT_EQ(mail_code("FROM:<\xC3\xA9@b.test>"), 553);
  EXPECT_EQ(mail_code("FROM:<\xC3\xA9@b.test> SMTPUTF8"), 250);
  EXPECT_EQ(mail_code("FROM:<a@b.test> ENVID=a+0D+0Ab"), 501);
  EXPECT_EQ(parse_mail("FROM:<a@b.test> ENVID=a+2Bb RET=HDRS")->envelope_id, "a+b");
}

TEST(Command, Rcpt) {
  EXPECT_EQ(rcpt("TO:<bob@example.org>"), "bob@example.org");
  EXPECT_EQ(rcpt("TO:<@relay.test,@x:bob@example.org>"), "bob@example.org");
  EXPECT_EQ(rcpt("TO:<Postmaster>"), "Postmaster");
  EXPECT_EQ(rcpt("TO:<\"a b\"@example.org>"), "\"a b\"@example.org");
  EXPECT_EQ(rcpt("TO:<\"victim@remote.test\"@example.org>"), "\"victim@remote.test\"@example.org");
  for (const char* wrong :
       {"TO:<\"\"@example.org>", "TO:<a@b@c>", "TO:<a@example.org..>", "TO:<..@example.org>",
        "TO:<a\x01@example.org>", "TO:<a@exa mple.org>", "TO:<a@[1.2.3.4>", "TO:<>", "TO:<@x>"})
    EXPECT_EQ(rcpt(wrong), "553") << wrong;
  EXPECT_EQ(rcpt("TO:<u@example.org> NOTIFY=NEVER <x@remote>"), "555");
  EXPECT_EQ(rcpt("TO:<u@example.org> NOTIFY=NEVER,DELAY"), "501");
  EXPECT_EQ(rcpt("TO:<" + std::string(255, 'a') + "@example.org>"),
            std::string(255, 'a') + "@example.org");
  EXPECT_EQ(rcpt("TO:<" + std::string(256, 'a') + "@example.org>"), "553");
}

TEST(Command, NoControlCharacterComesThrough) {
  EXPECT_EQ(mail_code("FROM:<a@b.test> ENVID=a\x7F"), 501);
  EXPECT_EQ(mail_code("FROM:<a@b.test> AUTH=a\x7F@b"), 501);
  EXPECT_EQ(mail_code("FROM:<\xF4\x90\x80\x80@b.test> SMTPUTF8"), 553);
  EXPECT_EQ(rcpt("TO:<u@example.org> ORCPT=rfc822;u@b"), "u@example.org");
  for (const char* wrong : {"\x01;u@b", "rfc\x1B[2J;u@b", "rfc\x7F;u@b", "rfc\r;u@b", ";u@b", "u@b",
                            "rfc822;u\x7F@b", "rfc822;u+7F"})
    EXPECT_EQ(rcpt(std::string("TO:<u@example.org> ORCPT=") + wrong), "501") << wrong;
  EXPECT_FALSE(decode_xtext("a\x7F"));
  EXPECT_EQ(decode_xtext(encode_xtext("a+b =\xC3\xA4")), "a+b =\xC3\xA4");
}

TEST(Command, AQueueIdIsAField) {
  for (const std::string id : {"A6CJ0Y2WXSM8K", "a b=c+d"})
    EXPECT_EQ(find_queue_id(queued_reply(id)), id);
  for (const Reply& reply :
       {Reply{250, "2.0.0", "Ok: queued as A6CJ0Y2WXSM8K"}, Reply{250, "2.0.0", ""},
        Reply{250, "2.0.0", "NAME=a"}, Reply{451, "4.3.0", "QUEUE=a"}})
    EXPECT_EQ(find_queue_id(reply), std::nullopt) << reply.text;
}

TEST(Command, Bdat) {
  EXPECT_EQ(parse_bdat("5 LAST")->last, true);
  EXPECT_EQ(parse_bdat("99999999999999999999").error().code, 501);
  EXPECT_EQ(parse_bdat("-1").error().code, 501);
}

}  // namespace
}  // namespace posthorn::smtp
