// Proves that a trial tells the actions with the lines that want them, and each test with the values
// that it saw.
#include "lda/trial.h"

#include <gtest/gtest.h>

namespace posthorn::lda {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kMail =
    "Return-Path: <friend@elsewhere.test>\r\nTo: Bob <bob@example.org>\r\nSubject: "
    "hello\r\n\r\nx\r\n";

Scripts one(std::string_view text) {
  const auto compiled = sieve::compile(text, {.name = "a.sieve"});
  EXPECT_TRUE(compiled.program);
  return {{.name = "a.sieve", .program = compiled.program}};
}

TEST(TrialTest, ActionsWithTheirLines) {
  const Scripts scripts =
      one("require [\"fileinto\", \"copy\"];\n"
          "if header :contains \"subject\" \"hello\" {\n  fileinto :copy \"A\";\n}\n"
          "redirect :copy \"x@example.org\";\n");
  const Trial trial = try_scripts(scripts, {.wire = kMail}, {}, Tracing::on);
  EXPECT_EQ(describe(trial.outcome),
            (Lines{"fileinto \"A\" (a.sieve:3)", "redirect \"x@example.org\" (a.sieve:5)",
                   "keep (nothing said otherwise)"}));
  EXPECT_EQ(trial.trace,
            (Lines{"a.sieve:2:   \"hello\" :contains \"hello\"", "a.sieve:2: header: true",
                   "a.sieve:3: fileinto", "a.sieve:5: redirect"}));
  EXPECT_TRUE(try_scripts(scripts, {.wire = kMail}, {}, Tracing::off).trace.empty());
}

TEST(TrialTest, NothingAndFaults) {
  EXPECT_EQ(describe(try_scripts(one("discard;"), {.wire = kMail}, {}, Tracing::off).outcome),
            Lines{"discard"});
  EXPECT_EQ(describe(try_scripts({}, {.wire = kMail}, {}, Tracing::off).outcome),
            Lines{"keep (nothing said otherwise)"});
  std::string many = "require \"fileinto\";";
  for (int i = 0; i < 40; ++i) many += "fileinto \"m" + std::to_string(i) + "\";";
  EXPECT_EQ(
      describe(try_scripts(one(many), {.wire = kMail}, {}, Tracing::off).outcome),
      (Lines{"fault: a.sieve:1: a script may take 32 actions", "keep (because of the fault)"}));
}

}  // namespace
}  // namespace posthorn::lda
