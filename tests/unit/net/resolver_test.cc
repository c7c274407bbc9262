// The resolver: what is not there is an empty answer, what could not be asked or read is a
// temporary Error, and no server can make it wait, grow or loop without bound.
#include "net/resolver.h"

#include "tests/support/fake_dns.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

using test::FakeDns;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using Fault = FakeDns::Fault;
using Strings = std::vector<std::string>;

class ResolverTest : public ::testing::Test {
 protected:
  Resolver& resolver() {
    if (!resolver_)
      resolver_ = *Resolver::make(loop_.executor(),
                                  {.servers = dns_.server(), .try_timeout = 250ms, .tries = 2});
    return *resolver_;
  }
  std::string text(const Result<Strings>& answer) {
    if (!answer) return "error " + std::string(to_string(answer.error().kind));
    std::string all;
    for (const std::string& one : *answer) all += (all.empty() ? "" : " ") + one;
    return all;
  }
  std::string addresses(const std::string& name) {
    return text(loop_.run(resolver().addresses(name, soon(10s))));
  }
  std::string mx(const std::string& name) {
    return mx_text(loop_.run(resolver().mx(name, soon(10s))));
  }
  static std::string mx_text(const Result<Resolver::MxAnswer>& answer) {
    if (!answer) return "error " + std::string(to_string(answer.error().kind));
    std::string all = answer->name_exists ? "" : "no name";
    for (const MxRecord& record : answer->records)
      all += (all.empty() ? "" : " ") + std::to_string(record.preference) + ":" + record.host;
    return all;
  }

  FakeDns dns_;
  test::TestLoop loop_;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, Addresses) {
  dns_.a("v4.test", "192.0.2.1").a("v4.test", "192.0.2.2");
  dns_.aaaa("v6.test", "2001:db8::1");
  dns_.a("both.test", "192.0.2.3").aaaa("both.test", "2001:db8::3");
  dns_.cname("alias.test", "step.test").cname("step.test", "both.test");
  dns_.cname("nowhere.test", "absent.test").txt("bare.test", {"x"});
  EXPECT_EQ(addresses("v4.test"), "192.0.2.1 192.0.2.2");
  EXPECT_EQ(addresses("V4.TEST."), "192.0.2.1 192.0.2.2");
  EXPECT_EQ(addresses("v6.test"), "2001:db8::1");
  EXPECT_EQ(addresses("both.test"), "192.0.2.3 2001:db8::3");
  EXPECT_EQ(addresses("alias.test"), "192.0.2.3 2001:db8::3");
  for (const char* absent : {"nowhere.test", "bare.test", "absent.test", "a..b", "..", " ",
                             "x\ny.test", "\xFF\xFF.test"})
    EXPECT_EQ(addresses(absent), "") << absent;
  EXPECT_EQ(addresses(std::string(64, 'l') + ".test"), "");
  EXPECT_EQ(addresses(std::string(300, 'l')), "");
}

TEST_F(ResolverTest, Mx) {
  dns_.mx("d.test", 30, "C.Test").mx("d.test", 10, "a.test").mx("d.test", 20, "b.test.");
  dns_.mx("null.test", 0, ".").a("bare.test", "192.0.2.1");
  dns_.cname("alias.test", "d.test");
  EXPECT_EQ(mx("d.test"), "10:a.test 20:b.test 30:c.test");
  EXPECT_EQ(mx("alias.test"), "10:a.test 20:b.test 30:c.test");
  EXPECT_EQ(mx("null.test"), "0:");
  EXPECT_EQ(mx("bare.test"), "");
  EXPECT_EQ(mx("absent.test"), "no name");
  EXPECT_EQ(mx("a..b"), "no name");
}

TEST_F(ResolverTest, TextAndNames) {
  dns_.txt("t.test", {"v=spf1 ", "-all"})
      .txt("t.test", {"second"})
      .txt("t.test", {std::string("n\0", 2)});
  dns_.ptr("1.2.0.192.in-addr.arpa", "Mail.Test");
  dns_.ptr("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "six.test");
  dns_.ptr("9.2.0.192.in-addr.arpa", "<b>\r\nx.test");
  const auto records = loop_.run(resolver().txt("t.test", soon(5s)));
  ASSERT_TRUE(records);
  EXPECT_THAT(*records, UnorderedElementsAre("v=spf1 -all", "second", std::string("n\0", 2)));
  EXPECT_EQ(text(loop_.run(resolver().txt("absent.test", soon(5s)))), "");
  EXPECT_EQ(text(loop_.run(resolver().names("192.0.2.1", soon(5s)))), "mail.test");
  EXPECT_EQ(text(loop_.run(resolver().names("2001:db8::1", soon(5s)))), "six.test");
  EXPECT_EQ(text(loop_.run(resolver().names("192.0.2.2", soon(5s)))), "");
  EXPECT_EQ(text(loop_.run(resolver().names("not an address", soon(5s)))), "");
  // A name that a stranger chose does not bring control characters in.
  const auto evil = loop_.run(resolver().names("192.0.2.9", soon(5s)));
  if (evil) {
    for (const std::string& name : *evil)
      for (const char c : name) EXPECT_TRUE(c > 0x20 && c < 0x7F) << name;
  }
}

TEST_F(ResolverTest, Services) {
  const std::string hash(32, '\xAB');
  dns_.tlsa("_25._tcp.m.test", "\3\1\1" + hash).validated("_25._tcp.m.test");
  dns_.cname("_465._tcp.m.test", "_25._tcp.m.test");
  dns_.srv("_imaps._tcp.d.test", 993, "M.Test").srv("_pop3._tcp.d.test", 0, ".");
  dns_.caa("d.test", "Issue", "ca.test; a=b").caa("d.test", "iodef", "mailto:x@d.test");
  const auto keys = loop_.run(resolver().tlsa("_25._tcp.M.test", soon(5s)));
  ASSERT_TRUE(keys && keys->records.size() == 1);
  const TlsaRecord& key = keys->records.front();
  EXPECT_EQ(std::tuple(key.usage, key.selector, key.matching, key.data), std::tuple(3, 1, 1, hash));
  EXPECT_EQ(keys->validated, Validated::yes);
  const auto same = loop_.run(resolver().tlsa("_465._tcp.m.test", soon(5s)));
  ASSERT_TRUE(same && same->records.size() == 1);
  EXPECT_EQ(same->validated, Validated::no);
  const auto service = loop_.run(resolver().srv("_imaps._tcp.d.test", soon(5s)));
  ASSERT_TRUE(service && service->records.size() == 1);
  EXPECT_EQ(service->records.front().port, 993);
  EXPECT_EQ(service->records.front().target, "m.test");
  const auto off = loop_.run(resolver().srv("_pop3._tcp.d.test", soon(5s)));
  ASSERT_TRUE(off && off->records.size() == 1);
  EXPECT_EQ(off->records.front().target, "");
  const auto authorities = loop_.run(resolver().caa("d.test", soon(5s)));
  ASSERT_TRUE(authorities && authorities->records.size() == 2);
  EXPECT_EQ(authorities->records[0].tag, "issue");
  EXPECT_EQ(authorities->records[0].value, "ca.test; a=b");
  const auto absent = loop_.run(resolver().caa("absent.test", soon(5s)));
  ASSERT_TRUE(absent && absent->records.empty());
  EXPECT_FALSE(absent->name_exists);
  const auto none = loop_.run(resolver().tlsa("d.test", soon(5s)));
  ASSERT_TRUE(none && none->records.empty());
  EXPECT_TRUE(none->name_exists);
}

TEST_F(ResolverTest, AnAliasIsToldAndNotFollowed) {
  dns_.cname("a.test", "B.test").cname("b.test", "c.test").a("c.test", "192.0.2.1");
  const auto step = loop_.run(resolver().alias("a.test", soon(5s)));
  ASSERT_TRUE(step);
  EXPECT_THAT(step->records, ElementsAre("b.test"));
  const auto end = loop_.run(resolver().alias("c.test", soon(5s)));
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->records.empty());
}

TEST_F(ResolverTest, ValidatedIsWhatTheServerSays) {
  dns_.mx("v.test", 10, "m.test").mx("n.test", 10, "m.test").validated("v.test");
  EXPECT_EQ(loop_.run(resolver().mx("v.test", soon(5s)))->validated, Validated::yes);
  EXPECT_EQ(loop_.run(resolver().mx("n.test", soon(5s)))->validated, Validated::no);
}

TEST_F(ResolverTest, RecordsThatCannotBeReadAreNoAnswer) {
  dns_.raw("t1.test", 52, "\3\1").raw("t2.test", 33, std::string("\0\0\0\0\0\0", 6));
  dns_.raw("t3.test", 257, std::string("\0\5abc", 5)).raw("t4.test", 257, std::string("\0\0x", 3));
  dns_.tlsa("t5.test", "\3\1\1abc").fault("t5.test", Fault::cut);
  dns_.cname("t6.test", "t7.test").cname("t7.test", "t6.test");
  EXPECT_FALSE(loop_.run(resolver().tlsa("t1.test", soon(5s))));
  EXPECT_FALSE(loop_.run(resolver().srv("t2.test", soon(5s))));
  EXPECT_FALSE(loop_.run(resolver().caa("t3.test", soon(5s))));
  EXPECT_FALSE(loop_.run(resolver().caa("t4.test", soon(5s))));
  EXPECT_FALSE(loop_.run(resolver().tlsa("t5.test", soon(5s))));
  EXPECT_FALSE(loop_.run(resolver().tlsa("t6.test", soon(5s))));
}

TEST_F(ResolverTest, Faults) {
  const std::string kError = "error temporary";
  const struct {
    Fault fault;
    std::string answer;  // "good", "", or an error
  } rows[] = {
      {Fault::servfail, kError},   {Fault::refused, kError},
      {Fault::formerr, kError},    {Fault::nxdomain, ""},
      {Fault::silent, kError},     {Fault::truncated, "good"},
      {Fault::cut, kError},        {Fault::garbage, kError},
      {Fault::wrong_id, kError},   {Fault::wrong_question, kError},
      {Fault::counts, kError},     {Fault::pointer_loop, kError},
      {Fault::bad_length, kError},
  };
  struct Asked {
    std::string name;
    std::optional<Result<Strings>> addresses, texts;
    std::optional<Result<Resolver::MxAnswer>> mx;
  };
  std::vector<Asked> asked(std::size(rows));
  const SteadyTime begin = soon(0ms);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const std::string name = asked[i].name = "f" + std::to_string(i) + ".test";
    dns_.a(name, "192.0.2.1").mx(name, 10, "m.test").txt(name, {"t"}).fault(name, rows[i].fault);
    start(loop_, resolver().addresses(name, soon(10s)), asked[i].addresses);
    start(loop_, resolver().mx(name, soon(10s)), asked[i].mx);
    start(loop_, resolver().txt(name, soon(10s)), asked[i].texts);
  }
  loop_.until([&] {
    return std::ranges::all_of(
        asked, [](const Asked& one) { return one.addresses && one.mx && one.texts; });
  });
  EXPECT_LT(soon(0ms) - begin, 8s);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    SCOPED_TRACE(asked[i].name);
    const std::string& answer = rows[i].answer;
    EXPECT_EQ(text(*asked[i].addresses), answer == "good" ? "192.0.2.1" : answer);
    EXPECT_EQ(mx_text(*asked[i].mx), answer == "good" ? "10:m.test"
                                     : answer.empty() ? "no name"
                                                      : answer);
    EXPECT_EQ(text(*asked[i].texts), answer == "good" ? "t" : answer);
  }
}

// It says TC and hangs up on whoever comes by TCP.
TEST_F(ResolverTest, TruncatedWithoutTcp) {
  dns_.a("t.test", "192.0.2.1").mx("t.test", 10, "m.test").fault("t.test", Fault::truncated_only);
  EXPECT_EQ(addresses("t.test"), "error temporary");
  EXPECT_EQ(mx("t.test"), "error temporary");
  EXPECT_GE(dns_.tcp_questions(), 1U);
}

// Servers that know one kind of address only are common.
TEST_F(ResolverTest, OneKindFails) {
  dns_.a("a.test", "192.0.2.1").fault("a.test", Fault::servfail, "AAAA");
  dns_.aaaa("b.test", "2001:db8::1").fault("b.test", Fault::silent, "A");
  dns_.txt("c.test", {"x"}).fault("c.test", Fault::servfail, "AAAA");
  EXPECT_EQ(addresses("a.test"), "192.0.2.1");
  EXPECT_EQ(addresses("b.test"), "2001:db8::1");
  EXPECT_EQ(addresses("c.test"), "error temporary");
}

TEST_F(ResolverTest, LoopsOfNames) {
  dns_.cname("one.test", "one.test");
  dns_.cname("a.test", "b.test").cname("b.test", "c.test").cname("c.test", "a.test");
  dns_.cname("in.test", "a.test");
  dns_.cname("Up.test", "up.test");
  for (const char* name : {"one.test", "a.test", "b.test"}) {
    EXPECT_EQ(addresses(name), "error temporary") << name;
    EXPECT_EQ(mx(name), "error temporary") << name;
    EXPECT_EQ(text(loop_.run(resolver().txt(name, soon(5s)))), "error temporary") << name;
  }
  EXPECT_EQ(addresses("in.test"), "error temporary");
}

TEST_F(ResolverTest, TenMegabytes) {
  resolver_ =
      *Resolver::make(loop_.executor(), {.servers = dns_.server(), .try_timeout = 3s, .tries = 2});
  dns_.a("flood.test", "192.0.2.1").fault("flood.test", Fault::flood);
  const std::string answer = addresses("flood.test");
  EXPECT_TRUE(answer == "192.0.2.1" || answer == "error temporary") << answer;
  // The greatest answer that there can be: 64 KiB.
  for (int i = 0; i < 2000; ++i)
    dns_.a("many.test", "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  dns_.fault("many.test", Fault::truncated);
  const auto many = loop_.run(resolver().addresses("many.test", soon(10s)));
  ASSERT_TRUE(many);
  EXPECT_GE(many->size(), 1U);
  EXPECT_LE(many->size(), 64U);
  EXPECT_GE(dns_.tcp_questions(), 1U);
}

TEST_F(ResolverTest, TheDeadlineIsKept) {
  dns_.fault("silent.test", Fault::silent);
  const SteadyTime begin = soon(0ms);
  EXPECT_EQ(text(loop_.run(resolver().txt("silent.test", soon(30ms)))), "error temporary");
  EXPECT_LT(soon(0ms) - begin, 3s);
  // Its late end disturbs nobody.
  dns_.a("a.test", "192.0.2.1");
  loop_.idle(400ms);
  EXPECT_EQ(addresses("a.test"), "192.0.2.1");
}

Awaitable<void> count(Resolver& resolver, std::string name, int& good, int& done) {
  const auto answer = co_await resolver.addresses(std::move(name), soon(10s));
  good += answer && answer->size() == 1 ? 1 : 0;
  ++done;
}

TEST_F(ResolverTest, ManyAtOnce) {
  int good = 0;
  int done = 0;
  for (int i = 0; i < 200; ++i) dns_.a("n" + std::to_string(i) + ".test", "192.0.2.1");
  for (int i = 0; i < 200; ++i)
    loop_.scope().spawn(count(resolver(), "n" + std::to_string(i) + ".test", good, done));
  loop_.until([&] { return done == 200; });
  EXPECT_EQ(good, 200);
}

// Questions that are still open when the resolver goes end as errors.
TEST_F(ResolverTest, ItGoesWhileAsked) {
  dns_.fault("silent.test", Fault::silent);
  int good = 0;
  int done = 0;
  for (int i = 0; i < 5; ++i) loop_.scope().spawn(count(resolver(), "silent.test", good, done));
  loop_.idle(20ms);
  resolver_.reset();
  loop_.until([&] { return done == 5; });
  EXPECT_EQ(good, 0);
}

TEST_F(ResolverTest, NobodyListens) {
  const auto lost = *Resolver::make(loop_.executor(),
                                    {.servers = "127.0.0.1:1", .try_timeout = 50ms, .tries = 2});
  EXPECT_EQ(text(loop_.run(lost->addresses("a.test", soon(5s)))), "error temporary");
  EXPECT_FALSE(Resolver::make(loop_.executor(), {.servers = "not a server"}));
}

}  // namespace
}  // namespace posthorn::net
