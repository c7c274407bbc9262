// Proves that what the server writes is what readers read: texts come back as they went in, in short
// 7-bit lines, and nobody's text becomes a field.
#include "message/compose.h"

#include <gtest/gtest.h>

#include "message/part.h"

namespace posthorn::message {
namespace {

std::string value_of(const std::string& field, std::string_view name) {
  EXPECT_TRUE(field.ends_with("\r\n"));
  const Headers headers(field);
  EXPECT_EQ(headers.fields().size(), 1U) << field;
  for (std::size_t at = 0; at < field.size();) {
    const std::size_t end = field.find("\r\n", at);
    EXPECT_LE(end - at, 78U) << field;
    at = end + 2;
  }
  return decode_words(headers.find(name).value_or("none"));
}

TEST(TextField, ComesBackAsItWentIn) {
  const std::string texts[] = {
      "hello",
      "Grüße aus Köln",
      "日本語の件名が とても長いときも、そのまま読めるようにする必要があります。ここまで読めますか",
      std::string(300, 'x').replace(100, 1, " ").replace(200, 1, " ").substr(0, 60),
      "many words that make a line which is longer than a line should be, so that it is folded "
      "at blanks",
      "=?utf-8?Q?not_a_word?=",
      ""};
  for (const std::string& text : texts)
    EXPECT_EQ(value_of(text_field("Subject", text), "Subject"), text);
}

TEST(TextField, NoTextMakesAFieldOfItsOwn) {
  EXPECT_EQ(value_of(text_field("Subject", "a\r\nBcc: all@x\r\n\r\nbody"), "Subject"),
            "a  Bcc: all@x    body");
  EXPECT_EQ(value_of(text_field("Subject", "a\xC2\x85\xFF z"), "Subject"), "a \xEF\xBF\xBD z");
  EXPECT_EQ(value_of(text_field("Subject", std::string("a\0b", 3)), "Subject"), "a b");
  EXPECT_LE(text_field("Subject", std::string(100'000, 'a')).size(), 1100U);
}

TEST(FormatAddress, ANameIsQuotedOrEncoded) {
  EXPECT_EQ(format_address("alice@example.org"), "<alice@example.org>");
  EXPECT_EQ(format_address("Alice <alice@example.org>"), "\"Alice\" <alice@example.org>");
  EXPECT_EQ(format_address("\"A \\\"x\\\" B\" <a@b>"), "\"A \\\"x\\\" B\" <a@b>");
  EXPECT_EQ(decode_words(unfold(format_address("Jürgen <j@b>"))), "Jürgen <j@b>");
  const std::string encoded = format_address("=?utf-8?q?J=C3=BCrgen?= B. <j@b>");
  EXPECT_EQ(encoded.find('"'), std::string::npos) << encoded;
  EXPECT_EQ(decode_words(unfold(encoded)), "Jürgen B. <j@b>");
  for (const char* none : {"", "alice", "a@b, c@d", "all: a@b;", "<@c>"}) {
    EXPECT_EQ(format_address(none), "") << none;
    EXPECT_EQ(address_of(none), "") << none;
  }
  EXPECT_EQ(address_of("Alice <alice@example.org>"), "alice@example.org");
}

TEST(TextPart, TheTextComesBack) {
  const std::string text = "Grüße,\nI am away.\r\n\r\n.dot = 100 % \n" + std::string(200, 'x');
  const std::string part = text_part(text);
  const auto end = find_header_end(part, Input::whole);
  ASSERT_TRUE(end);
  EXPECT_TRUE(is_ascii(part));
  EXPECT_EQ(decode_transfer(std::string_view(part).substr(end->body_begin), "quoted-printable"),
            "Grüße,\r\nI am away.\r\n\r\n.dot = 100 % \r\n" + std::string(200, 'x') + "\r\n");
}

TEST(ReplyFields, TheThreadGoesOn) {
  const auto fields = [](std::string_view header) { return reply_fields(Headers(header)); };
  EXPECT_EQ(fields("Subject: x\r\n"), "");
  EXPECT_EQ(fields("Message-ID: no id\r\n"), "");
  EXPECT_EQ(fields("Message-ID: <1@x>\r\n"), "In-Reply-To: <1@x>\r\nReferences: <1@x>\r\n");
  EXPECT_EQ(fields("Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n"),
            "In-Reply-To: <2@x>\r\nReferences: <1@x>\r\n <2@x>\r\n");
  EXPECT_EQ(fields("Message-ID: <3@x>\r\nReferences: <1@x>\r\n <2@x> <b\x01d>\r\n"),
            "In-Reply-To: <3@x>\r\nReferences: <1@x>\r\n <2@x>\r\n <3@x>\r\n");
  std::string many = "Message-ID: <last@x>\r\nReferences:";
  for (int i = 0; i < 500; ++i) many += " <" + std::to_string(i) + "@x>";
  const std::string bounded = fields(many + "\r\n");
  EXPECT_NE(bounded.find("<0@x>"), std::string::npos);
  EXPECT_NE(bounded.find("<499@x>"), std::string::npos);
  EXPECT_EQ(std::ranges::count(bounded, '@'), 22);
}

TEST(AddressesIn, EachOnceInLowerCase) {
  const Headers headers(
      "To: Alice <Alice@Example.org>, all: bob@x;\r\nCc: alice@example.org, nobody\r\nBcc: "
      "c@d\r\n");
  EXPECT_EQ(addresses_in(headers, {"To", "Cc"}, 10),
            (std::vector<std::string>{"alice@example.org", "bob@x"}));
  EXPECT_EQ(addresses_in(headers, {"Bcc", "To"}, 2),
            (std::vector<std::string>{"c@d", "alice@example.org"}));
}

}  // namespace
}  // namespace posthorn::message
