// mailto: URIs (RFC 6068): what they hold, and what cannot be one.
#include "message/mailto.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

using List = std::vector<std::string>;

TEST(MailtoTest, RecipientsAndFields) {
  const auto plain = parse_mailto("mailto:a@example.org");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->to, List{"a@example.org"});
  EXPECT_FALSE(plain->subject);
  const auto all = parse_mailto(
      "MAILTO:a@example.org%2cb@example.org,c@example.org?To=d@example.org&cc=e@example.org"
      "&bcc=f@example.org&subject=Gr%C3%BC%C3%9Fe&body=a%0D%0Ab&X-Other=1#part");
  ASSERT_TRUE(all) << all.error();
  EXPECT_EQ(all->to, (List{"a@example.org", "b@example.org", "c@example.org", "d@example.org"}));
  EXPECT_EQ(all->cc, List{"e@example.org"});
  EXPECT_EQ(all->bcc, List{"f@example.org"});
  EXPECT_EQ(all->subject,
            "Gr\xC3\xBC\xC3\x9F"
            "e");
  EXPECT_EQ(all->body, "a\r\nb");
  ASSERT_EQ(all->fields.size(), 1U);
  EXPECT_EQ(all->fields[0].first, "X-Other");
  EXPECT_TRUE(parse_mailto("mailto:?to=a@example.org"));
}

TEST(MailtoTest, WhatIsNoneSaysWhy) {
  std::string many = "mailto:a@example.org";
  for (int i = 0; i < 20; ++i) many += ",a" + std::to_string(i) + "@example.org";
  const std::pair<std::string, std::string_view> kRows[] = {
      {"tel:1", "it does not begin with mailto:"},
      {"mailto:", "it names nobody"},
      {"mailto:?subject=x", "it names nobody"},
      {"mailto:a@example.org;?x=y", "`;` must be percent-encoded"},
      {"mailto:a@example.org?x<=y", "`<` must be percent-encoded"},
      {"mailto:a@example.org?x=y>z", "`>` must be percent-encoded"},
      {"mailto:a@example.org?x:=y", "`x:` is no name of a header field"},
      {"mailto:a@example.org?=y", "`` is no name of a header field"},
      {"mailto:a@example.org?x", "`x` has no `=` behind the name of a header field"},
      {"mailto:a%23example.org", "\"a#example.org\" is no address"},
      {"mailto:a@example.org?to=b", "\"b\" is no address"},
      {"mailto:a@example.org?subject=%4", "`%4` is no encoded character"},
      {"mailto:a@example.org?subject=%FF", "what is encoded is no UTF-8"},
      {many, "it names more than 20"},
  };
  for (const auto& [uri, why] : kRows) {
    const auto parsed = parse_mailto(uri);
    ASSERT_FALSE(parsed) << uri;
    EXPECT_EQ(parsed.error(), why) << uri;
  }
}

}  // namespace
}  // namespace posthorn::message
