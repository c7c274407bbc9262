// What scripts do: the base language, keep and what cancels it, several scripts in order, bounds.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail =
    "From: \"Alice\" <alice@example.org>\r\n"
    "To: bob@example.net, \"Group\": carol@example.com;\r\n"
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= from\r\n the sea\r\n"
    "X-Empty:\r\n"
    "\r\n"
    "Hello\r\n";

TEST(RunTest, TestsOfTheBaseLanguage) {
  const std::pair<std::string_view, bool> kRows[] = {
      {"header :is \"subject\" \"Gr\xC3\xBC\xC3\x9F"
       "e from the sea\"",
       true},
      {"header :contains \"SUBJECT\" \"FROM\"", true},
      {"header :comparator \"i;octet\" :contains \"subject\" \"FROM\"", false},
      {"header :matches \"subject\" \"Gr??e * the s*\"", true},
      {"header :matches \"subject\" \"*from\"", false},
      {"header :matches \"subject\" \"*a\"", true},
      {"header :is \"x-empty\" \"\"", true},
      {"header :contains \"x-none\" \"\"", false},
      {"exists [\"from\", \"x-empty\"]", true},
      {"exists [\"from\", \"x-none\"]", false},
      {"address :is \"from\" \"ALICE@EXAMPLE.ORG\"", true},
      {"address :domain \"to\" \"example.com\"", true},
      {"address :localpart :matches \"to\" \"b?b\"", true},
      {"address :is \"from\" \"Alice\"", false},
      {"size :over 10", true},
      {"size :over 2G", false},
      {"size :under 1M", true},
      {"allof (true, not false)", true},
      {"anyof (false, false)", false},
  };
  for (const auto& [test, holds] : kRows) {
    Tried tried;
    const std::string script = "if " + std::string(test) + " { discard; }";
    EXPECT_EQ(told(tried.run(script, kMail)), holds ? "discard" : "keep") << test;
  }
}

TEST(RunTest, KeepAndWhatCancelsIt) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"", "keep"},
      {"keep;", "keep"},
      {"discard;", "discard"},
      {"keep; discard;", "keep"},
      {"fileinto \"a\";", "fileinto a"},
      {"fileinto :copy \"a\";", "fileinto a, keep"},
      {"fileinto \"a\"; fileinto \"a\"; keep;", "fileinto a, keep"},
      {"redirect \"x@example.org\";", "redirect x@example.org"},
      {"redirect \"Me <x@example.org>\";", "redirect x@example.org"},
      {"redirect :copy \"x@example.org\"; redirect \"X@example.org\";", "redirect x@example.org"},
      {"if true { stop; } discard;", "keep"},
      {"if false {} elsif true { fileinto \"b\"; } else { discard; }", "fileinto b"},
      {"if false {} elsif false {} else { discard; } keep;", "keep"},
  };
  for (const auto& [script, actions] : kRows) {
    Tried tried;
    const std::string whole = "require [\"fileinto\", \"copy\"];\n" + std::string(script);
    EXPECT_EQ(told(tried.run(whole, kMail)), actions) << script;
  }
}

TEST(RunTest, VariablesAndWhatWildcardsStoodFor) {
  Tried tried;
  EXPECT_EQ(told(tried.run("require [\"variables\", \"fileinto\"];\n"
                           "if header :matches \"from\" \"*<*@*>\" {\n"
                           "  set :lower :upperfirst \"name\" \"${2}\";\n"
                           "  fileinto \"${NAME}.${3}.${x}${\";\n}",
                           kMail)),
            "fileinto Alice.example.org.${");
}

TEST(RunTest, EachScriptRunsWhileTheOneBeforeKeeps) {
  Tried tried;
  const auto program = [&](std::string_view text) {
    return compile("require [\"fileinto\", \"copy\"];" + std::string(text), {}).program;
  };
  EXPECT_EQ(told(tried.run({program("keep;"), program("fileinto \"a\";")}, kMail)), "fileinto a");
  EXPECT_EQ(told(tried.run({program("discard;"), program("fileinto \"a\";")}, kMail)), "discard");
  EXPECT_EQ(told(tried.run({program("fileinto :copy \"a\"; stop;"), program("")}, kMail)),
            "fileinto a, keep");
  EXPECT_EQ(told(tried.run(std::vector<ProgramPtr>{}, kMail)), "keep");
}

TEST(RunTest, WhatPassesABoundKeepsTheMessage) {
  Tried tried;
  std::string many = "require \"fileinto\";";
  for (int i = 0; i < 40; ++i) many += "fileinto \"m" + std::to_string(i) + "\";";
  const Outcome outcome = tried.run(many, kMail);
  EXPECT_EQ(outcome.end, Outcome::End::fault);
  EXPECT_EQ(outcome.fault, "sieve:1: a script may take 32 actions");
  ASSERT_EQ(outcome.actions.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<Keep>(outcome.actions[0].what));
  std::string doubling = "require \"variables\"; set \"a\" \"0123456789\";";
  for (int i = 0; i < 40; ++i) doubling += "set \"a\" \"${a}${a}\";";
  EXPECT_EQ(told(tried.run(doubling, kMail)), "keep");
}

TEST(RunTest, AWildcardPatternCostsTimeInTheTextsLength) {
  Tried tried;
  std::string mail = "Subject: " + std::string(100'000, 'a') + "\r\n\r\n";
  const Outcome outcome =
      tried.run("if header :matches \"subject\" \"*a*a*a*a*a*a*a*a*a*b\" { discard; }", mail);
  EXPECT_EQ(told(outcome), "keep");
  EXPECT_LT(outcome.steps, 10'000U);
}

}  // namespace
}  // namespace posthorn::sieve
