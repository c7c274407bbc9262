// What any thread leaves comes out in order and once; beyond the bound the oldest are missing and
// counted; who waits is woken by the first, and by the end.
#include "net/inbox.h"

#include <gmock/gmock.h>
#include <thread>
#include <vector>

#include "tests/support/test_loop.h"

namespace posthorn::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InboxTest : public ::testing::Test {
 protected:
  test::TestLoop loop_;
};

TEST_F(InboxTest, WhatIsLeftComesOutInOrder) {
  Inbox inbox(loop_.executor(), 1000);
  EXPECT_TRUE(inbox.is_empty());
  EXPECT_THAT(inbox.take(100), IsEmpty());
  for (const char* text : {"one", "two", "three"}) inbox.put(text);
  EXPECT_THAT(inbox.take(15), ElementsAre("one", "two"));
  EXPECT_THAT(inbox.take(1), ElementsAre("three"));  // one at least
  EXPECT_THAT(inbox.take(1000), IsEmpty());
  EXPECT_EQ(inbox.take_dropped(), 0U);
}

TEST_F(InboxTest, BeyondTheBoundTheOldestGo) {
  Inbox inbox(loop_.executor(), 10);
  for (int i = 0; i < 9; ++i) inbox.put(std::string(4, static_cast<char>('a' + i)));
  EXPECT_EQ(inbox.take_dropped(), 7U);
  EXPECT_EQ(inbox.take_dropped(), 0U);
  EXPECT_THAT(inbox.take(100), ElementsAre("hhhh", "iiii"));
}

TEST_F(InboxTest, WhoWaitsIsWoken) {
  Inbox inbox(loop_.executor(), 1 << 20);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) inbox.put("x");
    });
  std::size_t taken = 0;
  while (taken < 4000) {
    loop_.wait(inbox.wait());
    taken += inbox.take(500).size();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 4000U);
  std::thread later([&] {
    std::this_thread::sleep_for(20ms);
    inbox.put("late");
  });
  loop_.wait(inbox.wait());
  later.join();
  EXPECT_THAT(inbox.take(100), SizeIs(1));
  inbox.end();
  loop_.wait(inbox.wait());
  loop_.wait(inbox.pause(10min));
}

}  // namespace
}  // namespace posthorn::net
