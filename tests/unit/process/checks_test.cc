// Checks on their way from several processes to who asks: whole, and the worst of each.
#include <gtest/gtest.h>

#include "process/report.h"
#include "tests/support/test_loop.h"

namespace posthorn::process {
namespace {

std::string shown(const std::vector<health::Check>& checks) {
  std::string text;
  for (const health::Check& check : checks)
    text += check.name + "=" + check.state + "(" + check.detail + ") ";
  return text;
}

TEST(Checks, OfSeveralProcessesTheWorstCounts) {
  std::vector<health::Check> checks;
  for (const auto& [state, after] : {std::pair{"ok", "ok"},
                                     {"warning", "warning"},
                                     {"ok", "warning"},
                                     {"red", "red"},
                                     {"warning", "red"},
                                     {"ok", "red"}}) {
    add_check(checks, {"disk", state, ""});
    EXPECT_EQ(shown(checks), std::string("disk=") + after + "() ");
  }
  add_check(checks, {"scripts", "ok", "x"});
  EXPECT_EQ(shown(checks), "disk=red() scripts=ok(x) ");
}

TEST(Checks, ItsChecksComeOverTheLine) {
  test::TestLoop loop;
  const auto two = []() -> net::Awaitable<std::vector<health::Check>> {
    co_return std::vector<health::Check>{{"disk", "ok", ""}, {"files", "red", "a\tb"}};
  };
  const Report report{.checks = two};
  const auto told = read_checks(loop.wait(tell_checks(&report)));
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(shown(*told), "disk=ok() files=red(a\tb) ");
  const auto nothing = read_checks(loop.wait(tell_checks(nullptr)));
  ASSERT_TRUE(nothing.has_value());
  EXPECT_TRUE(nothing->empty());
}

TEST(Checks, AStrangeAnswerIsAnError) {
  EXPECT_FALSE(read_checks(net::Message("temporary")).has_value());
  EXPECT_FALSE(read_checks(net::Message("ok").add("check", "disk")).has_value());
}

}  // namespace
}  // namespace posthorn::process
