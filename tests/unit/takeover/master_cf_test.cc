// master.cf: which services run, with what of their own.
#include "takeover/master_cf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace posthorn::takeover {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(MasterCf, ServicesWithTheirOwnSettings) {
  const MasterCf cf = parse_master_cf(
      "# service type\nsmtp      inet  n       -       y       -       -       smtpd\n"
      "#submissions inet n - y - - smtpd\n"
      "submission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n"
      "# -o smtpd_tls_security_level=encrypt\n"
      "  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }\r\n"
      "  -osmtpd_tls_wrappermode=no\n"
      "127.0.0.1:10025 inet n - - - - smtpd -o content_filter=\n",
      "master.cf");
  ASSERT_THAT(cf.services, SizeIs(3));
  const Service& users = cf.services[1];
  EXPECT_EQ(users.line, 4U);
  EXPECT_EQ(users.command, "smtpd");
  EXPECT_EQ(users.overrides.at("syslog_name"), "postfix/submission");
  EXPECT_EQ(users.overrides.at("smtpd_relay_restrictions"), "permit_sasl_authenticated, reject");
  EXPECT_EQ(users.overrides.at("smtpd_tls_wrappermode"), "no");
  EXPECT_FALSE(users.overrides.contains("smtpd_tls_security_level"));
  EXPECT_EQ(cf.services[2].overrides.at("content_filter"), "");
  EXPECT_EQ(cf.find_inet("submission", "587"), &users);
  EXPECT_EQ(cf.find_inet("submissions", "465"), nullptr);
  EXPECT_EQ(cf.find_inet("x", "10025"), &cf.services[2]);
}

TEST(MasterCf, WhatIsNoServiceIsNamed) {
  const MasterCf cf = parse_master_cf("smtp inet n - y\n\n", "master.cf");
  ASSERT_THAT(cf.faults, SizeIs(1));
  EXPECT_EQ(cf.faults[0].where, "master.cf:1");
  EXPECT_THAT(cf.services, IsEmpty());
  EXPECT_THAT(parse_master_cf("", "master.cf").services, IsEmpty());
}

}  // namespace
}  // namespace posthorn::takeover
