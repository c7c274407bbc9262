// Proves that what is remembered lasts: over a restart, a kill and a power cut at every operation on
// the disk, a damaged file and a full one; that it ends with its period and stays small; and that one
// delivery at a time holds it.
#include "lda/memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lda/memories.h"
#include "tests/support/fault_disk.h"
#include "tests/support/jumping_clock.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::lda {
namespace {

constexpr WallTime kNow{std::chrono::milliseconds(1'790'000'000'000)};
using test::FaultDisk;

Note answer(const std::string& to) {
  return {.kind = Remembered::answer, .handle = "away", .id = to};
}
Note seen(const std::string& id) {
  return {.kind = Remembered::seen, .handle = "", .id = id};
}

struct MemoryTest : testing::Test {
  Memory loaded(Disk& on, WallTime now = kNow) const {
    Memory memory(on, path);
    EXPECT_TRUE(memory.load(now));
    return memory;
  }
  std::size_t lines() const {
    const std::string text = test::read_text(path);
    return static_cast<std::size_t>(std::ranges::count(text, '\n'));
  }
  test::TempFolder folder;
  Path path = folder.path() / "posthorn-remembered";
  FaultDisk disk;
};

TEST_F(MemoryTest, ANoteLastsUntilItsPeriodHasPassed) {
  Memory memory = loaded(disk);
  EXPECT_FALSE(memory.has(answer("bob@x.test"), kNow));
  EXPECT_EQ(memory.note(answer("bob@x.test"), kNow, 60s), Memory::Noted::durable);
  const Memory later = loaded(disk);
  EXPECT_TRUE(later.has(answer("bob@x.test"), kNow));
  EXPECT_TRUE(later.has(answer("bob@x.test"), kNow + 59s));
  EXPECT_FALSE(later.has(answer("bob@x.test"), kNow + 60s));
  EXPECT_EQ(loaded(disk, kNow + 60s).size(), 0U);
}

TEST_F(MemoryTest, KindHandleAndIdTellNotesApart) {
  Memory memory = loaded(disk);
  ASSERT_TRUE(memory.note(answer("bob@x.test"), kNow, 60s));
  EXPECT_FALSE(memory.has({Remembered::seen, "away", "bob@x.test"}, kNow));
  EXPECT_FALSE(memory.has({Remembered::answer, "other", "bob@x.test"}, kNow));
  EXPECT_FALSE(memory.has({Remembered::answer, "awayb", "ob@x.test"}, kNow));
  EXPECT_EQ(test::read_text(path).find("bob"), std::string::npos);
}

TEST_F(MemoryTest, ANewPeriodTakesThePlaceOfTheOldOne) {
  Memory memory = loaded(disk);
  ASSERT_TRUE(memory.note(seen("<1@x>"), kNow, 60s));
  ASSERT_TRUE(memory.note(seen("<1@x>"), kNow + 30s, 60s));
  EXPECT_TRUE(loaded(disk).has(seen("<1@x>"), kNow + 80s));
  EXPECT_EQ(memory.size(), 1U);
}

TEST_F(MemoryTest, WhatIsForgottenStaysForgotten) {
  Memory memory = loaded(disk);
  ASSERT_TRUE(memory.note(answer("bob@x.test"), kNow, 60s));
  ASSERT_TRUE(memory.forget(answer("bob@x.test"), kNow));
  EXPECT_FALSE(memory.has(answer("bob@x.test"), kNow));
  EXPECT_FALSE(loaded(disk).has(answer("bob@x.test"), kNow));
  ASSERT_TRUE(memory.forget(answer("nobody@x.test"), kNow));
}

TEST_F(MemoryTest, AnyPeriodThatAScriptAsksForIsTaken) {
  Memory memory = loaded(disk);
  ASSERT_TRUE(memory.note(seen("a"), kNow, std::chrono::seconds::max()));
  ASSERT_TRUE(memory.note(seen("b"), kNow, -5s));
  EXPECT_TRUE(loaded(disk).has(seen("a"), kNow + 24h * 365 * 10));
  EXPECT_FALSE(loaded(disk).has(seen("b"), kNow));
}

TEST_F(MemoryTest, HalfALineIsPassedOverAndMended) {
  Memory memory = loaded(disk);
  ASSERT_TRUE(memory.note(answer("a@x.test"), kNow, 60s));
  ASSERT_TRUE(memory.note(answer("b@x.test"), kNow, 60s));
  const std::string whole = test::read_text(path);
  for (const std::string& text :
       {whole.substr(0, whole.size() - 5), "rubbish\n" + whole, whole + "\n", whole + "a 12"}) {
    test::write_text(path, text);
    Memory again = loaded(disk);
    EXPECT_TRUE(again.has(answer("a@x.test"), kNow));
    ASSERT_TRUE(again.note(answer("c@x.test"), kNow, 60s));
    const Memory mended = loaded(disk);
    EXPECT_TRUE(mended.has(answer("a@x.test"), kNow));
    EXPECT_TRUE(mended.has(answer("c@x.test"), kNow));
    EXPECT_EQ(lines(), mended.size());
  }
}

// What was said to be durable is there after a kill or a power cut before any operation.
TEST_F(MemoryTest, NoCrashForgets) {
  for (int at = 1; at < 40; ++at) {
    for (const bool power : {false, true}) {
      const test::TempFolder home;
      const Path file = home.path() / "posthorn-remembered";
      FaultDisk dying(FaultDisk::Fault::for_good, at);
      std::vector<std::string> durable;
      Memory memory(dying, file);
      ASSERT_TRUE(memory.load(kNow));
      for (int i = 0; i < 6; ++i) {
        const std::string who = "u" + std::to_string(i);
        const auto noted = memory.note(answer(who), kNow, 60s);
        EXPECT_EQ(noted.has_value(), memory.has(answer(who), kNow)) << at;
        if (noted) durable.push_back(who);
      }
      if (power) dying.cut_power();
      Memory after(disk, file);
      ASSERT_TRUE(after.load(kNow));
      for (const std::string& who : durable)
        EXPECT_TRUE(after.has(answer(who), kNow)) << who << " at " << at << (power ? " power" : "");
      ASSERT_TRUE(after.note(answer("next"), kNow, 60s));
    }
  }
}

// One operation fails and the process lives on: what could not be noted is not, the rest is.
TEST_F(MemoryTest, AFailedWriteIsToldAndTheNextOneIsWhole) {
  for (int at = 1; at < 20; ++at) {
    const test::TempFolder home;
    const Path file = home.path() / "posthorn-remembered";
    FaultDisk failing(FaultDisk::Fault::once, at);
    std::vector<std::string> durable;
    Memory memory(failing, file);
    ASSERT_TRUE(memory.load(kNow));
    for (int i = 0; i < 4; ++i)
      if (memory.note(answer(std::to_string(i)), kNow, 60s)) durable.push_back(std::to_string(i));
    EXPECT_EQ(failing.syncs_after_failed(), 0);
    failing.cut_power();
    Memory after(disk, file);
    ASSERT_TRUE(after.load(kNow));
    for (const std::string& who : durable) EXPECT_TRUE(after.has(answer(who), kNow)) << at;
  }
}

TEST_F(MemoryTest, TheFileStaysSmall) {
  Memory memory = loaded(disk);
  for (int i = 0; i < 2500; ++i) ASSERT_TRUE(memory.note(seen("one"), kNow + i * 1s, 60s));
  EXPECT_LE(lines(), 1100U);
  EXPECT_TRUE(loaded(disk, kNow + 2500s).has(seen("one"), kNow + 2500s));
}

TEST_F(MemoryTest, AFullMemoryAnswersNobodyTwiceAndForgetsTheOldestId) {
  // Answers that all last, and ids of which each lasts a second longer than the one before.
  std::string text;
  for (std::size_t i = 1; i < Memory::kNotesMax; ++i) {
    text += fmt::format("a {} {:032x}\n", 1'790'000'060, i);
    text += fmt::format("s {} {:032x}\n", 1'790'000'060 + i, i);
  }
  test::write_text(path, text);
  Memory memory = loaded(disk);
  EXPECT_EQ(memory.note(answer("last"), kNow, 60s), Memory::Noted::durable);
  EXPECT_EQ(memory.note(answer("one more"), kNow, 60s), Memory::Noted::full);
  EXPECT_FALSE(memory.has(answer("one more"), kNow));
  EXPECT_TRUE(memory.has(answer("last"), kNow));
  EXPECT_EQ(memory.note(answer("last"), kNow, 120s), Memory::Noted::durable);
  ASSERT_TRUE(memory.note(seen("soon over"), kNow, 1s));
  EXPECT_EQ(memory.note(seen("one more"), kNow, 90'000s), Memory::Noted::durable);
  EXPECT_FALSE(memory.has(seen("soon over"), kNow));
  EXPECT_TRUE(memory.has(seen("one more"), kNow));
  const Memory again = loaded(disk);
  EXPECT_EQ(again.size(), memory.size());
  EXPECT_LE(again.size(), 2 * Memory::kNotesMax);
  EXPECT_TRUE(again.has(seen("one more"), kNow));
  EXPECT_TRUE(again.has(answer("last"), kNow));
  // Those whose period is over make room.
  EXPECT_EQ(memory.note(answer("one more"), kNow + 60s, 60s), Memory::Noted::durable);
}

struct MemoriesTest : testing::Test {
  MemoriesTest() { config.paths.mail = folder.path(); }
  void make_home(const std::string& user) const {
    std::filesystem::create_directories(folder.path() / "x.test" / user);
  }
  test::TestLoop loop;
  test::TempFolder folder;
  config::Config config;
  Memories memories{{loop.scope(), loop.pool(), config}};
};

net::Awaitable<void> check_and_note(Memories* memories, int* first) {
  const auto held = co_await memories->hold("bob@x.test");
  if (!held || held->has(answer("carol@x.test"))) co_return;
  if (co_await held->note(answer("carol@x.test"), 60s)) ++*first;
}

TEST_F(MemoriesTest, OfManyAtOnceOneIsTheFirst) {
  make_home("bob");
  int first = 0;
  for (int i = 0; i < 20; ++i) loop.scope().spawn(check_and_note(&memories, &first));
  loop.until([&] { return loop.scope().running() == 0; });
  EXPECT_EQ(first, 1);
}

TEST_F(MemoriesTest, ThoseThatNobodyHoldsAreLetGo) {
  for (std::size_t i = 0; i <= Memories::kOpenMax; ++i) {
    const std::string user = "u" + std::to_string(i);
    make_home(user);
    const auto held = loop.run(memories.hold(user + "@x.test"));
    ASSERT_TRUE(held);
    if (i == 0) ASSERT_TRUE(loop.run(held->note(answer("carol@x.test"), 60s)));
  }
  EXPECT_EQ(memories.open(), 1U);
  const auto held = loop.run(memories.hold("u0@x.test"));
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->has(answer("carol@x.test")));
}

TEST_F(MemoriesTest, WhatCannotBeReadIsAnError) {
  make_home("bob");
  std::filesystem::create_directories(folder.path() / "x.test" / "bob" / "posthorn-remembered");
  EXPECT_FALSE(loop.run(memories.hold("bob@x.test")));
  EXPECT_FALSE(loop.run(memories.hold("Bob@x.test")));
}

}  // namespace
}  // namespace posthorn::lda
