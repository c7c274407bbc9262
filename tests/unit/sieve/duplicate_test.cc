// duplicate (RFC 7352): which id is looked for, and what is noted when.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

using namespace std::chrono_literals;

constexpr const char* kMail =
    "Message-ID: <1@example.org>\r\nX-Event:  42 \r\nSubject: x\r\n\r\nHello\r\n";

Outcome run(Tried& tried, std::string_view test, std::string_view wire = kMail) {
  return tried.run("require \"duplicate\"; if duplicate " + std::string(test) + " { discard; }",
                   std::string(wire));
}

TEST(DuplicateTest, TheIdIsOfTheMessageAFieldOrAText) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"", "<1@example.org>"},
      {":header \"x-event\"", "42"},
      {":uniqueid \"abc\"", "abc"},
      {":handle \"h\" :uniqueid \"abc\"", "abc"}};
  for (const auto& [test, id] : kRows) {
    Tried tried;
    const Outcome first = run(tried, test);
    EXPECT_EQ(told(first), "keep") << test;
    ASSERT_EQ(first.seen.size(), 1U) << test;
    EXPECT_EQ(first.seen[0].id, id);
    tried.world.seen.insert(first.seen[0].id);
    EXPECT_EQ(told(run(tried, test)), "discard") << test;
  }
}

TEST(DuplicateTest, WhatHasNoIdIsNone) {
  Tried tried;
  tried.world.seen.insert("");
  for (const std::string_view test : {"", ":header \"x-none\"", ":uniqueid \"\""}) {
    const Outcome outcome = run(tried, test, "Subject: x\r\n\r\nHello\r\n");
    EXPECT_EQ(told(outcome), "keep") << test;
    EXPECT_TRUE(outcome.seen.empty()) << test;
  }
}

TEST(DuplicateTest, PeriodHandleAndLastAreNoted) {
  Tried tried;
  const Seen plain = run(tried, "").seen.at(0);
  EXPECT_EQ(plain.period, 12h);
  EXPECT_FALSE(plain.is_last);
  EXPECT_EQ(plain.handle, "");
  const Seen all = run(tried, ":seconds 90 :last :handle \"h\"").seen.at(0);
  EXPECT_EQ(all.period, 90s);
  EXPECT_TRUE(all.is_last);
  EXPECT_EQ(all.handle, "h");
  EXPECT_EQ(run(tried, ":seconds 4G").seen.at(0).period, 7 * 24h);
}

// Section 3: not within one run, and only if the script ends well.
TEST(DuplicateTest, NothingIsNotedOfARunThatFails) {
  Tried tried;
  const Outcome twice = tried.run(
      "require \"duplicate\"; if duplicate { discard; } if duplicate { discard; }", kMail);
  EXPECT_EQ(told(twice), "keep");
  EXPECT_EQ(twice.seen.size(), 1U);
  const Outcome failed =
      tried.run("require [\"duplicate\", \"ihave\"]; if duplicate {} error \"x\";", kMail);
  EXPECT_EQ(failed.end, Outcome::End::fault);
  EXPECT_TRUE(failed.seen.empty());
  std::string many = "require \"duplicate\";";
  for (int i = 0; i < 40; ++i)
    many += "if duplicate :uniqueid \"" + std::to_string(i) + "\" { discard; }";
  EXPECT_EQ(told(tried.run(many, kMail)), "fault: sieve:1: a script may look for 32 duplicates");
}

TEST(DuplicateTest, DovecotsFirstNameForIt) {
  Tried tried;
  const Outcome outcome = tried.run(
      "require \"vnd.dovecot.duplicate\"; if duplicate :value \"abc\" { discard; }", kMail);
  EXPECT_EQ(outcome.seen.at(0).id, "abc");
  const CompileResult both = compile("require [\"duplicate\", \"vnd.dovecot.duplicate\"];", {});
  ASSERT_EQ(both.faults.size(), 1U);
  EXPECT_EQ(both.faults[0].text, "`vnd.dovecot.duplicate` and `duplicate` exclude each other");
  EXPECT_FALSE(
      compile("require \"duplicate\"; if duplicate :header \"a\" :uniqueid \"b\" {}", {}).program);
}

}  // namespace
}  // namespace posthorn::sieve
