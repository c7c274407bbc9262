// Proves what is to be published for a domain, by what the server is; and that the zone file holds
// nothing of another zone and nothing that would end a string.
#include "dns/records.h"

#include <gtest/gtest.h>

#include "dns/mta_sts.h"
#include "dns/names.h"

namespace posthorn::dns {
namespace {

Server example_server() {
  return {.host = "mx.example.org",
          .addresses = {"192.0.2.1", "2001:db8::1"},
          .relay = "",
          .services = {{"smtp", 25}, {"imaps", 993}, {"submissions", 465}},
          .web = Web::https,
          .keys = {"ab12"},
          .policy = make_policy({}, "mx.example.org"),
          .authority = "letsencrypt.org"};
}
Domain example_domain(const std::string& name = "example.org") {
  return {.name = name,
          .keys = {{.selector = "mail",
                    .type = "rsa",
                    .public_base64 = std::string(392, 'A'),
                    .records = {}}},
          .spf = "",
          .dmarc = ""};
}
std::string data_of(const std::vector<Record>& records, const std::string& owner,
                    const std::string& type) {
  std::string all;
  for (const Record& record : records)
    if (record.owner == owner && record.type == type)
      all += (all.empty() ? "" : " | ") + record.data;
  return all;
}

struct Row {
  const char* name;
  const char* owner;
  const char* type;
  std::string data;
  void (*change)(Server&, Domain&) = [](Server&, Domain&) {};
};

const Row kRows[] = {
    {"address", "mx.example.org", "A", "192.0.2.1"},
    {"address of IPv6", "mx.example.org", "AAAA", "2001:db8::1"},
    {"reverse name", "1.2.0.192.in-addr.arpa", "PTR", "mx.example.org."},
    {"reverse name of IPv6",
     "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR",
     "mx.example.org."},
    {"none by a relay", "1.2.0.192.in-addr.arpa", "PTR", "",
     [](Server& s, Domain&) { s.relay = "include:sendgrid.net"; }},
    {"IPv6 only", "mx.example.org", "A", "",
     [](Server& s, Domain&) { s.addresses.erase(s.addresses.begin()); }},
    {"MX", "example.org", "MX", "10 mx.example.org."},
    {"no MX of the host itself", "mx.example.org", "MX", "",
     [](Server&, Domain& d) { d.name = "mx.example.org"; }},
    {"SPF", "example.org", "TXT", "\"v=spf1 mx ~all\""},
    {"SPF of a relay", "example.org", "TXT", "\"v=spf1 mx include:sendgrid.net ~all\"",
     [](Server& s, Domain&) { s.relay = "include:sendgrid.net"; }},
    {"SPF beside another's", "example.org", "TXT", "\"v=spf1 include:_spf.google.com mx -all\"",
     [](Server&, Domain& d) { d.spf = "v=spf1 include:_spf.google.com -all"; }},
    {"DKIM in strings", "mail._domainkey.example.org", "TXT",
     "\"v=DKIM1; k=rsa; p=" + std::string(237, 'A') + "\" \"" + std::string(155, 'A') + "\""},
    {"DMARC", "_dmarc.example.org", "TXT",
     "\"v=DMARC1; p=none; rua=mailto:postmaster@example.org\""},
    {"DMARC that is there", "_dmarc.example.org", "TXT", "\"v=DMARC1; p=reject\"",
     [](Server&, Domain& d) { d.dmarc = "v=DMARC1; p=reject"; }},
    {"MTA-STS", "_mta-sts.example.org", "TXT",
     "\"v=STSv1; id=" + policy_id(make_policy({}, "mx.example.org")) + "\""},
    {"its page", "mta-sts.example.org", "CNAME", "mx.example.org."},
    {"no MTA-STS", "_mta-sts.example.org", "TXT", "", [](Server& s, Domain&) { s.policy = ""; }},
    {"no MTA-STS without https", "mta-sts.example.org", "CNAME", "",
     [](Server& s, Domain&) { s.web = Web::http_only; }},
    {"TLS-RPT", "_smtp._tls.example.org", "TXT",
     "\"v=TLSRPTv1; rua=mailto:postmaster@example.org\""},
    {"TLSA", "_25._tcp.mx.example.org", "TLSA", "3 1 1 ab12"},
    {"TLSA of two keys", "_25._tcp.mx.example.org", "TLSA", "3 1 1 ab12 | 3 1 1 cd34",
     [](Server& s, Domain&) { s.keys.emplace_back("cd34"); }},
    {"SRV", "_imaps._tcp.example.org", "SRV", "0 1 993 mx.example.org."},
    {"SRV of submissions", "_submissions._tcp.example.org", "SRV", "0 1 465 mx.example.org."},
    {"SRV of what is off", "_pop3s._tcp.example.org", "SRV", "0 0 0 ."},
    {"SRV of sieve", "_sieve._tcp.example.org", "SRV", "0 1 4190 mx.example.org.",
     [](Server& s, Domain&) { s.services.push_back({"managesieve", 4190}); }},
    {"autoconfig", "autoconfig.example.org", "CNAME", "mx.example.org."},
    {"no autoconfig without web", "autodiscover.example.org", "CNAME", "",
     [](Server& s, Domain&) { s.web = Web::off; }},
    {"the host is autoconfig", "autoconfig.example.org", "CNAME", "",
     [](Server& s, Domain&) { s.host = "autoconfig.example.org"; }},
    {"CAA", "example.org", "CAA", "0 issue \"letsencrypt.org\""},
    {"CAA of a host elsewhere", "mx.other.test", "CAA", "0 issue \"letsencrypt.org\"",
     [](Server& s, Domain&) { s.host = "mx.other.test"; }},
    {"no CAA of an unknown authority", "example.org", "CAA", "",
     [](Server& s, Domain&) { s.authority = ""; }},
};

TEST(Records, FollowFromWhatTheServerIs) {
  for (const Row& row : kRows) {
    Server server = example_server();
    Domain domain = example_domain();
    row.change(server, domain);
    EXPECT_EQ(data_of(make_records(server, domain), row.owner, row.type), row.data) << row.name;
  }
}

// Every line is a comment, a directive, or "owner. IN TYPE data" of the zone.
TEST(Records, TheZoneFileHoldsTheZoneAlone) {
  Server server = example_server();
  server.host = "mx.other.test";
  Domain domain = example_domain("lists.example.org");
  domain.spf = "v=spf1 \x01\"; \nevil. IN A 192.0.2.9 -all";
  const std::string zone = make_zone(make_records(server, domain), domain.name);
  std::string_view left = zone;
  std::size_t records = 0;
  while (!left.empty()) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(line.size() + 1);
    if (line.empty() || line.starts_with(';') || line == "$TTL 3600") continue;
    ++records;
    EXPECT_TRUE(is_within(line.substr(0, line.find(". IN ")), "lists.example.org")) << line;
  }
  EXPECT_EQ(records, 17U);
  EXPECT_NE(zone.find("\n;mx.other.test. IN A 192.0.2.1\n"), std::string::npos) << zone;
  EXPECT_NE(zone.find("\n;1.2.0.192.in-addr.arpa. IN PTR mx.other.test.\n"), std::string::npos);
  EXPECT_NE(zone.find("\\001\\\"; \\010evil."), std::string::npos) << zone;
}

TEST(Records, ServicesOnLoopbackCountWhereAllAre) {
  config::Listen listen;
  for (auto* service : {&listen.smtp, &listen.submission, &listen.submissions, &listen.imap,
                        &listen.imaps, &listen.pop3, &listen.pop3s, &listen.managesieve})
    *service = {"127.0.0.1:1000"};
  EXPECT_EQ(find_services(listen).size(), 8U);
  listen.smtp = {"127.0.0.1:25", "[2001:db8::1]:26"};
  const auto open = find_services(listen);
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].port, 26);
  listen.imaps = {"unix:/run/x.sock", "0.0.0.0:993"};
  EXPECT_EQ(find_services(listen).size(), 2U);
}

TEST(Names, AreAsTheDnsHasThem) {
  EXPECT_EQ(to_dns_name("Example.ORG."), "example.org");
  EXPECT_EQ(to_dns_name("M\xC3\xBCller.example"), "xn--mller-kva.example");
  EXPECT_EQ(to_dns_name("xn--mller-kva.example"), "xn--mller-kva.example");
  EXPECT_EQ(to_dns_name("_dmarc.a-b.test"), "_dmarc.a-b.test");
  for (const char* none : {"", ".", "a..b", "a b.test", "a\n.test", "a;b.test", "$a.test",
                           "\xFF.test", "x\xE2\x80\x8B\xE2\x80\x8B..test"})
    EXPECT_EQ(to_dns_name(none), "") << none;
  EXPECT_EQ(to_dns_name(std::string(64, 'a') + ".test"), "");
  EXPECT_TRUE(is_within("mx.example.org", "example.org"));
  EXPECT_FALSE(is_within("badexample.org", "example.org"));
}

TEST(Policy, IsReadBackAndItsIdFollowsIt) {
  config::MtaSts settings;
  const std::string text = make_policy(settings, "MX.Example.org");
  EXPECT_EQ(text, "version: STSv1\nmode: testing\nmx: mx.example.org\nmax_age: 604800\n");
  const auto policy = parse_policy(text);
  ASSERT_TRUE(policy);
  EXPECT_TRUE(allows(*policy, "mx.example.org"));
  EXPECT_FALSE(allows(*policy, "a.mx.example.org"));
  settings.mode = config::MtaStsMode::enforce;
  EXPECT_NE(policy_id(make_policy(settings, "mx.example.org")), policy_id(text));
  EXPECT_LE(policy_id(text).size(), 32U);
  settings.mode = config::MtaStsMode::off;
  EXPECT_EQ(make_policy(settings, "mx.example.org"), "");
}

TEST(Policy, OfOthersIsReadStrictly) {
  const auto stars =
      parse_policy("version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 9\r\n");
  ASSERT_TRUE(stars);
  EXPECT_TRUE(allows(*stars, "mx.example.org"));
  EXPECT_FALSE(allows(*stars, "a.mx.example.org"));
  EXPECT_FALSE(allows(*stars, "example.org"));
  for (const char* bad :
       {"", "<html>", "mode: none\nmax_age: 1\n", "version: STSv1\nmode: x\nmx: a\nmax_age: 1",
        "version: STSv1\nmode: testing\nmax_age: 1", "version: STSv1\nmode: testing\nmx: a",
        "version: STSv1\nmode: testing\nmx: a\nmax_age: 1x"})
    EXPECT_FALSE(parse_policy(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::dns
