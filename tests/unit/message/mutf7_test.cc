// Modified UTF-7, as IMAP sends mailbox names and as their folders are called.
#include "message/mutf7.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

TEST(Mutf7, ThereAndBack) {
  for (const char* name : {"INBOX", "Entwürfe", "a&b", "台北", "\xF0\x9F\x93\xAF"}) {
    const auto encoded = encode_mutf7(name);
    ASSERT_TRUE(encoded) << name;
    EXPECT_EQ(decode_mutf7(*encoded), name);
  }
  EXPECT_EQ(encode_mutf7("Entwürfe"), "Entw&APw-rfe");
  EXPECT_EQ(encode_mutf7("~peter/mail/台北/日本語"), "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
  EXPECT_EQ(encode_mutf7("a&b"), "a&-b");
  EXPECT_FALSE(encode_mutf7("\xED\xA0\x80"));
}

TEST(Mutf7, HasOneFormOnly) {
  for (const char* bad :
       {"&", "&AAA", "&AAA-", "&AG8-", "&AGE-", "&A-", "&APw-&APw-", "&2AA-", "&3gA-", "&APx-",
        "x\xc3\xbc", "&U,BTFw-&ZeVnLIqe-", "&=-", "tab\t", "&Jjo", "&Jjo!-", "a\x01", "&AH8-"})
    EXPECT_FALSE(decode_mutf7(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::message
