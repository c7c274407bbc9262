// relay.source_address: connections leave from it, hosts of the other family are passed over, and
// an address that this machine does not have keeps the mail and says so.
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;

class SourceAddressTest : public TransportsTest {};

TEST_F(SourceAddressTest, ConnectionsLeaveFromIt) {
  for (const std::string source : {"", "127.0.0.1", "127.0.0.5", "127.7.7.7"}) {
    config_.relay.source_address = source;
    FakeSmtpPeer peer;
    EXPECT_EQ(kinds(attempt(relay(peer.port()))), "DDD");
    peer.stop();
    EXPECT_EQ(peer.session().client, source.empty() ? "127.0.0.1" : source);
  }
}

TEST_F(SourceAddressTest, HostsOfTheOtherFamily) {
  FakeSmtpPeer peer;
  config_.relay.mx_port = peer.port();
  config_.relay.source_address = "127.0.0.5";
  dns_.mx("d.test", 10, "six.test").mx("d.test", 20, "four.test");
  dns_.aaaa("six.test", "::1").a("four.test", "127.0.0.1");
  Attempted attempted = attempt(route::MxPlan{"d.test"}, 1);
  EXPECT_EQ(kinds(attempted), "D");
  EXPECT_THAT(attempted.outcomes[0].remote, HasSubstr("four.test"));

  dns_.mx("only.test", 10, "six.test");
  attempted = attempt(route::MxPlan{"only.test"}, 1);
  EXPECT_EQ(kinds(attempted), "d");
  EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr("relay.source_address"));
}

TEST_F(SourceAddressTest, NotOfThisMachine) {
  for (const std::string source : {"192.0.2.77", "203.0.113.5"}) {
    config_.relay.source_address = source;
    FakeSmtpPeer peer;
    const Attempted attempted = attempt(relay(peer.port()));
    EXPECT_EQ(kinds(attempted), "ddd");
    EXPECT_THAT(attempted.outcomes[0].reason, HasSubstr(source));
    EXPECT_EQ(peer.connections(), 0U);
  }
}

TEST(SourceAddress, MustBeALiteral) {
  for (const char* good : {"127.0.0.1", "::1", "2001:db8::25"})
    EXPECT_TRUE(net::check_literal(good)) << good;
  for (const char* bad : {"", "localhost", "127.0.0.1:25", "[::1]", "127.0.0", "1.2.3.4.5", "::g"})
    EXPECT_FALSE(net::check_literal(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::deliver
