// Which hosts a domain's mail is offered to, and what its DNS may bring about: the order of
// preference, the ways round a dead host, and for every fault of DNS the difference between "not
// there" (the mail goes back) and "could not ask" (it waits). No stranger's MX leads us to
// ourselves or into this network.
#include "tests/unit/deliver/harness.h"

namespace posthorn::deliver {
namespace {

using ::testing::HasSubstr;

class MxTest : public TransportsTest {
 protected:
  MxTest() {
    dns_.a("one.test", "127.0.0.1").a("two.test", "127.0.0.2").a("dead.test", "127.0.0.9");
  }
  Attempted go(const std::string& domain) { return attempt(route::MxPlan{domain}, 1); }
  // Two servers on one port, at 127.0.0.1 and 127.0.0.2; 127.0.0.9 refuses.
  void serve(Dialog one = {}, Dialog two = {}) {
    second_.reset();
    first_.emplace(std::move(one));
    config_.relay.mx_port = first_->port();
    second_.emplace(std::move(two),
                    FakeSmtpPeer::Options{.where = {.host = "127.0.0.2", .port = first_->port()}});
  }
  std::string served() const {
    return std::to_string(first_->connections()) + "+" + std::to_string(second_->connections());
  }

  std::optional<FakeSmtpPeer> first_, second_;
};

TEST_F(MxTest, InTheOrderOfPreference) {
  serve();
  dns_.mx("d.test", 20, "one.test").mx("d.test", 10, "two.test").mx("d.test", 5, "dead.test");
  const Attempted attempted = go("d.test");
  EXPECT_EQ(kinds(attempted), "D");
  EXPECT_THAT(attempted.outcomes[0].remote, HasSubstr("two.test[127.0.0.2]"));
  EXPECT_EQ(served(), "0+1");
}

TEST_F(MxTest, EqualOnesShareTheLoad) {
  serve();
  dns_.mx("d.test", 10, "one.test").mx("d.test", 10, "two.test");
  for (int i = 0; i < 64 && (first_->connections() == 0 || second_->connections() == 0); ++i)
    EXPECT_EQ(kinds(go("d.test")), "D");
  EXPECT_GT(first_->connections(), 0U);
  EXPECT_GT(second_->connections(), 0U);
}

TEST_F(MxTest, TheNextHostWhenOneIsIll) {
  const Dialog ill[] = {{{"banner", {say_and_close("421 no\r\n")}}},
                        {{"banner", {say("554 no\r\n")}}},
                        {{"banner", {stall()}}},
                        {{"EHLO", {hang_up()}}}};
  dns_.mx("d.test", 10, "one.test").mx("d.test", 20, "two.test");
  for (const Dialog& dialog : ill) {
    serve(dialog);
    set_patience(dialog);
    const Attempted attempted = go("d.test");
    EXPECT_EQ(kinds(attempted), "D");
    EXPECT_EQ(served(), "1+1");
  }
  // An answer about the recipient is the domain's answer: nobody else is asked.
  serve({{"RCPT", {say("550 5.1.1 who\r\n")}}});
  EXPECT_EQ(kinds(go("d.test")), "F");
  EXPECT_EQ(served(), "1+0");
}

TEST_F(MxTest, WithoutMxTheDomainItself) {
  serve();
  dns_.txt("one.test", {"no MX here"});
  EXPECT_EQ(kinds(go("one.test")), "D");
  EXPECT_EQ(served(), "1+0");
}

TEST_F(MxTest, AllAreIll) {
  serve({{"banner", {say("421 a\r\n")}}}, {{"banner", {say("451 b\r\n")}}});
  dns_.mx("d.test", 10, "one.test").mx("d.test", 20, "two.test");
  const Attempted attempted = go("d.test");
  EXPECT_EQ(kinds(attempted), "d");
  EXPECT_TRUE(attempted.destination_down);
}

struct DnsRow {
  std::string name;
  std::string domain;
  char kind;
  std::string enhanced;  // of a failure
};

TEST_F(MxTest, WhatDnsMaySay) {
  serve();
  using Fault = FakeDns::Fault;
  dns_.mx("null.test", 0, ".");
  dns_.mx("nullandmore.test", 0, ".").mx("nullandmore.test", 10, "one.test");
  dns_.mx("ghost.test", 10, "nothing.test");
  dns_.mx("ghostandmore.test", 10, "nothing.test").mx("ghostandmore.test", 20, "one.test");
  dns_.txt("bare.test", {"neither MX nor address"});
  dns_.fault("servfail.test", Fault::servfail);
  dns_.fault("refused.test", Fault::refused);
  dns_.fault("formerr.test", Fault::formerr);
  dns_.fault("garbage.test", Fault::garbage);
  dns_.mx("cut.test", 10, "one.test").fault("cut.test", Fault::cut, "MX");
  dns_.mx("counts.test", 10, "one.test").fault("counts.test", Fault::counts, "MX");
  dns_.fault("pointer.test", Fault::pointer_loop, "MX").a("pointer.test", "127.0.0.1");
  dns_.fault("length.test", Fault::bad_length, "MX").a("length.test", "127.0.0.1");
  dns_.mx("tc.test", 10, "one.test").fault("tc.test", Fault::truncated);
  dns_.cname("loop.test", "loop2.test").cname("loop2.test", "loop.test");
  dns_.cname("self.test", "self.test");
  dns_.mx("mxloop.test", 10, "loop.test");
  dns_.cname("alias.test", "real.test").mx("real.test", 10, "one.test");
  dns_.mx("mxservfail.test", 10, "servfail.test");
  dns_.mx("mxcut.test", 10, "acut.test");
  dns_.a("acut.test", "127.0.0.1").fault("acut.test", Fault::cut, "A");
  dns_.mx("half.test", 10, "servfail.test").mx("half.test", 20, "one.test");
  dns_.fault("aservfail.test", Fault::servfail, "A").txt("aservfail.test", {"x"});
  const DnsRow rows[] = {
      {"no such domain", "nxdomain.test", 'F', "5.1.2"},
      {"neither MX nor address", "bare.test", 'F', "5.1.2"},
      {"a name that cannot be", "a..b.test", 'F', "5.1.2"},
      {"a label too long", std::string(64, 'x') + ".test", 'F', "5.1.2"},
      {"null MX", "null.test", 'F', "5.1.10"},
      {"null MX and another", "nullandmore.test", 'D', ""},
      {"an MX that is not there", "ghost.test", 'd', ""},
      {"an MX that is not there and one that is", "ghostandmore.test", 'D', ""},
      {"SERVFAIL", "servfail.test", 'd', ""},
      {"REFUSED", "refused.test", 'd', ""},
      {"FORMERR", "formerr.test", 'd', ""},
      {"garbage", "garbage.test", 'd', ""},
      {"cut", "cut.test", 'd', ""},
      {"wrong counts", "counts.test", 'd', ""},
      {"a pointer to itself", "pointer.test", 'd', ""},
      {"a record beyond the end", "length.test", 'd', ""},
      {"truncated, whole over TCP", "tc.test", 'D', ""},
      {"a loop of names", "loop.test", 'd', ""},
      {"a name that is its own alias", "self.test", 'd', ""},
      {"an MX in a loop of names", "mxloop.test", 'd', ""},
      {"an alias", "alias.test", 'D', ""},
      {"an MX whose address cannot be asked for", "mxservfail.test", 'd', ""},
      {"an MX whose address comes cut", "mxcut.test", 'd', ""},
      {"one of two MX cannot be asked for", "half.test", 'D', ""},
      {"no MX, and the address cannot be asked for", "aservfail.test", 'd', ""},
  };
  for (const DnsRow& row : rows) {
    SCOPED_TRACE(row.name);
    const Attempted attempted = go(row.domain);
    EXPECT_EQ(kinds(attempted), std::string(1, row.kind)) << attempted.outcomes[0].reason;
    if (row.kind == 'F') {
      EXPECT_EQ(attempted.outcomes[0].reply.enhanced, row.enhanced);
    }
    if (row.kind == 'd') {
      EXPECT_EQ(attempted.outcomes[0].reply.code, 0) << attempted.outcomes[0].reason;
    }
  }
}

// RFC 5321 section 5.1: mail that would come back to us goes back to its sender.
TEST_F(MxTest, OurselvesAndThoseNoBetter) {
  serve();
  config_.server.hostname = "Me.Test";
  dns_.a("me.test", "127.0.0.1");
  dns_.mx("loop.test", 10, "me.test");
  dns_.mx("backup.test", 10, "one.test").mx("backup.test", 20, "ME.test");
  dns_.mx("worse.test", 10, "me.test").mx("worse.test", 20, "two.test");
  dns_.mx("equal.test", 10, "me.test").mx("equal.test", 10, "two.test");
  for (const std::string domain : {"loop.test", "worse.test", "me.test"}) {
    const Attempted attempted = go(domain);
    EXPECT_EQ(kinds(attempted), "F") << domain;
    EXPECT_EQ(attempted.outcomes[0].reply.enhanced, "5.4.6") << domain;
  }
  for (int i = 0; i < 8; ++i)  // whichever of the equal ones comes first
    EXPECT_EQ(kinds(go("equal.test")), "F");
  EXPECT_EQ(served(), "0+0");
  EXPECT_EQ(kinds(go("backup.test")), "D");
  EXPECT_EQ(served(), "1+0");
}

TEST_F(MxTest, IntoThisNetworkOnlyWhereItIsAllowed) {
  const std::string addresses[] = {
      "127.0.0.1",       "127.8.8.8",   "0.0.0.0",     "10.1.2.3",  "172.16.0.1",
      "172.31.255.255",  "192.168.1.1", "169.254.1.1", "224.0.0.1", "255.255.255.255",
      "100.100.100.200",  // the address space between customers and carriers
  };
  serve();
  config_.relay.private_mx = false;
  int number = 0;
  for (const std::string& address : addresses) {
    const std::string name = "n" + std::to_string(number++) + ".test";
    dns_.mx(name, 10, "mx." + name).a("mx." + name, address);
    const Attempted attempted = go(name);
    EXPECT_EQ(kinds(attempted), "F") << address;
    EXPECT_EQ(attempted.outcomes[0].reply.enhanced, "5.4.4") << address;
    EXPECT_EQ(kinds(go("[" + address + "]")), "F") << address;
  }
  for (const std::string address :
       {"::1", "::", "::ffff:127.0.0.1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "fec0::1"}) {
    const std::string name = "n" + std::to_string(number++) + ".test";
    dns_.mx(name, 10, "mx." + name).aaaa("mx." + name, address);
    EXPECT_EQ(kinds(go(name)), "F") << address;
    EXPECT_EQ(kinds(go("[IPv6:" + address + "]")), "F") << address;
  }
  dns_.mx("lh.test", 10, "localhost").mx("literal.test", 10, "127.0.0.1");
  EXPECT_EQ(kinds(go("lh.test")), "F");
  EXPECT_EQ(kinds(go("literal.test")), "F");
  EXPECT_EQ(kinds(go("[what]")), "F");
  // One of two cannot be asked for now: it may have been the way.
  dns_.mx("perhaps.test", 10, "one.test").mx("perhaps.test", 20, "servfail.test");
  dns_.fault("servfail.test", FakeDns::Fault::servfail);
  EXPECT_EQ(kinds(go("perhaps.test")), "d");
  EXPECT_EQ(served(), "0+0");

  config_.relay.private_mx = true;
  EXPECT_EQ(kinds(go("n0.test")), "D");
  EXPECT_EQ(kinds(go("[127.0.0.1]")), "D");
  EXPECT_EQ(served(), "2+0");
}

// A domain with very many MX records costs a bounded number of questions.
TEST_F(MxTest, ThousandHosts) {
  serve();
  for (int i = 0; i < 1000; ++i)
    dns_.mx("many.test", static_cast<std::uint16_t>(i), "h" + std::to_string(i) + ".x");
  dns_.fault("many.test", FakeDns::Fault::truncated);
  EXPECT_EQ(kinds(go("many.test")), "d");
  EXPECT_LT(dns_.questions(), 100U);
}

TEST_F(MxTest, RelayByItsMx) {
  serve();
  dns_.mx("relay.test", 10, "servfail.test").mx("relay.test", 20, "two.test");
  dns_.fault("servfail.test", FakeDns::Fault::servfail);
  route::RelayPlan plan = relay(config_.relay.mx_port);
  plan.host = "relay.test";
  plan.use_mx = true;
  EXPECT_EQ(kinds(attempt(plan, 1)), "D");
  EXPECT_EQ(served(), "0+1");
  // Brackets: no MX is asked for.
  plan.host = "one.test";
  plan.use_mx = false;
  EXPECT_EQ(kinds(attempt(plan, 1)), "D");
  EXPECT_EQ(served(), "1+1");
}

}  // namespace
}  // namespace posthorn::deliver
