// include (RFC 6609): scripts in scripts, their bounds, and the variables they share.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
constexpr const char* kRequire = "require [\"include\", \"variables\", \"fileinto\", \"copy\"];";

struct Scripts {
  std::map<std::string, std::string> personal, global;
  Tried tried;

  std::string run(const std::string& script) {
    tried.compiling.find_script = [this](Location location, const std::string& name) {
      const auto& from = location == Location::personal ? personal : global;
      const auto found = from.find(name);
      return found == from.end() ? std::nullopt : std::optional(found->second);
    };
    return told(tried.run(kRequire + script, kMail));
  }
};

TEST(IncludeTest, WhatIsIncludedActsAsIfItStoodThere) {
  Scripts scripts;
  scripts.personal["a"] = "require \"fileinto\"; fileinto \"personal\";";
  scripts.global["a"] = "require \"fileinto\"; fileinto \"global\";";
  scripts.personal["stops"] = "stop;";
  scripts.personal["returns"] = "require \"include\"; if true { return; } discard;";
  EXPECT_EQ(scripts.run("include \"a\";"), "fileinto personal");
  EXPECT_EQ(scripts.run("include :personal \"a\"; include :global \"a\";"),
            "fileinto personal, fileinto global");
  EXPECT_EQ(scripts.run("include \"stops\"; discard;"), "keep");
  EXPECT_EQ(scripts.run("include \"returns\"; fileinto \"x\";"), "fileinto x");
  EXPECT_EQ(scripts.run("if true { return; } discard;"), "keep");
  EXPECT_EQ(scripts.run("include :optional \"none\"; fileinto \"x\";"), "fileinto x");
}

// Section 3.2.
TEST(IncludeTest, OnceIsOnce) {
  Scripts scripts;
  scripts.personal["count"] =
      "require [\"include\", \"variables\"]; global \"n\"; set \"n\" \"${n}+\";";
  scripts.personal["outer"] = "require \"include\"; include \"inner\";";
  scripts.personal["inner"] = "require \"include\"; include :once \"outer\"; include \"count\";";
  EXPECT_EQ(scripts.run("global \"n\"; include \"count\"; include \"count\"; fileinto \"${n}\";"),
            "fileinto ++");
  EXPECT_EQ(scripts.run("global \"n\"; include \"count\"; include :once \"count\"; include :once "
                        "\"count\"; fileinto \"${n}\";"),
            "fileinto +");
  EXPECT_EQ(scripts.run("global \"n\"; include \"outer\"; fileinto \"${n}\";"), "fileinto +");
}

// Section 3.4.
TEST(IncludeTest, VariablesAreTheScriptsOwnUnlessTheyAreGlobal) {
  Scripts scripts;
  scripts.personal["sets"] =
      "require [\"include\", \"variables\"]; global [\"shared\"]; set \"SHARED\" \"s\"; set "
      "\"own\" \"o\"; set \"global.other\" \"t\";";
  EXPECT_EQ(scripts.run("set \"own\" \"mine\"; include \"sets\"; fileinto "
                        "\"${own}-${shared}-${global.shared}-${Global.OTHER}\";"),
            "fileinto mine--s-t");
  EXPECT_EQ(scripts.run("global [\"shared\", \"other\"]; include \"sets\"; fileinto "
                        "\"${shared}${other}\";"),
            "fileinto st");
  scripts.personal["reads"] =
      "require [\"include\", \"variables\", \"fileinto\"]; global \"x\"; fileinto "
      "\"${x}${y}${1}.\";";
  EXPECT_EQ(scripts.run("global \"x\"; set \"x\" \"1\"; set \"y\" \"2\"; if header :matches "
                        "\"subject\" \"*\" { include \"reads\"; }"),
            "fileinto 1.");
}

TEST(IncludeTest, WhatCannotBeIncludedIsAFault) {
  Scripts scripts;
  scripts.personal["broken"] = "keep;\nkep;";
  scripts.personal["itself"] = "require \"include\"; include \"itself\";";
  scripts.personal["a"] = "require \"include\"; include \"b\";";
  scripts.personal["b"] = "require \"include\"; include \"a\";";
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"include \"none\";", "there is no script `none` to include"},
      {"include :global \"none\";", "there is no global script `none` to include"},
      {"include \"../x\";", "\"../x\" is no name of a script"},
      {"include \"a\xC2\x85\";", "\"a\xC2\x85\" is no name of a script"},
      {"include \"${x}\";", "\"${x}\" is no name of a script"},
      {"include \"broken\";", "`broken`, line 2: unknown command `kep`, did you mean `keep`?"},
      {"include \"itself\";", "`itself`, line 1: `itself` includes itself"},
      {"include \"a\";", "`a`, line 1: `b`, line 1: `a` includes itself"},
      {"include :once :once \"a\";", "`:once` stands here twice"},
      {"set \"x\" \"y\"; global \"x\";",
       "`x` is a variable of this script already: `global` stands before what sets it"},
      {"global \"1\";", "\"1\" is no name of a variable"},
      {"set \"globl.x\" \"y\";", "\"globl.x\" is no name of a variable"},
  };
  for (const auto& [script, fault] : kRows) {
    const std::string told = scripts.run(std::string(script));
    EXPECT_NE(told.find(": " + std::string(fault) + "\n"), std::string::npos) << script << told;
  }
  EXPECT_EQ(compile("require \"include\"; global \"x\";", {}).faults.at(0).text,
            "`global` needs `require [\"variables\"]`");
}

TEST(IncludeTest, NumberAndDepthAreBounded) {
  Scripts scripts;
  scripts.tried.compiling.include_depth_max = 2;
  scripts.personal["1"] = "require \"include\"; include \"2\";";
  scripts.personal["2"] = "require \"include\"; include \"3\";";
  scripts.personal["3"] = "keep;";
  EXPECT_NE(scripts.run("include \"1\";").find("scripts include one another 2 deep at most"),
            std::string::npos);
  scripts.tried.compiling.include_depth_max = 3;
  EXPECT_EQ(scripts.run("include \"1\";"), "keep");
  scripts.tried.compiling.includes_max = 2;
  EXPECT_NE(scripts.run("include \"1\";").find("a script may include 2 others"), std::string::npos);
  EXPECT_EQ(scripts.run("include \"3\"; include \"3\";"), "keep");
}

TEST(IncludeTest, AFaultAtRunTimeNamesTheScript) {
  Scripts scripts;
  scripts.personal["faulty"] = "require \"ihave\";\nerror \"x\";";
  EXPECT_EQ(scripts.run("include \"faulty\";"), "fault: faulty:2: x");
}

// A script that doubles what it includes: steps end it, not the clock.
TEST(IncludeTest, WhatGrowsWithoutEndIsAFault) {
  Scripts scripts;
  scripts.tried.settings.steps_max = 100'000;
  std::string last = "if header :contains \"subject\" \"x\" {}";
  for (int i = 0; i < 9; ++i) {
    const std::string name = std::to_string(i);
    scripts.personal[name] = last;
    last = "require \"include\";";
    for (int j = 0; j < 10; ++j) last += "include \"" + name + "\";";
  }
  scripts.personal["top"] = last;
  EXPECT_NE(scripts.run("include \"top\";").find("the script takes too long"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::sieve
