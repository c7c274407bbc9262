// Proves the judgement on what is published beside the records that mail needs: good, missing,
// wrong with what is there, and unknown; each wrong or missing one says what to do.
#include "dns/service_marks.h"

#include <gtest/gtest.h>

#include "dns/inspection.h"
#include "tests/support/fake_dns.h"
#include "tests/support/test_loop.h"

namespace posthorn::dns {
namespace {

using health::Mark;
using Strings = std::vector<std::string>;
using net::Validated;

std::unexpected<Error> silent() {
  return fail(ErrorKind::temporary, "the server is silent");
}
// The outcome, where what to do is said exactly when there is something to do.
std::string outcome(const Mark& mark) {
  const bool is_fault = mark.outcome == "wrong" || mark.outcome == "missing";
  return mark.remedy.empty() == is_fault ? mark.outcome + " without its remedy" : mark.outcome;
}
template <class T>
Asked<T> asked(std::vector<T> records, Validated validated = Validated::no) {
  return net::Resolver::Records<T>{.records = std::move(records), .validated = validated};
}

const Record kPolicy{"_mta-sts.example.org", "TXT", "\"v=STSv1; id=0011\"", ""};
const Record kReports{"_smtp._tls.example.org", "TXT", "\"v=TLSRPTv1; rua=mailto:p@x\"", ""};
const Record kService{"_imaps._tcp.example.org", "SRV", "0 1 993 mx.example.org.", ""};
const Record kOff{"_pop3._tcp.example.org", "SRV", "0 0 0 .", ""};
const Record kDane{"_25._tcp.mx.example.org", "TLSA", "3 1 1 abab", ""};
const Record kWeb{"autoconfig.example.org", "CNAME", "mx.example.org.", ""};
const Record kCaa{"example.org", "CAA", "0 issue \"letsencrypt.org\"", ""};

TEST(ServiceMarks, Policy) {
  const struct {
    Answer texts;
    const char* outcome;
  } rows[] = {
      {Strings{"v=STSv1; id=0011"}, "good"},
      {Strings{"verify=1", "v=STSv1;id=0011;"}, "good"},
      {Strings{}, "missing"},
      {Strings{"v=spf1 -all"}, "missing"},  // a wildcard's
      {Strings{"v=STSv1; id=0012"}, "wrong"},
      {Strings{"v=STSv1; id=001"}, "wrong"},
      {Strings{"v=STSv1;"}, "wrong"},
      {Strings{"v=STSv1; id=0011", "v=STSv1; id=0012"}, "wrong"},
      {silent(), "unasked"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(outcome(judge_policy_record(kPolicy, row.texts)), row.outcome);
  EXPECT_FALSE(judge_stray_policy("example.org", Strings{"x"}));
  EXPECT_FALSE(judge_stray_policy("example.org", silent()));
  EXPECT_EQ(outcome(*judge_stray_policy("example.org", Strings{"v=STSv1; id=1"})), "wrong");
}

TEST(ServiceMarks, Reports) {
  EXPECT_EQ(outcome(judge_reports(kReports, Strings{"v=TLSRPTv1; rua=https://x.test/"})), "good");
  EXPECT_EQ(outcome(judge_reports(kReports, Strings{"v=TLSRPTv1; rua="})), "wrong");
  EXPECT_EQ(outcome(judge_reports(kReports, Strings{"v=TLSRPTv1;rua=a", "v=TLSRPTv1;rua=b"})),
            "wrong");
  EXPECT_EQ(outcome(judge_reports(kReports, Strings{"other"})), "missing");
  EXPECT_EQ(outcome(judge_reports(kReports, silent())), "unasked");
}

TEST(ServiceMarks, Services) {
  using Srv = net::SrvRecord;
  const Srv here{0, 1, 993, "mx.example.org"};
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({here}))), "good");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({{5, 0, 993, "mx.example.org"}}))), "good");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({}))), "missing");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({{0, 1, 994, "mx.example.org"}}))), "wrong");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({{0, 1, 993, "mx.other.test"}}))), "wrong");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({here, {1, 1, 993, "mx.other.test"}}))),
            "wrong");
  EXPECT_EQ(outcome(judge_service(kService, asked<Srv>({{0, 0, 0, ""}}))), "wrong");
  EXPECT_EQ(outcome(judge_service(kOff, asked<Srv>({{0, 0, 0, ""}}))), "good");
  EXPECT_EQ(outcome(judge_service(kOff, asked<Srv>({}))), "good");
  EXPECT_EQ(outcome(judge_service(kOff, asked<Srv>({here}))), "wrong");
  EXPECT_EQ(outcome(judge_service(kService, silent())), "unasked");
}

TEST(ServiceMarks, Dane) {
  using Tlsa = net::TlsaRecord;
  const Tlsa ours{3, 1, 1, "\xAB\xAB"}, other{3, 1, 1, "\x01"}, by_issuer{2, 1, 1, "\x01"};
  const auto judge = [](const Asked<Tlsa>& records) {
    return judge_dane(kDane, {"abab"}, records);
  };
  EXPECT_EQ(outcome(judge(asked<Tlsa>({ours}, Validated::yes))), "good");
  EXPECT_NE(judge(asked<Tlsa>({ours}, Validated::yes)).found.find("validated"), std::string::npos);
  EXPECT_NE(judge(asked<Tlsa>({ours})).found.find("does not say that the zone is signed"),
            std::string::npos);
  EXPECT_EQ(outcome(judge(asked<Tlsa>({other, ours}))), "good");  // a key that is to come
  EXPECT_EQ(outcome(judge(asked<Tlsa>({other}))), "wrong");
  EXPECT_EQ(outcome(judge(asked<Tlsa>({by_issuer}))), "unasked");
  EXPECT_EQ(outcome(judge(asked<Tlsa>({}))), "missing");
  EXPECT_EQ(outcome(judge(silent())), "unasked");
  EXPECT_TRUE(judge_stray_dane("x", asked<Tlsa>({other})));
  EXPECT_FALSE(judge_stray_dane("x", asked<Tlsa>({})));
}

TEST(ServiceMarks, NamesOfWebPages) {
  EXPECT_EQ(outcome(judge_web_name(kWeb, Strings{"192.0.2.1"}, {"192.0.2.1"})), "good");
  EXPECT_EQ(outcome(judge_web_name(kWeb, Strings{}, {"192.0.2.1"})), "missing");
  EXPECT_EQ(outcome(judge_web_name(kWeb, Strings{"192.0.2.1", "192.0.2.9"}, {"192.0.2.1"})),
            "wrong");
  EXPECT_EQ(outcome(judge_web_name(kWeb, Strings{"192.0.2.1"}, {})), "unasked");
  EXPECT_EQ(outcome(judge_web_name(kWeb, silent(), {"192.0.2.1"})), "unasked");
}

TEST(ServiceMarks, Authorities) {
  using Caa = net::CaaRecord;
  const auto judge = [](const Asked<Caa>& records) {
    return outcome(judge_authority(kCaa, "letsencrypt.org", records));
  };
  EXPECT_EQ(judge(asked<Caa>({{0, "issue", "letsencrypt.org; accounturi=x"}})), "good");
  EXPECT_EQ(judge(asked<Caa>({{0, "issue", "other.test"}, {0, "issue", "LetsEncrypt.org"}})),
            "good");
  EXPECT_EQ(judge(asked<Caa>({{0, "issue", "other.test"}})), "wrong");
  EXPECT_EQ(judge(asked<Caa>({{0, "issue", ";"}})), "wrong");
  EXPECT_EQ(judge(asked<Caa>({{0, "iodef", "mailto:x"}})), "missing");
  EXPECT_EQ(judge(asked<Caa>({})), "missing");
  EXPECT_EQ(judge(silent()), "unasked");
}

TEST(ServiceMarks, AnAliasAtTheDomainIsWrong) {
  EXPECT_FALSE(judge_alias("example.org", asked<std::string>({})));
  EXPECT_FALSE(judge_alias("example.org", silent()));
  EXPECT_EQ(outcome(*judge_alias("example.org", asked<std::string>({"host.test"}))), "wrong");
}

TEST(ServiceMarks, ThePolicyThatIsFetched) {
  const std::string policy = make_policy({}, "mx.example.org");
  const auto judge = [&](const Result<Fetched>& fetched) {
    return outcome(judge_fetched("example.org", policy, fetched));
  };
  EXPECT_EQ(judge(Fetched{200, "text/plain; charset=utf-8", policy}), "good");
  EXPECT_EQ(judge(Fetched{404, "text/plain", policy}), "wrong");
  EXPECT_EQ(judge(Fetched{200, "text/html", policy}), "wrong");
  EXPECT_EQ(judge(Fetched{200, "text/plain", "hello"}), "wrong");
  EXPECT_EQ(judge(Fetched{200, "text/plain", make_policy({}, "mx.other.test")}), "wrong");
  EXPECT_EQ(judge(Fetched{200, "text/plain",
                          make_policy({.mode = config::MtaStsMode::enforce}, "mx.example.org")}),
            "wrong");
  EXPECT_EQ(judge(fail(ErrorKind::temporary, "connection refused")), "wrong");
}

TEST(ServiceMarks, Lists) {
  EXPECT_EQ(listing_name("192.0.2.1", "zen.test"), "1.2.0.192.zen.test");
  EXPECT_EQ(listing_name("2001:db8::1", "zen.test"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.test");
  const auto judge = [](const Answer& answer) {
    return outcome(judge_listing("192.0.2.1", "zen.test", answer));
  };
  EXPECT_EQ(judge(Strings{}), "good");
  EXPECT_EQ(judge(Strings{"127.0.0.2"}), "wrong");
  EXPECT_EQ(judge(Strings{"127.0.0.4", "127.0.0.10"}), "wrong");
  EXPECT_EQ(judge(Strings{"127.255.255.254"}), "unasked");  // asked through a public resolver
  EXPECT_EQ(judge(Strings{"203.0.113.9"}), "unasked");      // a resolver that answers everything
  EXPECT_EQ(judge(silent()), "unasked");
}

TEST(ServiceMarks, WhatMatters) {
  EXPECT_TRUE(matters({"x", "MX", "missing", "", ""}));
  EXPECT_TRUE(matters({"x", "TLSA", "wrong", "", ""}));
  EXPECT_FALSE(matters({"x", "TLSA", "missing", "", ""}));
  EXPECT_FALSE(matters({"x", "MX", "unasked", "", ""}));
  EXPECT_FALSE(matters({"x", "MX", "good", "", ""}));
}

struct Found {
  std::vector<Record> records;
  std::string marks;
};
Found inspect_at(test::FakeDns& dns, Server server) {
  test::TestLoop loop;
  const auto resolver = *net::Resolver::make(
      loop.executor(), {.servers = dns.server(), .try_timeout = 250ms, .tries = 2});
  Inspected inspected{.server = std::move(server),
                      .domain = {.name = "example.org", .keys = {}},
                      .without_key = Unsigned::meant,
                      .block_lists = {"bl.test"}};
  Inspection all =
      loop.wait(inspect(*resolver, std::move(inspected), [] { return test::soon(2s); }));
  Found found{.records = std::move(all.records), .marks = ""};
  for (const Mark& mark : all.marks)
    if (mark.outcome != "good" && mark.outcome != "missing")
      found.marks += mark.record + " " + mark.name + " " + mark.outcome + ": " + mark.found + "\n";
  return found;
}
const Server kServer{.host = "mx.example.org",
                     .addresses = {"192.0.2.1"},
                     .relay = "",
                     .services = {{"smtp", 25}},
                     .web = Web::off,
                     .keys = {"abab"},
                     .policy = "",
                     .authority = "letsencrypt.org"};
// What mail needs.
test::FakeDns& publish_mail(test::FakeDns& dns, const std::string& spf) {
  return dns.a("mx.example.org", "192.0.2.1")
      .ptr("1.2.0.192.in-addr.arpa", "mx.example.org")
      .mx("example.org", 10, "mx.example.org")
      .txt("example.org", {spf})
      .txt("_dmarc.example.org", {"v=DMARC1; p=reject; rua=mailto:x@example.org"});
}

TEST(Inspection, FollowsWhatAnSpfRecordIncludes) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 include:a.test -all").txt("a.test", {"v=spf1 redirect=b.test"});
  dns.txt("b.test", {"v=spf1 ip4:192.0.2.0/24 include:a.test -all"});
  EXPECT_EQ(inspect_at(dns, kServer).marks, "");
}

TEST(Inspection, AnIncludeThatNobodyAnswersForIsUnknown) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 include:a.test -all").fault("a.test", test::FakeDns::Fault::servfail);
  EXPECT_TRUE(inspect_at(dns, kServer).marks.starts_with("SPF example.org unasked: DNS a.test"));
}

TEST(Inspection, EndsAtTheBoundOfLookups) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 include:i0.test -all");
  for (int i = 0; i < 40; ++i)
    dns.txt("i" + std::to_string(i) + ".test",
            {"v=spf1 include:i" + std::to_string(i + 1) + ".test -all"});
  EXPECT_NE(inspect_at(dns, kServer).marks.find("SPF example.org wrong: it makes others look up"),
            std::string::npos);
  EXPECT_EQ(std::ranges::count(dns.asked(), "TXT i10.test"), 0);
}

TEST(Inspection, TheRecordsKeepWhatIsPublished) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 include:a.test -all").txt("a.test", {"v=spf1 -all"});
  const Found found = inspect_at(dns, kServer);
  EXPECT_EQ(found.marks,
            "SPF example.org wrong: v=spf1 include:a.test -all: this server may not send\n");
  std::string texts;
  for (const Record& record : found.records)
    if (record.type == "TXT") texts += record.data + "\n";
  EXPECT_NE(texts.find("\"v=spf1 include:a.test mx -all\"\n"), std::string::npos) << texts;
  EXPECT_NE(texts.find("\"v=DMARC1; p=reject; rua=mailto:x@example.org\"\n"), std::string::npos);
}

TEST(Inspection, ParentsDecideWhoIssues) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 mx -all").caa("org", "issue", "other.test");
  EXPECT_EQ(inspect_at(dns, kServer).marks,
            "CAA example.org wrong: only other.test may issue certificates, and not "
            "letsencrypt.org\n");
}

TEST(Inspection, FindsWhatNobodyHereStandsFor) {
  test::FakeDns dns;
  publish_mail(dns, "v=spf1 mx -all")
      .txt("_mta-sts.example.org", {"v=STSv1; id=1"})
      .tlsa("_25._tcp.mx.example.org", "\3\1\1x")
      .a("1.2.0.192.bl.test", "127.0.0.2");
  const std::string marks = inspect_at(dns, kServer).marks;
  EXPECT_NE(marks.find("MTA-STS _mta-sts.example.org wrong"), std::string::npos) << marks;
  EXPECT_NE(marks.find("TLSA _25._tcp.mx.example.org wrong"), std::string::npos) << marks;
  EXPECT_NE(marks.find("block list 192.0.2.1 in bl.test wrong: listed: 127.0.0.2"),
            std::string::npos)
      << marks;
}

}  // namespace
}  // namespace posthorn::dns
