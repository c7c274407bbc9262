// Proves what the one watcher promises: a file that is being written is not read, what could not be
// read is tried again later and later, a finding is told once, and the parts of a generation are
// put to use together or not at all.
#include "net/watched_files.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/test_loop.h"

namespace posthorn::net {
namespace {

using Todo = FileWatch::Todo;

TEST(FileWatch, TakesWhatLooksTheSameTwice) {
  test::ManualClock clock;
  FileWatch watch(1s);
  watch.loaded("a", FileWatch::Read::done, FileWatch::Todo::changed, clock.steady_now());
  EXPECT_EQ(watch.pause(), 1s);
  EXPECT_EQ(watch.see("a", clock.steady_now()), Todo::nothing);
  EXPECT_EQ(watch.see("b", clock.steady_now()), Todo::nothing);
  EXPECT_EQ(watch.pause(), 250ms);  // an edit is to be live within two seconds
  EXPECT_EQ(watch.see("c", clock.steady_now()), Todo::nothing);
  EXPECT_EQ(watch.see("c", clock.steady_now()), Todo::changed);
  watch.loaded("c", FileWatch::Read::done, FileWatch::Todo::changed, clock.steady_now());
  EXPECT_EQ(watch.see("c", clock.steady_now()), Todo::nothing);
  // Back before it was taken: nothing to do.
  EXPECT_EQ(watch.see("d", clock.steady_now()), Todo::nothing);
  EXPECT_EQ(watch.see("c", clock.steady_now()), Todo::nothing);
  EXPECT_EQ(watch.pause(), 1s);
}

TEST(FileWatch, ComesAgainForWhatMayPass) {
  test::ManualClock clock;
  FileWatch watch(1s);
  watch.loaded("a", FileWatch::Read::may_pass, FileWatch::Todo::changed, clock.steady_now());
  std::chrono::milliseconds wait = 1s;
  for (int i = 0; i < 8; ++i) {
    clock.advance(wait - 1ms);
    EXPECT_EQ(watch.see("a", clock.steady_now()), Todo::nothing) << i;
    clock.advance(1ms);
    EXPECT_EQ(watch.see("a", clock.steady_now()), Todo::again) << i;
    watch.loaded("a", FileWatch::Read::may_pass, FileWatch::Todo::again, clock.steady_now());
    wait = std::min<std::chrono::milliseconds>(wait * 2, 1min);
  }
  // A new file begins anew, and a good one ends it.
  watch.loaded("b", FileWatch::Read::may_pass, FileWatch::Todo::changed, clock.steady_now());
  clock.advance(1s);
  EXPECT_EQ(watch.see("b", clock.steady_now()), Todo::again);
  watch.loaded("b", FileWatch::Read::done, FileWatch::Todo::again, clock.steady_now());
  clock.advance(1h);
  EXPECT_EQ(watch.see("b", clock.steady_now()), Todo::nothing);
}

// A part whose file, outcome and fate the test sets.
struct Part final : FilePart {
  std::string look() const override { return stamp; }
  Awaitable<Prepared> prepare() override {
    ++prepared;
    next = value;
    co_return outcome;
  }
  std::shared_ptr<const void> commit() override {
    in_use = next;
    return nullptr;
  }
  void tell(const config::Finding& finding) const override { told.push_back(finding.reason); }

  std::string stamp = "1";
  std::string value = "one", next, in_use;
  Prepared outcome;
  int prepared = 0;
  mutable std::vector<std::string> told;
};

struct WatchedFilesTest : testing::Test {
  ~WatchedFilesTest() override {
    files.stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  test::TestLoop loop;
  Part a, b;
  WatchedFiles files{loop.scope(), loop.pool(), 10ms, {&a, &b}};
};

TEST_F(WatchedFilesTest, AnEditOfOneIsAGenerationOfAll) {
  EXPECT_TRUE(loop.wait(files.start()).empty());
  EXPECT_EQ(a.in_use + b.in_use, "oneone");
  a.value = "two";
  a.stamp = "2";
  loop.until([&] { return a.in_use == "two"; });
  EXPECT_EQ(files.generation(), 2U);
}

TEST_F(WatchedFilesTest, NothingIsPutToUseIfOneCannotBe) {
  (void)loop.wait(files.start());
  a.value = b.value = "two";
  b.outcome = {.findings = {{"b:1", "does not fit"}}, .is_usable = false};
  EXPECT_EQ(loop.wait(files.reload()).size(), 1U);
  EXPECT_EQ(a.in_use + b.in_use, "oneone");
  EXPECT_EQ(files.faults(), 1U);
  // With a fault that leaves the form of before in use, the other goes on.
  b.outcome.is_usable = true;
  b.value = "one";
  (void)loop.wait(files.reload());
  EXPECT_EQ(a.in_use + b.in_use, "twoone");
  EXPECT_EQ(files.faults(), 1U);
}

TEST_F(WatchedFilesTest, AFindingIsToldOnceUnlessSomebodyAsks) {
  a.outcome = {.findings = {{"a:1", "odd", "", config::Weight::warning}}, .may_pass = true};
  (void)loop.wait(files.start());
  loop.until([&] { return a.prepared >= 3; });  // tried again
  EXPECT_EQ(a.told.size(), 1U);
  b.stamp = "2";  // and another file changes
  const int before = b.prepared;
  loop.until([&] { return b.prepared > before; });
  EXPECT_EQ(a.told.size(), 1U);
  (void)loop.wait(files.reload());
  EXPECT_EQ(a.told.size(), 2U);
  EXPECT_EQ(files.faults(), 0U);
}

TEST_F(WatchedFilesTest, TwoPhases) {
  (void)loop.wait(files.start());
  a.value = b.value = "two";
  EXPECT_TRUE(loop.wait(files.prepare("n1")).is_usable);
  EXPECT_EQ(a.in_use + b.in_use, "oneone");
  a.stamp = "2";  // an edit meanwhile waits
  const int before = a.prepared;
  loop.idle(100ms);
  EXPECT_EQ(a.prepared, before);
  EXPECT_FALSE(loop.wait(files.commit("n2")));
  EXPECT_TRUE(loop.wait(files.commit("n1")));
  EXPECT_TRUE(loop.wait(files.commit("n1")));
  EXPECT_EQ(a.in_use + b.in_use, "twotwo");
  loop.until([&] { return a.prepared > before; });

  a.value = b.value = "three";
  a.stamp = "3";
  EXPECT_TRUE(loop.wait(files.prepare("n3")).is_usable);
  files.drop("n3");
  EXPECT_FALSE(loop.wait(files.commit("n3")));

  b.outcome = {.findings = {}, .is_usable = false};
  EXPECT_FALSE(loop.wait(files.prepare("n4")).is_usable);
  EXPECT_FALSE(loop.wait(files.commit("n4")));
}

}  // namespace
}  // namespace posthorn::net
