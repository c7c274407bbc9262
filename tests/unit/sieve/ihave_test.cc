// ihave (RFC 5463): what is there is required from there on; what is not keeps its faults for the run.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";

TEST(IhaveTest, WhatIsThereIsRequiredFromThereOn) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"if ihave \"fileinto\" { fileinto \"x\"; }", "fileinto x"},
      {"if ihave [\"fileinto\", \"copy\"] { fileinto :copy \"x\"; }", "fileinto x, keep"},
      {"if ihave [\"fileinto\", \"nonsense\"] { fileinto \"x\"; } else { discard; }", "discard"},
      {"if not ihave \"fileinto\" { stop; } fileinto \"x\";", "fileinto x"},
      {"if ihave \"nonsense\" { nonsense \"a\" :b [\"c\"] { d; } } discard;", "discard"},
      {"if ihave \"nonsense\" { if nonsense { keep; } fileinto; }", "keep"},
      {"if not ihave \"nonsense\" { discard; stop; } nonsense \"a\";", "discard"},
      {"if allof (ihave \"nonsense\", nonsense \"a\") { nonsense; } else { discard; }", "discard"},
      {"if anyof (not ihave \"nonsense\", nonsense \"a\") { discard; }", "discard"},
      {"if ihave \"vnd.dovecot.pipe\" { pipe \"x\"; } discard;", "discard"},
      {"if ihave \"comparator-i;octet\" { discard; }", "discard"},
      // It would change how strings are read.
      {"if ihave \"variables\" { set \"a\" \"b\"; } discard;", "discard"},
      {"if true { error \"out of ${x} order\"; }", "fault: sieve:1: out of ${x} order"},
      // Reached all the same: the fault of that time.
      {"if anyof (ihave \"nonsense\", true) { nonsense; }",
       "fault: sieve:1: unknown command `nonsense`"},
  };
  for (const auto& [script, actions] : kRows) {
    Tried tried;
    EXPECT_EQ(told(tried.run("require \"ihave\";" + std::string(script), kMail)), actions)
        << script;
  }
  Tried tried;
  EXPECT_EQ(told(tried.run("require [\"ihave\", \"variables\", \"fileinto\"]; if ihave "
                           "\"variables\" { set \"a\" \"b\"; fileinto \"${a}\"; }",
                           kMail)),
            "fileinto b");
}

TEST(IhaveTest, OutsideOfItFaultsAreTold) {
  for (const std::string_view script :
       {"if ihave \"nonsense\" { keep; } else { nonsense; }",
        "if ihave \"nonsense\" { keep; } nonsense;",
        "if true { if not ihave \"nonsense\" { stop; } } nonsense;",
        "if ihave \"fileinto\" { nonsense; }", "ihave \"fileinto\";", "if ihave { keep; }"}) {
    EXPECT_FALSE(compile("require \"ihave\";" + std::string(script), {}).faults.empty()) << script;
  }
  const CompileResult forbidden =
      compile("require \"ihave\"; if ihave \"fileinto\" { fileinto \"x\"; }",
              {.forbidden_extensions = {"fileinto"}});
  ASSERT_TRUE(forbidden.program);
  EXPECT_EQ(forbidden.warnings.size(), 1U);
}

}  // namespace
}  // namespace posthorn::sieve
