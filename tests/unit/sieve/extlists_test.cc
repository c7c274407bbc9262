// extlists (RFC 6134): only lists that a setting names, asked one value at a time or as a whole.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: Alice <alice@example.org>\r\nSubject: x\r\n\r\nHello\r\n";
constexpr const char* kRequire = "require [\"extlists\", \"variables\", \"copy\", \"fileinto\"];";

class WorldOfMembers final : public WorldForTests {
 public:
  Answer<std::optional<std::vector<std::string>>> list_members(const std::string& list) override {
    if (list != "whole") return std::optional<std::vector<std::string>>();
    return std::optional(std::vector<std::string>(lists[list].begin(), lists[list].end()));
  }
};

std::string run(const std::string& script) {
  WorldOfMembers world;
  world.lists["friends"] = {"alice@example.org"};
  world.lists["whole"] = {"a@example.org", "b@example.org", "nobody"};
  const CompileResult compiled =
      compile(kRequire + script, {.lists = {"friends", "whole", "gone"}});
  if (!compiled.program) return "fault: " + compiled.faults[0].text;
  world.wire = kMail;
  const Mail mail{.header = std::string_view(kMail).substr(0, 47), .size = 100};
  const Settings settings;
  const std::vector<ProgramPtr> programs = {compiled.program};
  return told(run_programs(programs, {mail, world, settings, {}}));
}

TEST(ExtlistsTest, ValuesAgainstLists) {
  EXPECT_EQ(run("if address :list \"from\" \"friends\" { discard; }"), "discard");
  EXPECT_EQ(run("if address :list :domain \"from\" \"friends\" { discard; }"), "keep");
  EXPECT_EQ(run("if header :list \"subject\" [\"friends\", \"whole\"] { discard; }"), "keep");
  EXPECT_EQ(run("if address :list \"from\" \"friends\" { fileinto \"${0}\"; }"),
            "fileinto alice@example.org");
  EXPECT_EQ(run("if valid_ext_list [\"friends\", \"whole\"] { discard; }"), "discard");
  EXPECT_EQ(run("if valid_ext_list [\"friends\", \"none\"] { discard; }"), "keep");
}

TEST(ExtlistsTest, WhatNoSettingNamesIsNoList) {
  EXPECT_EQ(run("if header :list \"subject\" \"/etc/passwd\" { discard; }"),
            "fault: sieve:1: there is no list \"/etc/passwd\"");
  EXPECT_EQ(run("set \"l\" \"/etc/passwd\"; if header :list \"subject\" \"${l}\" { discard; }"),
            "fault: sieve:1: there is no list \"/etc/passwd\"");
  EXPECT_EQ(run("if header :list \"subject\" \"gone\" { discard; }"),
            "fault: sieve:1: there is no list \"gone\"");
}

TEST(ExtlistsTest, RedirectToAWholeList) {
  EXPECT_EQ(run("redirect :list \"whole\";"), "redirect a@example.org, redirect b@example.org");
  EXPECT_EQ(run("redirect :copy :list \"whole\";"),
            "redirect a@example.org, redirect b@example.org, keep");
  EXPECT_EQ(run("redirect :list \"none\";"), "fault: sieve:1: there is no list \"none\"");
  EXPECT_NE(run("redirect :list \"friends\";").find("it cannot be read as a whole"),
            std::string::npos);
}

}  // namespace
}  // namespace posthorn::sieve
