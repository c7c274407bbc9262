#include "net/own_loop.h"

#include <gtest/gtest.h>

namespace posthorn::net {
namespace {

Task<int> answer(int number) {
  if (number < 0) co_return fail(ErrorKind::permanent, "below zero");
  co_return number;
}

Awaitable<void> mark(bool* is_done) {
  *is_done = true;
  co_return;
}

// Starts another one, which nobody awaits.
Task<> start(Scope* scope, bool* is_done) {
  scope->spawn(mark(is_done));
  co_return Result<>{};
}

TEST(OwnLoop, GivesWhatItsTaskGave) {
  OwnLoop loop;
  EXPECT_EQ(loop.run(answer(7)), 7);
  const auto failed = loop.run(answer(-1));
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().kind, ErrorKind::permanent);
  EXPECT_EQ(loop.run(answer(8)), 8);  // again
}

TEST(OwnLoop, WaitsForWhatWasSpawned) {
  OwnLoop loop;
  bool is_done = false;
  EXPECT_TRUE(loop.run(start(&loop.scope(), &is_done)).has_value());
  EXPECT_TRUE(is_done);
  bool is_other_done = false;
  loop.scope().spawn(mark(&is_other_done));
  loop.run();
  EXPECT_TRUE(is_other_done);
}

}  // namespace
}  // namespace posthorn::net
