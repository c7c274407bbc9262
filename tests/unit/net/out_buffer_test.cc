// What waits to be said: when it goes out, and that nothing follows what went in part.
#include "net/out_buffer.h"

#include <gtest/gtest.h>

#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

class OutBufferTest : public ::testing::Test {
 protected:
  // Nothing, where nothing comes.
  std::string heard() { return loop_.run(read_once(*pair_.b, 1'000'000, soon(50ms))).value_or(""); }

  test::TestLoop loop_;
  StreamPair pair_ = make_pair(loop_);
  OutBuffer out_{*pair_.a, Clock::system()};
};

TEST_F(OutBufferTest, LittleWaits) {
  out_.text() += "one\r\n";
  EXPECT_TRUE(loop_.run(out_.flush_if_large()));
  EXPECT_EQ(heard(), "");
  out_.text() += "two\r\n";
  EXPECT_TRUE(loop_.run(out_.flush()));
  EXPECT_EQ(heard(), "one\r\ntwo\r\n");
  EXPECT_TRUE(out_.text().empty());
}

TEST_F(OutBufferTest, MuchDoesNot) {
  out_.text() = std::string(65'536, 'x');
  EXPECT_TRUE(loop_.run(out_.flush_if_large()));
  EXPECT_TRUE(out_.text().empty());
  EXPECT_EQ(loop_.run(read_exactly(*pair_.b, 65'536, soon(1s))), std::string(65'536, 'x'));
}

TEST_F(OutBufferTest, NothingFollowsWhatWasSaidInPart) {
  out_.text() += "* 1 FETCH (BODY[] {10}\r\nabc";
  out_.cut_off();
  out_.text() += "* BYE\r\n";
  const auto flushed = loop_.run(out_.flush());
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().kind, ErrorKind::closed);
  EXPECT_EQ(heard(), "");
}

}  // namespace
}  // namespace posthorn::net
