// Proves that no account leads out of the mail root, and that no two have one folder.
#include "config/account_path.h"

#include <gtest/gtest.h>

namespace posthorn::config {
namespace {

TEST(AccountPath, NeverLeavesTheRoot) {
  const auto path = [](std::string_view account, std::string_view location = "{domain}/{user}") {
    const auto result = account_path("/srv/mail", location, account);
    return result ? result->native() : std::string("refused");
  };
  EXPECT_EQ(path("alice@example.org"), "/srv/mail/example.org/alice");
  EXPECT_EQ(path("alice@example.org", "{account}"), "/srv/mail/alice@example.org");
  EXPECT_EQ(path("alice@example.org", "vmail/{domain}/{user}/Maildir"),
            "/srv/mail/vmail/example.org/alice/Maildir");
  EXPECT_EQ(path("a.b_c+d=e-1@x"), "/srv/mail/x/a.b_c+d=e-1");
  EXPECT_EQ(path("..@example.org"), "/srv/mail/example.org/%2e.");
  EXPECT_EQ(path(".hidden@x"), "/srv/mail/x/%2ehidden");
  EXPECT_EQ(path("a/b@x"), "/srv/mail/x/a%2fb");
  EXPECT_EQ(path("../../x@x"), "/srv/mail/x/%2e.%2f..%2fx");
  EXPECT_EQ(path("\"a b\"@x"), "/srv/mail/x/%22a%20b%22");
  EXPECT_EQ(path("b\xc3\xbc@x"), "/srv/mail/x/b%c3%bc");
  EXPECT_EQ(path("a%2f@x"), "/srv/mail/x/a%252f");
  EXPECT_EQ(path("a\\b@x"), "/srv/mail/x/a%5cb");
  EXPECT_EQ(path("~root@x"), "/srv/mail/x/%7eroot");
  EXPECT_EQ(path("..@x", "{account}"), "/srv/mail/%2e.@x");
  EXPECT_EQ(path("a/b@x", "{domain}/{user}/Maildir"), "/srv/mail/x/a%2fb/Maildir");
  const std::string bad[] = {"a@.x",
                             "a@x/y",
                             "alice",
                             "@example.org",
                             "alice@",
                             "a@..",
                             "a@../..",
                             "Alice@x",
                             "a\n@x",
                             std::string("a\0@x", 4),
                             std::string(256, 'a') + "@x"};
  for (const std::string& account : bad) EXPECT_EQ(path(account), "refused") << account;
  EXPECT_EQ(path("a@x", "../{user}"), "refused");
  EXPECT_EQ(path("a@x", "/{user}"), "refused");
  EXPECT_EQ(path("a@x", ""), "refused");
}

}  // namespace
}  // namespace posthorn::config
