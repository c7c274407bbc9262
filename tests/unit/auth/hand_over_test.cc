#include "auth/hand_over.h"

#include <gtest/gtest.h>

namespace posthorn::auth {
namespace {

TEST(HandOver, ComesBackAsItWas) {
  const HandOver what{.token = "t\to\nk",
                      .session = "S1",
                      .service = "pop3",
                      .tag = "a\\1",
                      .address = "2001:db8::1",
                      .tls = true};
  std::string line = format_hand_over(what);
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  line.pop_back();
  const auto read = parse_hand_over(line);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->token, what.token);
  EXPECT_EQ(read->session, what.session);
  EXPECT_EQ(read->service, what.service);
  EXPECT_EQ(read->tag, what.tag);
  EXPECT_EQ(read->address, what.address);
  EXPECT_TRUE(read->tls);
}

TEST(HandOver, AnythingElseIsRefused) {
  EXPECT_FALSE(parse_hand_over(""));
  EXPECT_FALSE(parse_hand_over("0\tredeem\ttoken=x"));
}

TEST(UserConnections, GiveTheirPlaceBack) {
  UserConnections connections(2);
  auto first = connections.take("a");
  ASSERT_TRUE(first);
  {
    const auto second = connections.take("a");
    ASSERT_TRUE(second);
    EXPECT_FALSE(connections.take("a"));
    EXPECT_TRUE(connections.take("b"));
  }
  auto third = connections.take("a");
  ASSERT_TRUE(third);
  EXPECT_FALSE(connections.take("a"));
  first = std::nullopt;
  EXPECT_TRUE(connections.take("a"));
}

}  // namespace
}  // namespace posthorn::auth
