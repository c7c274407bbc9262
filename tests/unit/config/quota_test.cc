#include "config/quota.h"

#include <gtest/gtest.h>

namespace posthorn::quota {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

Quota make(std::initializer_list<std::string_view> rules, config::Store settings = {}) {
  Quota quota(settings);
  for (const std::string_view rule : rules) quota.add_all(rule);
  return quota;
}

TEST(Quota, ReadsDovecotsRules) {
  struct Case {
    std::string_view rule;
    Limits limits;
  };
  for (const auto& [rule, limits] : {
           Case{"*:storage=1G", {1024 * kMiB, 0}},
           Case{"*:storage=1G:messages=1000", {1024 * kMiB, 1000}},
           Case{"*:messages=7", {0, 7}},
           Case{"*:storage=100", {100 * 1024, 0}},
           Case{"*:storage=100B", {100, 0}},
           Case{"*:bytes=100", {100, 0}},
           Case{"*:bytes=5M", {5 * kMiB, 0}},
           Case{"*:bytes=5MB", {5 * kMiB, 0}},
           Case{"*:bytes=5mib", {5 * kMiB, 0}},
           Case{"*:storage=2T", {2 * 1024 * 1024 * kMiB, 0}},
           Case{"*:storage=0", {}},
           Case{"?:storage=3k", {3072, 0}},
       }) {
    EXPECT_EQ(make({rule}).limits(), limits) << rule;
    EXPECT_EQ(make({rule}).any(), limits.any()) << rule;
  }
}

TEST(Quota, TellsWhatIsWrongWithARule) {
  for (const std::string_view rule : {"",
                                      "1G",
                                      ":storage=1G",
                                      "*",
                                      "*:",
                                      "*:storage",
                                      "*:storage=",
                                      "*:storage=1X",
                                      "*:storage=G",
                                      "*:storage=1.5G",
                                      "*:storage=99999999999999999999",
                                      "*:storage=2000000T",
                                      "*:messages=1k",
                                      "*:messages=",
                                      "*:files=7",
                                      "*:ignore",
                                      "*:storage=1G:",
                                      "*:bytes=1BB",
                                      "*:storage=++1G",
                                      "*:storage=100001%"}) {
    const auto parsed = parse_rule(rule);
    ASSERT_FALSE(parsed) << rule;
    EXPECT_TRUE(parsed.error().starts_with("the quota rule \"")) << parsed.error();
  }
  EXPECT_EQ(parse_rule("*:files=7").error(),
            "the quota rule \"*:files=7\": \"files=7\" is none of storage=, bytes=, messages=, "
            "ignore");
  EXPECT_EQ(parse_rule("*:s\n\x7f=7").error().find('\n'), std::string::npos);
  const auto list = parse_rules("*:storage=1G  nonsense\tTrash:ignore");
  EXPECT_EQ(list.rules.size(), 2U);
  EXPECT_EQ(list.faults.size(), 1U);
}

TEST(Quota, WhatAnAccountSaysOfItselfCountsInPlaceOfTheDefault) {
  config::Store settings;
  settings.quota = 10 * kMiB;
  settings.quota_messages = 5;
  EXPECT_EQ(make({}, settings).limits(), (Limits{10 * kMiB, 5}));
  EXPECT_EQ(make({"*:storage=1M"}, settings).limits(), (Limits{kMiB, 5}));
  EXPECT_EQ(make({"*:storage=+1M"}, settings).limits(), (Limits{11 * kMiB, 5}));
  EXPECT_EQ(make({"*:storage=50%"}, settings).limits(), (Limits{5 * kMiB, 5}));
  EXPECT_EQ(make({"*:storage=-20M"}, settings).limits(), (Limits{1, 5}));
  EXPECT_FALSE(make({"*:storage=0:messages=0"}, settings).any());
  settings.quotas = false;
  EXPECT_FALSE(make({"*:storage=1M", "Trash:storage=1M"}, settings).any());
}

TEST(Quota, AMailboxMayHaveItsOwnLimitOrNotCount) {
  config::Store settings;
  settings.quota_rules = {"Trash:storage=+10%", "Sent Items:storage=+1M", "Lists*:ignore"};
  const Quota quota = make({"*:bytes=10M", "inbox:messages=3", "Work/2026:bytes=1M"}, settings);
  EXPECT_EQ(quota.limits_for("INBOX"), (Limits{10 * kMiB, 3}));
  EXPECT_EQ(quota.limits_for("Trash"), (Limits{11 * kMiB, 0}));
  EXPECT_EQ(quota.limits_for("Sent Items"), (Limits{11 * kMiB, 0}));
  EXPECT_EQ(quota.limits_for("Work.2026"), (Limits{kMiB, 0}));
  EXPECT_EQ(quota.limits_for("Lists.c++"), Limits{});
  EXPECT_EQ(quota.limits_for("trash"), (Limits{10 * kMiB, 0}));
  EXPECT_TRUE(quota.is_counted("Trash"));
  EXPECT_FALSE(quota.is_counted("Lists"));
  EXPECT_TRUE(quota.is_counted("List"));
}

TEST(Quota, OnlyTheLastMailThatComesInMayGoOver) {
  config::Store settings;
  settings.quota_grace = 10;
  const Quota quota = make({"*:bytes=1000:messages=10"}, settings);
  const auto room = [&](std::uint64_t used, std::uint64_t more, Check check) {
    return quota.has_room("INBOX", {used, 1}, {more, 1}, check);
  };
  EXPECT_TRUE(room(900, 100, Check::strict));
  EXPECT_FALSE(room(900, 101, Check::strict));
  EXPECT_TRUE(room(900, 101, Check::last_mail));
  EXPECT_TRUE(room(999, 101, Check::last_mail));
  EXPECT_FALSE(room(999, 102, Check::last_mail));
  EXPECT_FALSE(room(1000, 1, Check::last_mail));
  EXPECT_TRUE(quota.has_room("INBOX", {0, 9}, {1, 1}, Check::last_mail));
  EXPECT_FALSE(quota.has_room("INBOX", {0, 10}, {1, 1}, Check::last_mail));
  EXPECT_TRUE(quota.is_full({1000, 0}));
  EXPECT_TRUE(quota.is_full({0, 10}));
  EXPECT_FALSE(quota.is_full({999, 9}));
  EXPECT_TRUE(quota.is_nearly_full({900, 0}));
  EXPECT_FALSE(quota.is_nearly_full({899, 8}));
}

TEST(Quota, ASizeIsWrittenAsItIsRead) {
  for (const std::uint64_t size : {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL << 10U, 1ULL << 30U}) {
    EXPECT_EQ(parse_size(format_size(size), 1), size);
  }
  EXPECT_EQ(format_size(1ULL << 30U), "1G");
  EXPECT_EQ(format_size(1536 << 10U), "1536K");
  EXPECT_EQ(format_size(1000), "1000B");
}

}  // namespace
}  // namespace posthorn::quota
