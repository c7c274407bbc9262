// Streams: every operation ends at its deadline and the stream is still good after it, ends with
// closed when the peer goes or the owner closes it, and gives every byte in order however it comes.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/authority.h"
#include "net/tls.h"
#include "tests/support/fake_server.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

using test::FakeServer;
using test::Wire;

struct Both {
  static Task<> go(Stream& a, Stream& b) {
    CO_TRY_OK(co_await a.write("x", soon(1s)));
    co_return co_await b.write("x", soon(1s));
  }
};

class StreamTest : public ::testing::Test {
 protected:
  test::TestLoop loop_;
};

TEST_F(StreamTest, EveryOperationHasADeadline) {
  const auto client = *TlsClient::make(TlsClient::Verify::none);
  const auto pem = *make_authority({{"a.test"}, {}});
  const test::TempFolder folder;
  const auto server = *TlsServer::load(
      {{folder.write("c", pem.certificate_pem), folder.write_secret("k", pem.key_pem)}});
  const std::string name_of_peer = "a.test";
  const std::string big(8U << 20U, 'x');
  std::string buffer(10, '\0');
  const std::pair<const char*, std::function<Task<>(Stream&, SteadyTime)>> operations[] = {
      {"read",
       [&](Stream& stream, SteadyTime deadline) -> Task<> {
         struct Read {
           static Task<> go(Stream& s, std::span<char> into, SteadyTime end) {
             CO_TRY_OK(co_await s.read_some(into, end));
             co_return Result<>{};
           }
         };
         return Read::go(stream, buffer, deadline);
       }},
      {"wait", [](Stream& stream, SteadyTime end) { return stream.wait_readable(end); }},
      {"write", [&](Stream& stream, SteadyTime end) { return stream.write(big, end); }},
      {"TLS as server",
       [&](Stream& stream, SteadyTime end) { return stream.start_tls(*server, end); }},
      {"TLS as client",
       [&](Stream& stream, SteadyTime end) {
         return stream.start_tls(*client, name_of_peer, end);
       }},
  };
  for (const auto& [name, operation] : operations) {
    for (const auto time : {0ms, 50ms}) {
      SCOPED_TRACE(name);
      StreamPair pair = make_pair(loop_);
      const SteadyTime begin = soon(0ms);
      const auto done = loop_.run(operation(*pair.a, begin + time));
      const auto took = soon(0ms) - begin;
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().kind, ErrorKind::timeout) << done.error().what;
      EXPECT_GE(took, time);
      EXPECT_LT(took, time + 2s);
    }
  }
}

// An event of a closed connection that is under way must not wake the one that came after it: a
// client that has not said a word would be told that it talked before the greeting.
TEST_F(StreamTest, AnEventOfAClosedStreamWakesNoOther) {
  struct Closes {
    static Task<> go(Stream& first, StreamPtr& second, StreamPair& fresh, test::TestLoop& loop) {
      CO_TRY_OK(co_await first.wait_readable(soon(5s)));
      second.reset();
      fresh = make_pair(loop);
      co_return co_await fresh.a->wait_readable(soon(20ms));
    }
  };
  for (int i = 0; i < 20; ++i) {
    StreamPair first = make_pair(loop_), second = make_pair(loop_), fresh;
    std::optional<Result<>> waited;
    start(loop_, Closes::go(*first.a, second.a, fresh, loop_), waited);
    ASSERT_FALSE(loop_.run(second.b->wait_readable(soon(1ms))));  // it waits by now
    // Both become readable before the loop looks: one round of it sees both.
    ASSERT_TRUE(loop_.run(Both::go(*first.b, *second.b)));
    loop_.until([&] { return waited.has_value(); });
    ASSERT_FALSE(*waited);
    EXPECT_EQ(waited->error().kind, ErrorKind::timeout);
  }
}

TEST_F(StreamTest, AfterATimeoutItGoesOn) {
  StreamPair pair = make_pair(loop_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(loop_.run(read_once(*pair.a, 10, soon(10ms))));
    EXPECT_FALSE(loop_.run(pair.a->wait_readable(soon(10ms))));
    ASSERT_TRUE(loop_.run(pair.b->write("hello", soon(1s))));
    EXPECT_TRUE(loop_.run(pair.a->wait_readable(soon(1s))));
    EXPECT_EQ(loop_.run(read_once(*pair.a, 10, soon(1s))).value(), "hello");
  }
}

// What is there is given even when the deadline has passed already: it costs no waiting.
TEST_F(StreamTest, ShortReads) {
  StreamPair pair = make_pair(loop_);
  ASSERT_TRUE(loop_.run(pair.b->write("abcdef", soon(1s))));
  EXPECT_EQ(loop_.run(read_once(*pair.a, 1, soon(1s))).value(), "a");
  EXPECT_EQ(loop_.run(read_once(*pair.a, 3, soon(1s))).value(), "bcd");
  EXPECT_EQ(loop_.run(read_once(*pair.a, 100, soon(1s))).value(), "ef");
  ASSERT_TRUE(loop_.run(pair.b->write("", soon(1s))));
  EXPECT_FALSE(loop_.run(read_once(*pair.a, 1, soon(10ms))));
}

TEST_F(StreamTest, ThePeerGoes) {
  {
    StreamPair pair = make_pair(loop_);
    ASSERT_TRUE(loop_.run(pair.b->write("last", soon(1s))));
    pair.b.reset();
    EXPECT_EQ(loop_.run(read_once(*pair.a, 10, soon(1s))).value(), "last");
    const auto end = loop_.run(read_once(*pair.a, 10, soon(1s)));
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, ErrorKind::closed);
    const auto written = loop_.run(pair.a->write("x", soon(1s)));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().kind, ErrorKind::closed);
  }
  FakeServer server([](Wire& wire, std::size_t) {
    (void)wire.line();
    wire.reset();
  });
  auto stream = loop_.run(connect(loop_.executor(), server.address(), soon(1s)));
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop_.run((*stream)->write("go\n", soon(1s))));
  const auto end = loop_.run(read_once(**stream, 10, soon(2s)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().kind, ErrorKind::closed) << end.error().what;
}

TEST_F(StreamTest, CloseEndsWhatWaits) {
  StreamPair pair = make_pair(loop_);
  std::optional<Result<std::string>> read;
  std::optional<Result<>> written, waited;
  const std::string big(8U << 20U, 'x');
  start(loop_, read_once(*pair.a, 10, SteadyTime::max()), read);
  start(loop_, pair.a->write(big, soon(1min)), written);
  start(loop_, pair.b->wait_readable(SteadyTime::max()), waited);
  loop_.idle(20ms);
  EXPECT_FALSE(read);
  EXPECT_FALSE(written);
  EXPECT_TRUE(waited && *waited);  // of what was written so far
  pair.a->close();
  pair.a->close();
  loop_.until([&] { return read && written; });
  EXPECT_EQ(read->error().kind, ErrorKind::closed);
  EXPECT_EQ(written->error().kind, ErrorKind::closed);
  EXPECT_EQ(loop_.run(read_once(*pair.a, 1, soon(1s))).error().kind, ErrorKind::closed);
  EXPECT_EQ(loop_.run(pair.a->write("x", soon(1s))).error().kind, ErrorKind::closed);
  EXPECT_EQ(loop_.run(pair.a->wait_readable(soon(1s))).error().kind, ErrorKind::closed);
  EXPECT_TRUE(loop_.run(pair.a->shut_down(soon(1s))));
}

// The deadline of one direction is not the other's.
TEST_F(StreamTest, DirectionsAreIndependent) {
  StreamPair pair = make_pair(loop_);
  const std::string big(8U << 20U, 'x');
  std::optional<Result<std::string>> read;
  std::optional<Result<>> written;
  start(loop_, read_once(*pair.a, 10, soon(5s)), read);
  start(loop_, pair.a->write(big, soon(30ms)), written);
  loop_.until([&] { return written.has_value(); });
  EXPECT_EQ(written->error().kind, ErrorKind::timeout);
  loop_.idle(30ms);
  EXPECT_FALSE(read);
  ASSERT_TRUE(loop_.run(pair.b->write("y", soon(1s))));
  loop_.until([&] { return read.has_value(); });
  EXPECT_EQ(read->value(), "y");
}

TEST_F(StreamTest, ManyBytesBothWaysAtOnce) {
  StreamPair pair = make_pair(loop_, 4096);
  const std::string there = pattern(3'000'000);
  const std::string back = pattern(2'000'001);
  std::optional<Result<std::string>> at_a, at_b;
  std::optional<Result<>> from_a, from_b;
  start(loop_, pair.a->write(there, soon(20s)), from_a);
  start(loop_, pair.b->write(back, soon(20s)), from_b);
  start(loop_, read_exactly(*pair.a, back.size(), soon(20s)), at_a);
  start(loop_, read_exactly(*pair.b, there.size(), soon(20s)), at_b);
  loop_.until([&] { return at_a && at_b && from_a && from_b; });
  EXPECT_TRUE(*from_a);
  EXPECT_TRUE(*from_b);
  EXPECT_TRUE(at_a->value() == back);
  EXPECT_TRUE(at_b->value() == there);
}

Awaitable<void> read_forever(Stream& stream, std::size_t& total) {
  std::string buffer(4096, '\0');
  while (const auto n = co_await stream.read_some(buffer, SteadyTime::max())) total += *n;
}

// A peer that always has more to say does not stop the role's other work.
TEST_F(StreamTest, ABusyPeerGivesWay) {
  FakeServer server([](Wire& wire, std::size_t) {
    const std::string more(1U << 20U, 'z');
    while (wire.say(more)) {
    }
  });
  auto stream = *loop_.run(connect(loop_.executor(), server.address(), soon(1s)));
  std::size_t total = 0;
  loop_.scope().spawn(read_forever(*stream, total));
  const SteadyTime begin = soon(0ms);
  for (int i = 0; i < 20; ++i) loop_.wait(sleep(1ms));
  EXPECT_LT(soon(0ms) - begin, 3s);
  EXPECT_GT(total, 0U);
  stream->close();
  loop_.until([this] { return loop_.scope().running() == 0; });
}

TEST_F(StreamTest, Addresses) {
  const StreamPair pair = make_pair(loop_);
  EXPECT_EQ(pair.a->peer().address, "local");
  EXPECT_TRUE(pair.a->peer().is_loopback);
  EXPECT_EQ(pair.a->tls(), nullptr);
  const FakeServer server([](Wire& wire, std::size_t) { wire.stall(); });
  const auto stream = *loop_.run(connect(loop_.executor(), server.address(), soon(1s)));
  EXPECT_EQ(stream->peer().address, "127.0.0.1");
  EXPECT_EQ(stream->peer().port, server.port());
  EXPECT_TRUE(stream->peer().is_loopback);
  EXPECT_EQ(stream->local().address, "127.0.0.1");
}

TEST_F(StreamTest, Connecting) {
  const test::ClosedPort closed;
  const test::SilentPort silent;
  const auto refused =
      loop_.run(connect(loop_.executor(), TcpAddress{"127.0.0.1", closed.port()}, soon(1s)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::temporary);
  const auto late =
      loop_.run(connect(loop_.executor(), TcpAddress{"127.0.0.1", silent.port()}, soon(100ms)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_FALSE(loop_.run(connect(loop_.executor(), UnixAddress{"/nonexistent/s"}, soon(1s))));
  EXPECT_FALSE(loop_.run(connect(loop_.executor(), UnixAddress{std::string(200, 'p')}, soon(1s))));
  EXPECT_FALSE(loop_.run(connect(loop_.executor(), TcpAddress{"localhost", 25}, soon(1s))));
}

// A router forgets a connection on which nothing passes, and a peer may go without a word: the
// kernel asks after minutes, not after its two hours.
TEST_F(StreamTest, SilentPeersAreAskedFor) {
  const File listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listening.fd(), raw, length), 0);
  ASSERT_EQ(::listen(listening.fd(), 1), 0);
  ASSERT_EQ(::getsockname(listening.fd(), raw, &length), 0);
  const File client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.fd(), raw, length), 0);
  const int fd = ::accept(listening.fd(), nullptr, nullptr);
  ASSERT_GE(fd, 0);
  const File same(::dup(fd));
  const auto stream = adopt_socket(loop_.executor(), File(fd));
  ASSERT_TRUE(stream);
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(same.fd(), level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 120);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 30);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 6);
}

TEST(Address, ReadAndWritten) {
  for (const char* good : {"127.0.0.1:25", "[::1]:25", "unix:/run/x.sock", "0.0.0.0:65535"}) {
    const auto address = parse_address(good);
    ASSERT_TRUE(address) << good;
    EXPECT_EQ(to_string(*address), good);
  }
  EXPECT_EQ(to_string(*parse_address("localhost:25")), "127.0.0.1:25");
  for (const char* bad : {"", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                          "127.0.0.1:25x", "::1:25", "[127.0.0.1]:25", "[::1", "unix:", "host:25"})
    EXPECT_FALSE(parse_address(bad)) << bad;
}

TEST(Bind, UnixSocketsStaleAndLive) {
  const test::TempFolder folder;
  const Path path = folder.path() / "s";
  {
    const auto first = bind_socket(UnixAddress{path}, {.mode = 0660});
    ASSERT_TRUE(first);
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0660));
    EXPECT_FALSE(bind_socket(UnixAddress{path}));  // somebody listens
  }
  EXPECT_TRUE(bind_socket(UnixAddress{path}));  // left over
  folder.write("file", "precious");
  EXPECT_FALSE(bind_socket(UnixAddress{folder.path() / "file"}));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "file"));
}

// Lines of every length, cut anywhere, over the buffer's own growth.
TEST_F(StreamTest, LinesFromABuffer) {
  std::string text;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 60; ++i) {
    lines.push_back(std::string(i * 7 % 41, static_cast<char>('a' + i % 26)));
    text += lines.back() + (i % 3 == 0 ? "\n" : "\r\n");
  }
  for (std::size_t piece = 1; piece < 30; ++piece) {
    StreamPair pair = make_pair(loop_);
    ASSERT_TRUE(loop_.run(pair.b->write(text, soon(1s))));
    InBuffer buffer;
    for (const std::string& line : lines) {
      auto taken = buffer.take_line();
      while (!taken) {
        ASSERT_TRUE(loop_.run(buffer.fill(*pair.a, soon(1s), piece)));
        taken = buffer.take_line();
      }
      ASSERT_EQ(*taken, line);
    }
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(buffer.discard(), 0U);
  }
}

}  // namespace
}  // namespace posthorn::net
