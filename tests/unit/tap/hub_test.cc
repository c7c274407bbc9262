// Proves that a connection costs next to nothing more for being one that could be watched.
#include "tap/hub.h"

#include <gtest/gtest.h>

#include "tests/support/allocated.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test_loop.h"

namespace posthorn::tap {
namespace {

net::StreamPtr make_stream(test::TestLoop& loop) {
  return std::make_unique<test::MemoryStream>(std::make_shared<test::MemoryWire>(loop.executor()));
}

TEST(Hub, AnUnwatchedConnectionHoldsNoDialog) {
  if (!test::kCountsMemory) GTEST_SKIP() << "nobody counts";
  constexpr std::size_t kCount = 100;
  test::TestLoop loop;
  Hub hub(loop.scope());
  std::vector<net::StreamPtr> streams(kCount);
  for (auto& stream : streams) stream = make_stream(loop);
  const std::size_t before = test::allocated();
  for (auto& stream : streams) {
    stream = hub.wrap(std::move(stream), Protocol::imap, "imaps");
    stream->identify("7K2QD4MX", "alice@example.org");
    EXPECT_TRUE(loop.run(stream->write("* OK\r\n", test::soon(1s))));
  }
  std::size_t written = kCount * 32;  // what the other end of the wire holds, and a little
  EXPECT_LT(test::allocated() - before, kCount * sizeof(Dialog) + written);
}

}  // namespace
}  // namespace posthorn::tap
