#include "auth/hand_over.h"

#include "base/events.h"
#include "tests/support/test_loop.h"

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

class OneToken final : public Redeemer {
 public:
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string session) override {
    if (token == "down") co_return fail(ErrorKind::temporary, "lookup is away");
    if (token != "good" || service != "imap" || session != "S1") co_return std::nullopt;
    co_return "alice@example.org";
  }
};

TEST(Admission, KnowsTokenServiceAndBound) {
  test::TestLoop loop;
  OneToken redeemer;
  Admission admission(redeemer, "imap", 1);
  const auto ask = [&](const std::string& token, const std::string& service) {
    return loop.run(admission.admit({.token = token,
                                     .session = "S1",
                                     .service = service,
                                     .tag = {},
                                     .address = "192.0.2.7",
                                     .tls = true},
                                    {}, {event::imap_failed, event::imap_limited}));
  };
  const auto other = ask("good", "pop3");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::protocol);
  for (const char* token : {"down", "guessed"}) {
    const auto refused = ask(token, "imap");
    ASSERT_TRUE(refused);
    ASSERT_FALSE(*refused);
    EXPECT_EQ(refused->error(), Admission::Refused::not_known);
  }
  {
    const auto first = ask("good", "imap");
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->account, "alice@example.org");
    const auto second = ask("good", "imap");
    ASSERT_TRUE(second);
    ASSERT_FALSE(*second);
    EXPECT_EQ(second->error(), Admission::Refused::too_many);
  }
  const auto again = ask("good", "imap");  // the first one's place is free again
  EXPECT_TRUE(again && *again);
}

}  // namespace
}  // namespace posthorn::auth
