// Which certificates are wanted.
#include "acme/wanted.h"

#include <gmock/gmock.h>

namespace posthorn::acme {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using List = std::vector<std::string>;

class WantedTest : public testing::Test {
 protected:
  Place place_{.hostname = "MX.example.org",
               .domains = {"example.org", "example.net"},
               .own_addresses = {"127.0.0.1", "192.0.2.1", "2001:db8::1"}};
  Addresses addresses_{{"mx.example.org", List{"192.0.2.1"}},
                       {"mta-sts.example.org", List{"192.0.2.1"}},
                       {"autoconfig.example.org", List{"192.0.2.1", "2001:db8:0::1"}},
                       {"autodiscover.example.org", List{"192.0.2.1", "198.51.100.7"}},
                       {"mta-sts.example.net", List{}},
                       {"autoconfig.example.net", List{"198.51.100.7"}}};
};

TEST_F(WantedTest, TheServersOwnAndWhatLeadsHereOfEachDomain) {
  EXPECT_THAT(find_wanted(place_, addresses_, {}),
              ElementsAre(Wanted{"mx.example.org", {"mx.example.org"}},
                          Wanted{"mta-sts.example.org",
                                 {"mta-sts.example.org", "autoconfig.example.org"}}));
  EXPECT_EQ(names_to_look_up(place_).size(), 7U);
}

TEST_F(WantedTest, WithoutWebNamesTheServersAlone) {
  place_.web_names = WebNames::none;
  place_.names = {"Mail.example.org", "mx.example.org", "*.example.org", "192.0.2.1",
                  "bad name.org"};
  EXPECT_THAT(find_wanted(place_, addresses_, {}),
              ElementsAre(Wanted{"mx.example.org", {"mx.example.org", "mail.example.org"}}));
  EXPECT_THAT(names_to_look_up(place_), IsEmpty());
}

TEST_F(WantedTest, ANameOfTheServersOwnStandsInNoOther) {
  place_.names = {"mta-sts.example.org"};
  const auto wanted = find_wanted(place_, addresses_, {});
  ASSERT_EQ(wanted.size(), 2U);
  EXPECT_THAT(wanted[1].names, ElementsAre("autoconfig.example.org"));
}

TEST_F(WantedTest, BehindAnothersAddressTheHostnamesLeadsHere) {
  place_.own_addresses = {"127.0.0.1", "172.17.0.2"};
  EXPECT_EQ(find_wanted(place_, addresses_, {}).size(), 2U);
  addresses_.erase("mx.example.org");
  EXPECT_EQ(find_wanted(place_, addresses_, {}).size(), 1U);
}

TEST_F(WantedTest, WhatTheDnsCannotSayStaysAsItWas) {
  const auto before = find_wanted(place_, addresses_, {});
  EXPECT_EQ(find_wanted(place_, {}, before), before);
  Addresses failing = addresses_;
  for (auto& [name, list] : failing) list = std::nullopt;
  EXPECT_EQ(find_wanted(place_, failing, before), before);
  // And begins nothing that was not.
  EXPECT_EQ(find_wanted(place_, failing, {}).size(), 1U);
}

TEST_F(WantedTest, ACertificateKeepsItsNameWhenAnotherComesInFront) {
  Addresses later = addresses_;
  addresses_["mta-sts.example.org"] = List{"198.51.100.7"};
  const auto before = find_wanted(place_, addresses_, {});
  EXPECT_EQ(before[1].name, "autoconfig.example.org");
  const auto after = find_wanted(place_, later, before);
  EXPECT_EQ(after[1].name, "autoconfig.example.org");
  EXPECT_EQ(after[1].names.size(), 2U);
}

TEST_F(WantedTest, OneDomainsFaultTouchesNoOther) {
  addresses_["autoconfig.example.net"] = List{"192.0.2.1"};
  EXPECT_EQ(find_wanted(place_, addresses_, {}).size(), 3U);
  addresses_["mta-sts.example.org"] = addresses_["autoconfig.example.org"] = std::nullopt;
  EXPECT_EQ(find_wanted(place_, addresses_, {}).back().name, "autoconfig.example.net");
}

TEST(WhyNotTest, SaysWhichNamesNobodyIssuesFor) {
  for (const char* good : {"mx.example.org", "a-1.b.co", "mail.example.test"})
    EXPECT_EQ(why_not(good), "") << good;
  for (const char* bad :
       {"localhost", "127.0.0.1", "2001:db8::1", "*.example.org", "mx.example.org.", "a..b", ".a.b",
        "printer.local", "x.internal", "../x.y", "m\xc3\xbcller.de", "Upper.org", ""})
    EXPECT_NE(why_not(bad), "") << bad;
}

}  // namespace
}  // namespace posthorn::acme
