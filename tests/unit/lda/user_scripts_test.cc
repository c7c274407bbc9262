// Proves that a user's script is compiled once, again when it or what it includes is another one,
// that a faulty one leaves the one before in use and is told once a day, and that memory is bounded.
#include "lda/user_scripts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/test_loop.h"

namespace posthorn::lda {
namespace {

class Stored final : public ScriptStorage {
 public:
  Result<std::optional<Active>> find_active(const std::string& account,
                                            const std::string& known_stamp) override {
    if (broken) return fail(*broken, "the disk");
    const auto found = active.find(account);
    if (found == active.end()) return std::optional<Active>();
    Active one = found->second;
    if (one.stamp == known_stamp)
      one.text.clear();
    else
      ++reads;
    return std::optional(one);
  }
  Result<std::optional<std::string>> find_text(const std::string& /*account*/,
                                               const std::string& name) override {
    const auto found = texts.find(name);
    return found == texts.end() ? std::optional<std::string>() : std::optional(found->second);
  }
  void put(const std::string& account, std::string text) {
    active[account] = {"rules", std::move(text), fmt::format("{}", ++stamps)};
  }

  std::map<std::string, Active> active;
  std::map<std::string, std::string> texts;
  int reads = 0, stamps = 0;
  std::optional<ErrorKind> broken;
};

struct UserScriptsTest : testing::Test {
  UserScripts::Found find(UserScripts& users, const std::string& account = "a@example.org") {
    auto found = loop.run(users.find(account, globals));
    EXPECT_TRUE(found);
    return found ? *std::move(found) : UserScripts::Found{};
  }
  test::TestLoop loop;
  config::Config config;
  Stored stored;
  test::ManualClock clock;
  std::shared_ptr<Globals> globals = std::make_shared<Globals>();
  UserScripts scripts{{loop.pool(), config, stored, clock}};
};

TEST_F(UserScriptsTest, CompiledOnceForAStamp) {
  EXPECT_FALSE(find(scripts).script);
  stored.put("a@example.org", "keep;");
  const auto first = find(scripts);
  ASSERT_TRUE(first.script);
  EXPECT_EQ(first.script->name, "a@example.org/rules");
  EXPECT_EQ(find(scripts).script->program, first.script->program);
  EXPECT_EQ(stored.reads, 1);
  stored.put("a@example.org", "discard;");
  EXPECT_NE(find(scripts).script->program, first.script->program);
  EXPECT_EQ(stored.reads, 2);
  stored.active.clear();
  EXPECT_FALSE(find(scripts).script);
  EXPECT_EQ(scripts.size(), 0U);
  EXPECT_EQ(scripts.bytes(), 0U);
}

TEST_F(UserScriptsTest, AFaultyOneLeavesTheOneBeforeAndIsToldOnceADay) {
  stored.put("a@example.org", "keep;");
  const auto good = find(scripts);
  stored.put("a@example.org", "keep;\n  fileinot \"a\";\n nonsense;\n");
  const auto faulty = find(scripts);
  ASSERT_TRUE(faulty.script);
  EXPECT_EQ(faulty.script->program, good.script->program);
  EXPECT_TRUE(faulty.faults.starts_with("line 2, column 3: ")) << faulty.faults;
  EXPECT_NE(faulty.faults.find("\nline 3, column 2: "), std::string::npos) << faulty.faults;
  EXPECT_EQ(find(scripts).faults, "");
  clock.advance(23h);
  EXPECT_EQ(find(scripts).faults, "");
  clock.advance(2h);
  EXPECT_EQ(find(scripts).faults, faulty.faults);
  stored.put("a@example.org", "discard;");
  EXPECT_EQ(find(scripts).faults, "");
}

TEST_F(UserScriptsTest, OneThatWasNeverGoodIsNone) {
  stored.put("a@example.org", "nonsense;");
  const auto found = find(scripts);
  EXPECT_FALSE(found.script);
  EXPECT_NE(found.faults, "");
}

TEST_F(UserScriptsTest, WhatCannotBeReadIsTriedAgain) {
  stored.broken = ErrorKind::temporary;
  EXPECT_FALSE(loop.run(scripts.find("a@example.org", globals)));
}

// RFC 5228 section 2.10.6: a script that nobody can read must not hold up mail for ever.
TEST_F(UserScriptsTest, WhatCanNeverBeReadIsAFaultAndTheLastGoodOneServes) {
  stored.broken = ErrorKind::permanent;
  const auto none = find(scripts);
  EXPECT_FALSE(none.script);
  EXPECT_NE(none.faults, "");
  EXPECT_EQ(find(scripts).faults, "");  // told once a day
  stored.broken.reset();
  stored.put("a@example.org", "keep;");
  EXPECT_TRUE(find(scripts).script);
  stored.broken = ErrorKind::permanent;
  const auto last = find(scripts);
  EXPECT_TRUE(last.script);
  EXPECT_NE(last.faults, "");
}

TEST_F(UserScriptsTest, MemoryIsBoundedAndThoseUsedLastStay) {
  const auto account = [](int i) { return fmt::format("u{}@example.org", i); };
  stored.put(account(0), "keep;");
  find(scripts, account(0));
  const std::size_t one = scripts.bytes();
  UserScripts few({loop.pool(), config, stored, clock}, 3 * one);
  for (int i = 0; i < 5; ++i) {
    stored.put(account(i), "keep;");
    find(few, account(i));
    find(few, account(0));
  }
  EXPECT_EQ(few.size(), 3U);
  EXPECT_LE(few.bytes(), 3 * one);
  const int reads = stored.reads;
  find(few, account(0));
  find(few, account(4));
  EXPECT_EQ(stored.reads, reads);
  find(few, account(1));
  EXPECT_EQ(stored.reads, reads + 1);
}

}  // namespace
}  // namespace posthorn::lda
