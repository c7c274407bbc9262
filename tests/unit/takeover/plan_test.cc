// The plan of a new server: what was set, in which order it counts, and the files' texts.
#include "takeover/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "takeover/report.h"

namespace posthorn::takeover {
namespace {

using ::testing::HasSubstr;

TEST(Plan, SettingsStandBySectionWithWhereTheyCameFrom) {
  Plan plan;
  plan.set("smtp.recipients_max", "500", "main.cf:3");
  plan.set_text("server.hostname", "mx.example.org", "main.cf:1");
  plan.set_list("listen.http", {}, "");
  plan.set("smtp.recipients_max", "1000", "main.cf:9");  // the last one counts
  plan.set_text("smtp.banner", "a \"b\" \\ c\nd");
  EXPECT_EQ(
      plan.to_toml(),
      "[listen]\nhttp = []\n"
      "\n[server]\n# main.cf:1\nhostname = \"mx.example.org\"\n"
      "\n[smtp]\nbanner = \"a \\\"b\\\" \\\\ c\\u000Ad\"\n# main.cf:9\nrecipients_max = 1000\n");
}

TEST(Plan, OfATableTheFirstLineCounts) {
  Plan plan;
  plan.add("aliases", {"a@x.test", "b@x.test", "virtual:1"});
  plan.add("aliases", {"a@x.test", "c@x.test", "virtual:2"});
  plan.add("aliases", {"d@x.test", "e@x.test", "virtual:3"});
  plan.add("domains", {"x.test", "", ""});
  EXPECT_EQ(plan.to_text("aliases"),
            "# virtual:1\na@x.test b@x.test\n# virtual:3\nd@x.test e@x.test\n");
  EXPECT_EQ(plan.to_text("domains"), "x.test OK\n");
  EXPECT_EQ(plan.to_text("senders"), "");
  EXPECT_TRUE(plan.has("aliases", "d@x.test"));
  EXPECT_FALSE(plan.has("aliases", "b@x.test"));
}

TEST(Plan, OfAnAccountTheFirstLineCounts) {
  Plan plan;
  plan.add_account("a@x.test", "{PLAIN}one");
  plan.add_account("a@x.test", "{PLAIN}two");
  ASSERT_EQ(plan.accounts().size(), 1U);
  EXPECT_EQ(plan.accounts().front().second, "{PLAIN}one");
}

TEST(Report, WhatWasNotPossibleStandsFirstAndAllIsCounted) {
  Report report;
  report.add({"main.cf", 2, "myhostname", "mx.example.org", Fate::taken, "server.hostname"});
  report.add({"main.cf", 7, "content_filter", "amavis\nx", Fate::not_possible, "there is spamd"});
  const std::string text = report.to_text();
  EXPECT_LT(text.find("content_filter"), text.find("myhostname"));
  EXPECT_THAT(text, HasSubstr("main.cf:7  content_filter = amavis x\n      there is spamd\n"));
  EXPECT_THAT(text, HasSubstr("2 settings: 1 taken, 0 already so, 0 not needed, 1 not possible"));
}

}  // namespace
}  // namespace posthorn::takeover
