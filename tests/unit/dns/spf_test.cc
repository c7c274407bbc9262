// Proves that one SPF record comes out, whatever is published, that each provider's relay is let in,
// and that what a record costs others is counted.
#include "dns/spf.h"

#include <gtest/gtest.h>

namespace posthorn::dns {
namespace {

TEST(Spf, ARelayIsLetInByItsProvidersName) {
  const struct {
    const char* relay;
    const char* term;
  } rows[] = {
      {"[smtp.sendgrid.net]:587", "include:sendgrid.net"},
      {"[smtp.eu.mailgun.org]:587", "include:mailgun.org"},
      {"[email-smtp.eu-west-1.amazonaws.com]:587", "include:amazonses.com"},
      {"[smtp.postmarkapp.com]:587", "include:spf.mtasv.net"},
      {"[smtp-relay.brevo.com]:587", "include:spf.brevo.com"},
      {"[in-v3.mailjet.com]:587", "include:spf.mailjet.com"},
      {"[smtp.eu.sparkpostmail.com]:587", "include:_spf.eu.sparkpostmail.com"},
      {"[smtp.sparkpostmail.com]:587", "include:_spf.sparkpostmail.com"},
      {"[SMTP-Relay.Gmail.com]:587", "include:_spf.google.com"},
      {"[example-org.mail.protection.outlook.com]:25", "include:spf.protection.outlook.com"},
      {"[smtp.office365.com]:587", "include:spf.protection.outlook.com"},
      {"[notgmail.com]:587", "a:notgmail.com"},
      {"[relay.example.net]:25", "a:relay.example.net"},
      {"example.net", "mx:example.net"},
      {"[192.0.2.7]:25", "ip4:192.0.2.7"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(relay_term(*config::parse_next_hop(row.relay)), row.term) << row.relay;
}

TEST(Spf, WhatIsPublishedStaysAndOneRecordComesOut) {
  const std::vector<std::string> wanted = {"mx", "include:sendgrid.net"};
  const struct {
    const char* published;
    const char* merged;
  } rows[] = {
      {"", "v=spf1 mx include:sendgrid.net ~all"},
      {"v=spf1 -all", "v=spf1 mx include:sendgrid.net -all"},
      {"v=spf1 mx ~all", "v=spf1 mx include:sendgrid.net ~all"},
      {"v=spf1 include:_spf.google.com -all",
       "v=spf1 include:_spf.google.com mx include:sendgrid.net -all"},
      {"v=spf1 MX Include:SendGrid.net ?all", "v=spf1 MX Include:SendGrid.net ?all"},
      {"v=spf1 +mx -include:sendgrid.net -all",
       "v=spf1 +mx -include:sendgrid.net include:sendgrid.net -all"},
      {"v=spf1 a redirect=_spf.example.net",
       "v=spf1 a mx include:sendgrid.net redirect=_spf.example.net"},
      {"v=spf1  a", "v=spf1 a mx include:sendgrid.net"},
      {"v=spf10 a", "v=spf1 mx include:sendgrid.net ~all"},
  };
  for (const auto& row : rows) EXPECT_EQ(merge_spf(row.published, wanted), row.merged);
}

TEST(Spf, EachTermThatIsLookedUpIsCounted) {
  int cost = 0;
  for (const SpfTerm& term :
       spf_terms("d.test",
                 "v=spf1 a mx/24 ptr ip4:192.0.2.0/24 ip6:2001:db8::/32 exists:%{i}.d.test "
                 "-include:x.test redirect=y.test exp=z.test ~all"))
    cost += costs_lookup(term) ? 1 : 0;
  EXPECT_EQ(cost, 6);
}

SpfCover cover(const std::string& record, const std::string& relay = "") {
  SpfWalk walk{.terms = spf_terms("example.org", record)};
  return covers(walk, {.host = "mx.example.org",
                       .here = {"192.0.2.1", "2001:db8::1"},
                       .leads_by = {"example.org"},
                       .relay = relay});
}

TEST(Spf, WhoMaySendByIt) {
  for (const char* record :
       {"v=spf1 mx -all", "v=spf1 a:mx.example.org ~all", "v=spf1 ip4:192.0.2.1",
        "v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip6:2001:db8::/32 -all", "v=spf1 +all",
        "v=spf1 mx:example.org -all"})
    EXPECT_EQ(cover(record), SpfCover::yes) << record;
  for (const char* record : {"v=spf1 -all", "v=spf1 ip4:198.51.100.0/24 -all", "v=spf1 -mx ~all",
                             "v=spf1 a -all", "v=spf1 ~mx", "v=spf1 ip4:192.0.2.1.9 -all"})
    EXPECT_EQ(cover(record), SpfCover::no) << record;
  for (const char* record :
       {"v=spf1 ptr -all", "v=spf1 exists:%{i}.x.test -all", "v=spf1 a:pool.example.net -all"})
    EXPECT_EQ(cover(record), SpfCover::unknown) << record;
}

TEST(Spf, TheRelayCountsWhereThereIsOne) {
  EXPECT_EQ(cover("v=spf1 mx -all", "include:sendgrid.net"), SpfCover::no);
  EXPECT_EQ(cover("v=spf1 include:sendgrid.net -all", "include:sendgrid.net"), SpfCover::yes);
  EXPECT_EQ(cover("v=spf1 include:_spf.isp.test -all", "a:relay.isp.test"), SpfCover::unknown);
  EXPECT_EQ(cover("v=spf1 mx -all", "a:relay.isp.test"), SpfCover::no);
}

}  // namespace
}  // namespace posthorn::dns
