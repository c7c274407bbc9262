// Proves the strict form of an address: every row that a relay must refuse as malformed (501 or
// 553) is refused here, sizes are held to the byte, and what is accepted is written back so that it
// reads the same.
#include "message/mailbox_address.h"

#include <gtest/gtest.h>
#include <vector>

namespace posthorn::message {
namespace {

using namespace std::string_literals;

struct Good {
  std::string text, local, domain;
};

TEST(MailboxAddress, Accepted) {
  const std::string local255(255, 'l');
  const Good rows[] = {
      {"u@example.test", "u", "example.test"},
      {"postmaster", "postmaster", ""},
      {"U.v+Tag@EXAMPLE.Test", "U.v+Tag", "EXAMPLE.Test"},
      {"!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", "x"},
      {"\"a b\"@x", "a b", "x"},
      {"\"a@b\"@x", "a@b", "x"},
      {"\"a\\\"b\\\\c\"@x", "a\"b\\c", "x"},
      {"\"plain\"@x", "plain", "x"},
      {"\"..\"@x", "..", "x"},
      {"u@[192.0.2.1]", "u", "[192.0.2.1]"},
      {"u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]"},
      {"victim%remote.example@example.test", "victim%remote.example", "example.test"},
      {"remote!victim@example.test", "remote!victim", "example.test"},
      {"andr\xc3\xa9@b\xc3\xbc"
       "cher.example",
       "andr\xc3\xa9",
       "b\xc3\xbc"
       "cher.example"},
      {local255 + "@x", local255, "x"},
      {"foo..bar@docomo.test", "foo..bar", "docomo.test"},
      {".u@x", ".u", "x"},
      {"u.@x", "u.", "x"},
      {"u/v@x", "u/v", "x"},
      {"u@a_b.example", "u", "a_b.example"},
      {"u@1.2", "u", "1.2"},
      {"u@" + std::string(63, 'd') + ".x", "u", std::string(63, 'd') + ".x"},
  };
  for (const Good& row : rows) {
    const auto address = parse_mailbox_address(row.text);
    ASSERT_TRUE(address) << row.text;
    EXPECT_EQ(address->local, row.local);
    EXPECT_EQ(address->domain, row.domain);
    const auto again = parse_mailbox_address(format_mailbox_address(*address));
    ASSERT_TRUE(again) << row.text;
    EXPECT_EQ(again->local, row.local);
    EXPECT_EQ(again->domain, row.domain);
  }
  EXPECT_EQ(format_mailbox_address({"plain", "x"}), "plain@x");
  EXPECT_EQ(format_mailbox_address({"foo..bar", "x"}), "foo..bar@x");
  EXPECT_EQ(strict_address("foo..bar@x"), "\"foo..bar\"@x");
  EXPECT_EQ(strict_address(".u@x"), "\".u\"@x");
  EXPECT_EQ(strict_address("u.@x"), "\"u.\"@x");
  EXPECT_EQ(strict_address("u.v@x.y"), "u.v@x.y");
  EXPECT_EQ(strict_address("\"a b\"@x"), "\"a b\"@x");
  EXPECT_EQ(strict_address(""), "");
  EXPECT_EQ(format_mailbox_address({"a b", "x"}), "\"a b\"@x");
  EXPECT_EQ(format_mailbox_address({"a\"\\", "x"}), "\"a\\\"\\\\\"@x");
}

TEST(MailboxAddress, Refused) {
  const std::vector<std::string> rows = {
      "",
      "@",
      "@example.test",
      "u@",
      "\"\"@example.test",
      "\"unterminated@example.test",
      "\"open",
      "\"a\"b@example.test",
      "a\"b\"@example.test",
      "\"a\\",
      "../../x@example.test",
      ".@example.test",
      "..@example.test",
      "./u@example.test",
      "u/..@example.test",
      "victim@remote.example@example.test",
      "victim@remote\\@example.test",
      "victim@remote.example.",
      "u@.example",
      "u@example..test",
      "u@-x.example",
      "u@x-.example",
      "u@x-",
      "u@ex ample",
      "u v@example.test",
      " u@example.test",
      "u@example.test ",
      "u@example.test\t",
      "u@example.test> NOTIFY=NEVER <x@remote",
      "@example.test:victim@remote",
      "<u@example.test>",
      "u@example.test\r\nRCPT TO:<x@y>",
      "u\0@example.test"s,
      "u\x7f@example.test",
      "u\x1b@example.test",
      "\"u\rv\"@example.test",
      "\"u\nv\"@example.test",
      "\"u\0v\"@example.test"s,
      "\"u\\\nv\"@example.test",
      "\"u\tv\"@example.test",
      "u@[",
      "u@[]",
      "u@[192.0.2.1",
      "u@[192.0.2.1]x",
      "u@[192.0.2.1]@example.test",
      "u@[a b]",
      "u@[a\r\nb]",
      "u(comment)@example.test",
      "u@example.test(comment)",
      "u,v@example.test",
      "u;v@example.test",
      "u:v@example.test",
      "u\\v@example.test",
      std::string(256, 'l') + "@example.test",
      "\"" + std::string(256, 'l') + "\"@example.test",
      "u@" + std::string(64, 'd') + ".test",
      std::string(1U << 20U, 'a'),
      "\"" + std::string(1U << 20U, 'a'),
      std::string(1U << 20U, '@'),
      // Text that is no UTF-8: cut, overlong, a surrogate, beyond Unicode, a C1 control.
      "u\xff@example.test",
      "u\xc3@example.test",
      "u\xc0\xaf@example.test",
      "u\xe0\x80\xaf@example.test",
      "u\xf0\x80\x80\xaf@example.test",
      "u\xed\xa0\x80@example.test",
      "u\xf4\x90\x80\x80@example.test",
      "u\xf5\x80\x80\x80@example.test",
      "u\xc2\x85@example.test",
      "u@ex\xc3",
      "u@ex\xf0\x80\x80\xaf.test",
  };
  for (const std::string& row : rows) {
    EXPECT_FALSE(parse_mailbox_address(row)) << row.substr(0, 100);
  }
}

TEST(MailboxAddress, SizesToTheByte) {
  std::string domain;
  while (domain.size() < 240) domain += "abcdefghi.";
  domain += "x";
  while (domain.size() < 254) domain += "y";
  const std::string exact(510 - domain.size() - 1, 'u');
  EXPECT_EQ(exact.size(), 255U);
  EXPECT_TRUE(parse_mailbox_address(exact + "@" + domain));
  EXPECT_FALSE(parse_mailbox_address(exact + "@" + domain + "y"));
  // An address literal stands where a domain does, and is no longer.
  EXPECT_TRUE(parse_mailbox_address("u@[" + std::string(253, '1') + "]"));
  EXPECT_FALSE(parse_mailbox_address("u@[" + std::string(254, '1') + "]"));
  EXPECT_TRUE(is_domain(std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                        std::string(63, 'c') + "." + std::string(63, 'd')));
  EXPECT_FALSE(is_domain(std::string(63, 'a') + "." + std::string(63, 'b') + "." +
                         std::string(63, 'c') + "." + std::string(63, 'd') + ".e"));
}

TEST(MailboxAddress, WithoutSmtputf8OnlyAscii) {
  // Homographs of "example" and "admin" in Cyrillic: another address, and none at all without
  // SMTPUTF8 (RFC 6531).
  const std::string homographs[] = {"u@ex\xd0\xb0mple.test",
                                    "\xd0\xb0"
                                    "dmin@example.test",
                                    "\"\xd0\xb0\"@example.test"};
  for (const std::string& text : homographs) {
    EXPECT_FALSE(parse_mailbox_address(text, AddressCharset::ascii)) << text;
    const auto address = parse_mailbox_address(text, AddressCharset::utf8);
    ASSERT_TRUE(address) << text;
    EXPECT_NE(address->domain + "/" + address->local, "example.test/admin");
  }
}

}  // namespace
}  // namespace posthorn::message
