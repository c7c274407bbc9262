// main.cf as Postfix reads it: what `postconf -x` prints of the same text is what stands here.
#include "takeover/main_cf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace posthorn::takeover {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string value(std::string_view text, const std::string& name) {
  return parse_main_cf(text, "main.cf").value_of(name);
}

TEST(MainCf, LinesGoOnAndTheLastOneCounts) {
  const MainCf cf = parse_main_cf(
      "# a comment\n  \na = 1\nb = x,\n# within\n\ty,\n   z # not a comment\na = 2\nc=\n",
      "main.cf");
  EXPECT_EQ(cf.value_of("a"), "2");
  EXPECT_EQ(cf.settings.at("a").line, 8U);
  EXPECT_EQ(cf.value_of("b"), "x, y, z # not a comment");
  EXPECT_EQ(cf.settings.at("b").line, 4U);
  EXPECT_TRUE(cf.has("c"));
  EXPECT_EQ(cf.value_of("c"), "");
  EXPECT_THAT(cf.faults, IsEmpty());
}

TEST(MainCf, NamesAreReplaced) {
  constexpr std::string_view kText =
      "a = one\nempty =\nb = $a ${a} $(a) $$a\n"
      "c = ${a?yes} ${a:no} ${empty?yes} ${empty:no}\n"
      "d = ${a?{$a two}:{three}} ${empty?{two}:{$a}}\n"
      "e = ${nowhere}x\n";
  EXPECT_EQ(value(kText, "b"), "one one one $a");
  EXPECT_EQ(value(kText, "c"), "yes   no");
  EXPECT_EQ(value(kText, "d"), "one two one");
  EXPECT_EQ(value(kText, "e"), "x");
}

TEST(MainCf, DefaultsStandWhereOthersReferToThem) {
  EXPECT_EQ(value("myhostname = mx.example.org\n", "mydestination"),
            "mx.example.org, localhost.example.org, localhost");
  MainCf cf = parse_main_cf("relayhost = $mydomain\n", "main.cf");
  cf.defaults["myhostname"] = "mx.example.org";
  EXPECT_EQ(cf.value_of("relayhost"), "example.org");
}

// Each ends, and soon.
TEST(MainCf, WhatRefersToItselfEnds) {
  value("a = $a$a$a$a\n", "a");
  value("a = $b\nb = $a\n", "a");
  value("a = ${a?{$a}:{$a}}${a:$a}\n", "a");
  std::string grows;
  for (int i = 0; i < 40; ++i)
    grows += "v" + std::to_string(i) + " = $v" + std::to_string(i + 1) + "$v" +
             std::to_string(i + 1) + "\n";
  EXPECT_LE(value(grows + "v40 = x\n", "v0").size(), 2U << 20U);
  value("a = ${b ${c $(d ${\n", "a");
}

TEST(MainCf, FilesAsEditorsLeaveThem) {
  constexpr std::string_view kDos =
      "\xEF\xBB\xBFmyhostname = mx.example.org\r\n\r\na = b,\r\n  c\r\n";
  EXPECT_EQ(value(kDos, "myhostname"), "mx.example.org");
  EXPECT_EQ(value(kDos, "a"), "b, c");
  EXPECT_EQ(value("a\t=\tb\tc", "a"), "b\tc");
  EXPECT_THAT(parse_main_cf("", "main.cf").settings, IsEmpty());
  EXPECT_THAT(parse_main_cf("\n\n \n#\n", "main.cf").settings, IsEmpty());
  EXPECT_EQ(value("policyd-spf_time_limit = 3600\n", "policyd-spf_time_limit"), "3600");
  std::string many;
  for (int i = 0; i < 10'000; ++i)
    many += "name_" + std::to_string(i) + " = " + std::to_string(i) + "\n";
  EXPECT_EQ(value(many, "name_9999"), "9999");
}

TEST(MainCf, WhatIsNoSettingIsNamed) {
  const MainCf cf = parse_main_cf("a = 1\nnonsense\n= 3\nb = 2\n", "main.cf");
  ASSERT_THAT(cf.faults, SizeIs(2));
  EXPECT_EQ(cf.faults[0].where, "main.cf:2");
  EXPECT_EQ(cf.faults[1].where, "main.cf:3");
  EXPECT_EQ(cf.value_of("b"), "2");
}

TEST(MainCf, WordsOfAList) {
  EXPECT_THAT(list_words(" a, b\tc,,d "), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(list_words("inline:{ {a = b, c}, d=e } hash:/x"),
              ElementsAre("inline:{ {a = b, c}, d=e }", "hash:/x"));
  EXPECT_THAT(list_words("{never ends"), ElementsAre("{never ends"));
}

}  // namespace
}  // namespace posthorn::takeover
