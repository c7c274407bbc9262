// Lines with a bound and a deadline, and the last word of a session that cannot go on.
#include "net/line_input.h"

#include <gtest/gtest.h>

#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

class LineInputTest : public ::testing::Test {
 protected:
  static Awaitable<void> say(std::string* said, LineInput::LastWord word) {
    *said += word == LineInput::LastWord::stopping ? "stopping" : "too long";
    co_return;
  }
  static Task<> flush(int* flushed) {
    ++*flushed;
    co_return Result<>{};
  }
  static Awaitable<void> stop(Scope* scope) { co_await scope->shut_down(1s); }

  Result<std::string> line(std::chrono::milliseconds within = 1s) {
    return loop_.run(in_.read_line(soon(within)));
  }
  void send(std::string_view bytes) { EXPECT_TRUE(loop_.run(pair_.b->write(bytes, soon(1s)))); }

  test::TestLoop loop_;
  Scope sessions_{loop_.executor(), Clock::system()};
  StreamPair pair_ = make_pair(loop_);
  std::string said_;
  int flushed_ = 0;
  LineInput in_{sessions_,
                *pair_.a,
                {.line_max = 8,
                 .piece_max = 3,
                 .say = [this](LineInput::LastWord word) { return say(&said_, word); },
                 .before_wait = [this] { return flush(&flushed_); }}};
};

TEST_F(LineInputTest, GivesLinesAndBytes) {
  send("one\r\ntwo\n12345678\r\nabcdefghij\n");
  EXPECT_EQ(line(), "one");
  EXPECT_EQ(line(), "two");
  EXPECT_EQ(line(), "12345678");
  EXPECT_EQ(loop_.run(in_.read_bytes(10, soon(1s))), "abcdefghij");
  EXPECT_EQ(line(), "");
  EXPECT_TRUE(in_.buffer().empty());
  EXPECT_EQ(said_, "");
}

TEST_F(LineInputTest, FlushesOnlyWhereItWaits) {
  send("a\nb");
  EXPECT_EQ(line(), "a");
  const int before = flushed_;
  EXPECT_GT(before, 0);
  send("\n");
  EXPECT_EQ(line(), "b");
  EXPECT_EQ(flushed_, before + 1);
}

class LineTooLong : public LineInputTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(LineTooLong, EndsIt) {
  send(GetParam());
  const auto ended = line();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::protocol);
  EXPECT_EQ(said_, "too long");
}

INSTANTIATE_TEST_SUITE_P(WholeOrNot, LineTooLong,
                         ::testing::Values("123456789\n", "123456789\r\n", "123456789abcdef"));

TEST_F(LineInputTest, ADeadlineEndsItWithoutAWord) {
  send("half");
  const auto ended = line(50ms);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::timeout);
  EXPECT_EQ(said_, "");
}

TEST_F(LineInputTest, WhoIdlesIsToldOfTheStop) {
  loop_.scope().spawn(stop(&sessions_));
  const auto ended = line();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::closed);
  EXPECT_TRUE(in_.is_stopping());
  EXPECT_EQ(said_, "stopping");
}

// Some other interruption: nobody stops.
TEST_F(LineInputTest, WaitsOnAfterAnInterruption) {
  pair_.a->interrupt();
  send("x\n");
  EXPECT_EQ(line(), "x");
}

}  // namespace
}  // namespace posthorn::net
