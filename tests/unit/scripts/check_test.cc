// What is said of a faulty script.
#include "scripts/check.h"

#include <gtest/gtest.h>

namespace posthorn::scripts {
namespace {

TEST(CheckScript, SaysWhereAFaultIs) {
  EXPECT_TRUE(check_script("keep;\r\n").faults.empty());
  EXPECT_TRUE(check_script("").faults.empty());
  const Checked checked = check_script("keep;\r\nkeep\r\nif\r\n");
  ASSERT_FALSE(checked.faults.empty());
  EXPECT_GE(checked.faults[0].line, 2U);
  EXPECT_FALSE(checked.faults[0].text.empty());
}

TEST(CheckScript, TellsAllFaultsAtOnce) {
  const Checked checked = check_script("keep;\r\nfileinot \"x\";\r\nstop;\r\n  vacatoin;\r\n");
  ASSERT_EQ(checked.faults.size(), 2U);
  EXPECT_EQ(checked.faults[0].line, 2U);
  EXPECT_EQ(checked.faults[1].line, 4U);
  EXPECT_EQ(checked.faults[1].column, 3U);
}

// RFC 6609 section 3.2.
TEST(CheckScript, WhatIsIncludedNeedNotBeThereYet) {
  EXPECT_TRUE(check_script("require \"include\";\r\ninclude :personal \"other\";\r\n"
                           "include :global \"site\";\r\n")
                  .faults.empty());
}

// RFC 5703 section 7: extracttext stands on two others, so a require names all three.
TEST(CheckScript, EachExtensionThatIsNamedIsTaken) {
  for (const std::string_view name : sieve::extension_names()) {
    const std::string others = name == "extracttext" ? R"(, "foreverypart", "variables")" : "";
    const std::string script =
        "require [\"" + std::string(name) + "\"" + others + "];\r\nkeep;\r\n";
    EXPECT_EQ(format_faults(check_script(script).faults), "") << name;
  }
}

TEST(FormatFaults, ALineEach) {
  EXPECT_EQ(format_faults({{3, 5, "no such command"}, {4, 1, "no ;"}}),
            "line 3, column 5: no such command\r\nline 4, column 1: no ;");
}

}  // namespace
}  // namespace posthorn::scripts
