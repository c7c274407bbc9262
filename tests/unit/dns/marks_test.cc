// Proves what the marks of the DNS say: good, wrong with what is there, and unknown when nobody
// could say; for each record that others look up, and through the asker with a DNS server.
#include "dns/marks.h"

#include <gtest/gtest.h>

#include "dns/asker.h"
#include "tests/support/fake_dns.h"
#include "tests/support/test_loop.h"

namespace posthorn::dns {
namespace {

using Strings = std::vector<std::string>;

Answer unknown() {
  return fail(ErrorKind::temporary, "the server is silent");
}
HostFacts good_host() {
  return {.host = "mx.example.org",
          .own = {"192.0.2.1", "2001:db8::1"},
          .addresses = Strings{"192.0.2.1"},
          .names = {{"192.0.2.1", Strings{"MX.example.org."}}}};
}
DomainFacts good_domain() {
  return {.domain = "example.org",
          .host = "mx.example.org",
          .here = {"192.0.2.1"},
          .exchangers = Strings{"mx.example.org"},
          .leads = {},
          .texts = Strings{"verification=1", "v=spf1 mx -all"},
          .policies = Strings{"v=DMARC1; p=none"},
          .keys = {{.selector = "mail",
                    .type = "rsa",
                    .public_base64 = "QUJD",
                    .records = Strings{"v=DKIM1; k=rsa; p=QUJD"}}}};
}
health::Mark mark(const std::vector<health::Mark>& marks, std::string_view record) {
  for (const health::Mark& one : marks)
    if (one.record == record) return one;
  return {};
}

TEST(HostMarks, AHostThatIsFoundAndNamedIsGood) {
  for (const health::Mark& one : judge_host(good_host())) EXPECT_EQ(one.outcome, "good");
}

TEST(HostMarks, TellWhatIsWrongAndWhatToDo) {
  HostFacts facts = good_host();
  facts.addresses = Strings{"192.0.2.1", "192.0.2.9"};
  facts.names = {{"192.0.2.1", Strings{}}, {"192.0.2.9", Strings{"pool-9.isp.test"}}};
  const auto marks = judge_host(facts);
  ASSERT_EQ(marks.size(), 3U);
  EXPECT_EQ(marks[0].outcome, "wrong");
  EXPECT_EQ(marks[0].found, "192.0.2.9 is not this machine's");
  EXPECT_EQ(marks[0].remedy, "publish: mx.example.org. A 192.0.2.1");
  EXPECT_EQ(marks[1].found, "it has no name");
  EXPECT_EQ(marks[2].found, "pool-9.isp.test");
  EXPECT_NE(marks[2].remedy.find("192.0.2.9"), std::string::npos);
  facts.addresses = Strings{};
  EXPECT_EQ(judge_host(facts)[0].outcome, "missing");
}

TEST(HostMarks, WhatNobodyCouldSayIsNoFault) {
  HostFacts facts = good_host();
  facts.own = {};  // behind a translation of addresses
  EXPECT_EQ(judge_host(facts)[0].outcome, "unasked");
  facts.addresses = unknown();
  facts.names = {{"192.0.2.1", unknown()}};
  for (const health::Mark& one : judge_host(facts)) EXPECT_EQ(one.outcome, "unasked");
}

TEST(DomainMarks, ADomainWithAllRecordsIsGood) {
  const auto marks = judge_domain(good_domain());
  EXPECT_EQ(marks.size(), 4U);
  for (const health::Mark& one : marks) EXPECT_EQ(one.outcome, "good") << one.record << one.found;
}

struct Row {
  const char* name;
  void (*change)(DomainFacts&);
  const char* record;
  const char* outcome;
  const char* found;
};
const Row kRows[] = {
    {"no MX", [](DomainFacts& f) { f.exchangers = Strings{}; }, "MX", "missing", "there is none"},
    {"no MX of the host itself",
     [](DomainFacts& f) {
       f.domain = f.host;
       f.exchangers = Strings{};
     },
     "MX", "good", "its own address"},
    {"null MX", [](DomainFacts& f) { f.exchangers = Strings{""}; }, "MX", "wrong", "takes no mail"},
    {"MX elsewhere",
     [](DomainFacts& f) {
       f.exchangers = Strings{"mx.other.test"};
       f.leads = {{"mx.other.test", Strings{"198.51.100.1"}}};
     },
     "MX", "wrong", "none of them leads here"},
    {"MX by another name",
     [](DomainFacts& f) {
       f.exchangers = Strings{"mail.example.org"};
       f.leads = {{"mail.example.org", Strings{"192.0.2.1"}}};
     },
     "MX", "good", "mail.example.org"},
    {"MX that nobody knows",
     [](DomainFacts& f) {
       f.exchangers = Strings{"mx.other.test"};
       f.leads = {{"mx.other.test", unknown()}};
     },
     "MX", "unasked", "silent"},
    {"MX unasked", [](DomainFacts& f) { f.exchangers = unknown(); }, "MX", "unasked", "silent"},
    {"no SPF", [](DomainFacts& f) { f.texts = Strings{"v=spf10 mx"}; }, "SPF", "missing", "none"},
    {"two SPF", [](DomainFacts& f) { f.texts = Strings{"v=spf1 a", "V=SPF1 mx"}; }, "SPF", "wrong",
     "there are 2"},
    {"SPF of nobody", [](DomainFacts& f) { f.texts = Strings{"v=spf1 -all"}; }, "SPF", "wrong",
     "nobody may send"},
    {"SPF unasked", [](DomainFacts& f) { f.texts = unknown(); }, "SPF", "unasked", "silent"},
    {"no DMARC", [](DomainFacts& f) { f.policies = Strings{"hello"}; }, "DMARC", "missing", "none"},
    {"two DMARC",
     [](DomainFacts& f) { f.policies = Strings{"v=DMARC1; p=none", "v=DMARC1;p=reject"}; }, "DMARC",
     "wrong", "there are 2"},
    {"DMARC without a policy", [](DomainFacts& f) { f.policies = Strings{"v=DMARC1; p=maybe"}; },
     "DMARC", "wrong", "no policy"},
    {"DMARC that refuses all mail",
     [](DomainFacts& f) {
       f.policies = Strings{"v=DMARC1; p=reject"};
       f.texts = Strings{};
       f.keys[0].records = Strings{};
     },
     "DMARC", "wrong", "neither SPF nor DKIM"},
    {"DMARC that DKIM passes",
     [](DomainFacts& f) {
       f.policies = Strings{"v=DMARC1; p=reject"};
       f.texts = Strings{};
     },
     "DMARC", "good", "p=reject"},
    {"DMARC unasked", [](DomainFacts& f) { f.policies = unknown(); }, "DMARC", "unasked", "silent"},
    {"no key", [](DomainFacts& f) { f.keys = {}; }, "DKIM", "missing", "unsigned"},
    {"key unpublished", [](DomainFacts& f) { f.keys[0].records = Strings{}; }, "DKIM", "missing",
     "there is no such record"},
    {"key of before", [](DomainFacts& f) { f.keys[0].records = Strings{"p=WFla"}; }, "DKIM",
     "wrong", "of another key"},
    {"key revoked", [](DomainFacts& f) { f.keys[0].records = Strings{"v=DKIM1; p="}; }, "DKIM",
     "wrong", "revoked"},
    {"key unasked", [](DomainFacts& f) { f.keys[0].records = unknown(); }, "DKIM", "unasked",
     "silent"},
};

TEST(DomainMarks, TellWhatIsThere) {
  for (const Row& row : kRows) {
    DomainFacts facts = good_domain();
    row.change(facts);
    const health::Mark found = mark(judge_domain(facts), row.record);
    EXPECT_EQ(found.outcome, row.outcome) << row.name;
    EXPECT_NE(found.found.find(row.found), std::string::npos) << row.name << found.found;
    EXPECT_EQ(found.remedy.empty(), found.outcome == "good" || found.outcome == "unasked")
        << row.name;
  }
}

TEST(DomainMarks, NoKeyIsNoFaultWhereARelaySigns) {
  DomainFacts facts = good_domain();
  facts.keys = {};
  facts.without_key = Unsigned::meant;
  EXPECT_EQ(mark(judge_domain(facts), "DKIM").outcome, "");
}

TEST(DomainMarks, WhatStrangersPublishIsCut) {
  DomainFacts facts = good_domain();
  facts.texts = Strings{"v=spf1 " + std::string(5000, 'x')};
  EXPECT_LE(mark(judge_domain(facts), "SPF").found.size(), 120U);
}

Patience until(SteadyTime deadline) {
  return [deadline] { return deadline; };
}

TEST(Asker, AsksEachOnceAndJudges) {
  test::FakeDns server;
  server.mx("example.org", 10, "mail.example.org").txt("example.org", {"v=spf1 ", "mx -all"});
  server.a("mail.example.org", "127.0.0.9").a("mx.example.org", "127.0.0.9");
  server.txt("_dmarc.example.org", {"v=DMARC1; p=reject"});
  server.fault("mail._domainkey.example.org", test::FakeDns::Fault::servfail);
  test::TestLoop loop;
  auto resolver = net::Resolver::make(loop.executor(), {.servers = server.server()});
  ASSERT_TRUE(resolver);
  Subject subject{
      .host = "mx.example.org",
      .own = {"127.0.0.1"},
      .domains = {{.name = "example.org", .keys = {{.selector = "mail", .type = "rsa"}}},
                  {.name = "sub.example.org", .keys = {}}}};
  const auto marks = loop.wait(ask_marks(**resolver, subject, until(test::soon(20s))));
  std::vector<std::string> shown;
  for (const health::Mark& one : marks)
    shown.push_back(one.record + " " + one.name + " " + one.outcome);
  EXPECT_EQ(shown, (Strings{"A mx.example.org unasked", "PTR 127.0.0.9 missing",
                            "MX example.org good", "SPF example.org good",
                            "DKIM mail._domainkey.example.org unasked", "DMARC example.org good",
                            "MX sub.example.org missing", "SPF sub.example.org missing",
                            "DKIM sub.example.org missing", "DMARC sub.example.org wrong"}));
}

TEST(Asker, ASilentServerCostsItsTimeAndNoMore) {
  test::FakeDns server;
  server.fault("mx.example.org", test::FakeDns::Fault::silent);
  server.fault("example.org", test::FakeDns::Fault::silent);
  test::TestLoop loop;
  auto resolver = net::Resolver::make(loop.executor(), {.servers = server.server()});
  ASSERT_TRUE(resolver);
  Subject subject{.host = "mx.example.org", .domains = {{.name = "example.org", .keys = {}}}};
  const auto begin = std::chrono::steady_clock::now();
  const auto marks = loop.wait(ask_marks(**resolver, subject, until(test::soon(300ms))));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  EXPECT_EQ(mark(marks, "MX").outcome, "unasked");
}

TEST(Asker, ASilentServerOfOneNameTakesNoTimeOfTheOthers) {
  test::FakeDns server;
  server.fault("mx.example.org", test::FakeDns::Fault::silent);
  server.txt("example.org", {"v=spf1 mx -all"});
  test::TestLoop loop;
  auto resolver = net::Resolver::make(loop.executor(), {.servers = server.server()});
  ASSERT_TRUE(resolver);
  Subject subject{.host = "mx.example.org", .domains = {{.name = "example.org", .keys = {}}}};
  const auto marks = loop.wait(ask_marks(**resolver, subject, [] { return test::soon(500ms); }));
  EXPECT_EQ(mark(marks, "A").outcome, "unasked");
  EXPECT_EQ(mark(marks, "SPF").outcome, "good");
}

TEST(Asker, ByARelayNobodyLooksAtTheReverseName) {
  test::FakeDns server;
  server.a("mx.example.org", "192.0.2.1");
  test::TestLoop loop;
  auto resolver = net::Resolver::make(loop.executor(), {.servers = server.server()});
  ASSERT_TRUE(resolver);
  Subject subject{.host = "mx.example.org", .own = {"192.0.2.1"}, .way = Way::by_relay};
  const auto marks = loop.wait(ask_marks(**resolver, subject, until(test::soon(20s))));
  ASSERT_EQ(marks.size(), 1U);
  EXPECT_EQ(marks[0].outcome, "good");
}

}  // namespace
}  // namespace posthorn::dns
