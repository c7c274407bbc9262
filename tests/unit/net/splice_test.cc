// Two streams joined: every byte in both directions, a half close that leaves the other direction
// its time, a slow reader that holds the writer back instead of filling memory, and an end when
// either side is gone.
#include "net/splice.h"

#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

class SpliceTest : public ::testing::Test {
 protected:
  SpliceTest() : left_(make_pair(loop_, 4096)), right_(make_pair(loop_, 4096)), spliced_(*left_.b) {
    loop_.scope().spawn(join(loop_.scope(), std::move(left_.b), std::move(right_.a), &ended_));
  }
  ~SpliceTest() override {
    left_.a.reset();
    right_.b.reset();
    loop_.until([this] { return ended_.has_value(); });
  }
  static Awaitable<void> join(Scope& scope, StreamPtr client, StreamPtr server,
                              std::optional<Side>* ended) {
    *ended = co_await splice(scope, *client, *server);
  }
  Stream& left() { return *left_.a; }
  Stream& right() { return *right_.b; }

  test::TestLoop loop_;
  std::optional<Side> ended_;  // it is over
  StreamPair left_, right_;
  Stream& spliced_;  // left's peer
};

TEST_F(SpliceTest, BothDirections) {
  const std::string there = pattern(1'500'000);
  const std::string back = pattern(1'000'003);
  std::optional<Result<std::string>> at_left, at_right;
  std::optional<Result<>> from_left, from_right;
  start(loop_, left().write(there, soon(20s)), from_left);
  start(loop_, right().write(back, soon(20s)), from_right);
  start(loop_, read_exactly(left(), back.size(), soon(20s)), at_left);
  start(loop_, read_exactly(right(), there.size(), soon(20s)), at_right);
  loop_.until([&] { return at_left && at_right && from_left && from_right; });
  EXPECT_TRUE(at_left->value() == back);
  EXPECT_TRUE(at_right->value() == there);
  EXPECT_FALSE(ended_);
}

// A stop interrupts who waits for a command; what is spliced by then goes on until it ends by
// itself.
TEST_F(SpliceTest, AnInterruptEndsNothing) {
  for (const std::string text : {"RETR 1\r\n", "QUIT\r\n"}) {
    spliced_.interrupt();
    loop_.idle(20ms);
    ASSERT_TRUE(loop_.run(left().write(text, soon(1s))));
    EXPECT_EQ(loop_.run(read_exactly(right(), text.size(), soon(1s))).value_or("lost"), text);
  }
}

// A client that has said all and waits for the answer, which takes its time.
TEST_F(SpliceTest, HalfClose) {
  ASSERT_TRUE(loop_.run(left().write("the question", soon(1s))));
  ASSERT_TRUE(loop_.run(left().shut_down(soon(1s))));
  EXPECT_EQ(loop_.run(read_to_end(right(), soon(2s))).value(), "the question");
  loop_.idle(400ms);
  EXPECT_FALSE(ended_);
  const std::string answer = pattern(500'000);
  std::optional<Result<>> written;
  std::optional<Result<std::string>> read;
  start(loop_, right().write(answer, soon(10s)), written);
  start(loop_, read_exactly(left(), answer.size(), soon(10s)), read);
  loop_.until([&] { return written && read; });
  ASSERT_TRUE(*read) << read->error().what;
  EXPECT_TRUE(read->value() == answer);
  right_.b.reset();
  loop_.until([this] { return ended_.has_value(); });
}

// A client that keeps its connection when the server has ended, and looks at it only when it needs
// it next, holds up neither the end nor a stop; what it says then goes nowhere.
TEST_F(SpliceTest, TheServerEndsAndTheClientStays) {
  ASSERT_TRUE(loop_.run(right().write("* BYE\r\n", soon(1s))));
  right_.b.reset();
  loop_.until([this] { return ended_.has_value(); });
  EXPECT_EQ(ended_, Side::server);
  EXPECT_EQ(loop_.run(read_to_end(left(), soon(2s))).value(), "* BYE\r\n");
}

TEST_F(SpliceTest, WhoEndedFirst) {
  ASSERT_TRUE(loop_.run(left().shut_down(soon(1s))));
  EXPECT_EQ(loop_.run(read_to_end(right(), soon(2s))).value(), "");
  right_.b.reset();
  loop_.until([this] { return ended_.has_value(); });
  EXPECT_EQ(ended_, Side::client);
}

TEST_F(SpliceTest, EitherEnd) {
  ASSERT_TRUE(loop_.run(right().write("* BYE\r\n", soon(1s))));
  right_.b.reset();
  EXPECT_EQ(loop_.run(read_to_end(left(), soon(2s))).value(), "* BYE\r\n");
  left_.a.reset();
  loop_.until([this] { return ended_.has_value(); });
}

Task<std::size_t> write_until_full(Stream& stream) {
  const std::string piece(4096, 'p');
  std::size_t total = 0;
  while (co_await stream.write(piece, soon(150ms))) total += piece.size();
  co_return total;
}

// Nobody reads at the right: the left is held back after the buffers between, and nothing is lost.
TEST_F(SpliceTest, ASlowReaderHoldsTheWriterBack) {
  const std::size_t taken = loop_.run(write_until_full(left())).value();
  EXPECT_LT(taken, 256U << 10U);
  const auto read = loop_.run(read_exactly(right(), taken, soon(5s)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->find_first_not_of('p'), std::string::npos);
  // The other direction is not held up by it.
  (void)loop_.run(write_until_full(left()));
  ASSERT_TRUE(loop_.run(right().write("tagged OK\r\n", soon(1s))));
  EXPECT_EQ(loop_.run(read_exactly(left(), 11, soon(1s))).value(), "tagged OK\r\n");
}

TEST_F(SpliceTest, BothGoWhileBytesAreOnTheirWay) {
  (void)loop_.run(write_until_full(left()));
  (void)loop_.run(write_until_full(right()));
  left_.a.reset();
  right_.b.reset();
  loop_.until([this] { return ended_.has_value(); });
}

// A session that idles all day lies in here: nothing waits for it but its two directions.
TEST_F(SpliceTest, ACoroutineADirection) {
  loop_.idle(20ms);
  EXPECT_EQ(loop_.scope().running(), 2U);
}

}  // namespace
}  // namespace posthorn::net
