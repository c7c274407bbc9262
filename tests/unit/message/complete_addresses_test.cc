#include "message/complete_addresses.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

TEST(CompleteAddresses, OnlyWhatIsANameAlone) {
  const struct {
    std::string input, output;
  } rows[] = {
      {"alice", "alice@d.test"},
      {"alice@x.test", "alice@x.test"},
      {"root (Cron Daemon)", "root@d.test (Cron Daemon)"},
      {"(a b) root", "(a b) root@d.test"},
      {"<alice>", "<alice@d.test>"},
      {"Alice B <alice>", "Alice B <alice@d.test>"},
      {"\"A, <b\" <alice>, bob", "\"A, <b\" <alice@d.test>, bob@d.test"},
      {"Alice <alice@x.test>", "Alice <alice@x.test>"},
      {"alice, bob@x.test,\r\n carol", "alice@d.test, bob@x.test,\r\n carol@d.test"},
      {"Alice Smith", "Alice Smith"},
      {"\"a b\"", "\"a b\"@d.test"},
      {"undisclosed-recipients:;", "undisclosed-recipients:;"},
      {"friends: alice, <bob>;, carol", "friends: alice@d.test, <bob@d.test>;, carol@d.test"},
      {"<@a,@b:c@d>", "<@a,@b:c@d>"},
      {"<>", "<>"},
      {"", ""},
      {"a @ b.test", "a @ b.test"},
      {"a (x@y)@ (z) b.test", "a (x@y)@ (z) b.test"},
      {"=?utf-8?q?Alice?=", "=?utf-8?q?Alice?="},
      {"<alice", "<alice"},
      {"(open alice", "(open alice"},
      {"\"open alice\\", "\"open alice\\@d.test"},
      {"alice <bob> x", "alice <bob@d.test> x"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(complete_addresses("fRoM : " + row.input + "\r\nSubject: a\r\n", "d.test"),
              "fRoM : " + row.output + "\r\nSubject: a\r\n")
        << row.input;
}

TEST(CompleteAddresses, OnlyInAddressFields) {
  const std::string other = "Subject: alice\r\nMessage-ID: x\r\nnone\r\n y\r\nX-From: a\r\n";
  EXPECT_EQ(complete_addresses(other, "d.test"), other);
  EXPECT_EQ(complete_addresses("To:\r\n\talice", "d.test"), "To:\r\n\talice@d.test");
  EXPECT_EQ(complete_addresses("", "d.test"), "");
}

}  // namespace
}  // namespace posthorn::message
