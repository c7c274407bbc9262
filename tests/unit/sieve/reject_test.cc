// reject and ereject (RFC 5429): that they are asked for, and what they may not stand beside.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";

std::string run(std::string_view script) {
  Tried tried;
  return told(
      tried.run("require [\"reject\", \"ereject\", \"fileinto\", \"copy\", \"vacation\"];\n" +
                    std::string(script),
                kMail));
}

TEST(RejectTest, ItStandsAloneOrBesideDiscard) {
  EXPECT_EQ(run("reject \"no\";"), "reject no");
  EXPECT_EQ(run("ereject \"n\xC3\xB6\";"), "reject n\xC3\xB6");
  EXPECT_EQ(run("reject text:\nnot\n..here\n.\n;"), "reject not\r\n.here\r\n");
  EXPECT_EQ(run("discard; reject \"no\";"), "reject no");
  EXPECT_EQ(run("reject \"no\"; discard;"), "reject no");
  Tried tried;
  const Outcome outcome = tried.run("require \"ereject\"; ereject \"no\";", kMail);
  ASSERT_EQ(outcome.actions.size(), 1U);
  EXPECT_EQ(std::get<Reject>(outcome.actions[0].what).how, Reject::How::ereject);
  EXPECT_FALSE(outcome.keeps);
}

// Section 2.4, either way round: a fault, and the message is kept.
TEST(RejectTest, NothingThatDeliversOrAnswersStandsBesideIt) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"reject \"a\"; reject \"b\";", "`reject` cannot stand beside the `reject` of line 2"},
      {"reject \"a\";\nereject \"b\";", "`ereject` cannot stand beside the `reject` of line 2"},
      {"keep;\nreject \"a\";", "`reject` cannot stand beside the `keep` of line 2"},
      {"reject \"a\";\nkeep;", "`keep` cannot stand beside the `reject` of line 2"},
      {"fileinto \"x\";\nreject \"a\";", "`reject` cannot stand beside the `fileinto` of line 2"},
      {"reject \"a\";\nfileinto :copy \"x\";",
       "`fileinto` cannot stand beside the `reject` of line 2"},
      {"redirect \"x@example.org\";\nereject \"a\";",
       "`ereject` cannot stand beside the `redirect` of line 2"},
      {"vacation \"away\";\nreject \"a\";",
       "`reject` cannot stand beside the `vacation` of line 2"},
      {"reject \"a\";\nvacation \"away\";",
       "`vacation` cannot stand beside the `reject` of line 2"},
  };
  for (const auto& [script, fault] : kRows) {
    Tried tried;
    const Outcome outcome =
        tried.run("require [\"reject\", \"ereject\", \"fileinto\", \"copy\", \"vacation\"];\n" +
                      std::string(script),
                  kMail);
    EXPECT_EQ(outcome.end, Outcome::End::fault) << script;
    EXPECT_EQ(outcome.fault_text, fault) << script;
    ASSERT_EQ(outcome.actions.size(), 1U) << script;
    EXPECT_TRUE(std::holds_alternative<Keep>(outcome.actions[0].what)) << script;
  }
}

TEST(RejectTest, AScriptBeforeDoesNotConflict) {
  Tried tried;
  const auto program = [](std::string_view text) {
    return compile(
               "require [\"reject\", \"fileinto\", \"copy\", \"vacation\"];" + std::string(text),
               {})
        .program;
  };
  EXPECT_EQ(
      told(tried.run({program("fileinto :copy \"archive\";"), program("reject \"no\";")}, kMail)),
      "fileinto archive, reject no");
  EXPECT_EQ(told(tried.run({program("keep;"), program("reject \"no\";")}, kMail)), "reject no");
  // One answer to a message: the first.
  EXPECT_EQ(told(tried.run({program("vacation \"a\";"), program("vacation \"b\";")}, kMail)),
            "vacation a, keep");
}

}  // namespace
}  // namespace posthorn::sieve
