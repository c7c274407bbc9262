// Listeners: over a limit the peer is told so in the protocol's words, one address cannot take all
// the places, and without descriptors the listener waits without turning in circles and goes on by
// itself.
#include "net/listener.h"

#include <ctime>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

const std::string kRefusal = "421 4.7.0 Too many connections\r\n";

Awaitable<void> greet(StreamPtr stream, int* sessions, int* total) {
  ++*total;
  ++*sessions;
  (void)co_await stream->write("220 hello\r\n", soon(1s));
  char byte = 0;
  (void)co_await stream->read_some(std::span(&byte, 1), soon(30s));
  --*sessions;
}

class ListenerTest : public ::testing::Test {
 protected:
  void listen(ConnectionLimits::Options options,
              const Address& address = TcpAddress{"127.0.0.1", 0}) {
    limits_.emplace(options);
    auto file = bind_socket(address);
    ASSERT_TRUE(file) << file.error().what;
    listener_.emplace(
        loop_.scope(), *std::move(file),
        Listener::Options{.name = "test", .refusal = kRefusal, .limits = &*limits_},
        [this](StreamPtr stream) { return greet(std::move(stream), &sessions_, &total_); });
  }
  void TearDown() override {
    kept_.clear();
    if (listener_) listener_->stop();
    loop_.until([this] { return loop_.scope().running() == 0; });
  }
  // A connection from this source; what it is greeted with.
  std::string dial(const std::string& source = {}) {
    auto stream = loop_.run(
        connect(loop_.executor(), TcpAddress{"127.0.0.1", listener_->port()}, soon(2s), source));
    if (!stream) return stream.error().what;
    const auto said = loop_.run(read_once(**stream, 100, soon(2s)));
    if (said && said->starts_with("220"))
      kept_.push_back(*std::move(stream));
    else
      EXPECT_FALSE(loop_.run(read_once(**stream, 100, soon(2s))));  // and closed
    return said ? *said : said.error().what;
  }

  test::TestLoop loop_;
  std::optional<ConnectionLimits> limits_;
  std::optional<Listener> listener_;
  std::vector<StreamPtr> kept_;
  int sessions_ = 0;
  int total_ = 0;
};

TEST_F(ListenerTest, SoManyInAll) {
  listen({.connections_max = 3, .per_address_max = 100});
  listener_->start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dial(), "220 hello\r\n");
  EXPECT_EQ(dial(), kRefusal);
  EXPECT_EQ(dial("127.0.0.9"), kRefusal);
  EXPECT_EQ(limits_->connections(), 3U);
  kept_.pop_back();
  loop_.until([this] { return sessions_ == 2; });
  EXPECT_EQ(dial(), "220 hello\r\n");
}

TEST_F(ListenerTest, SoManyFromOneAddress) {
  listen({.connections_max = 100, .per_address_max = 2, .loopback_exempt = false});
  listener_->start();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(dial("127.0.0.2"), "220 hello\r\n");
  EXPECT_EQ(dial("127.0.0.2"), kRefusal);
  EXPECT_EQ(dial("127.0.0.3"), "220 hello\r\n");
  kept_.erase(kept_.begin());
  loop_.until([this] { return sessions_ == 2; });
  EXPECT_EQ(dial("127.0.0.2"), "220 hello\r\n");
  EXPECT_EQ(dial("127.0.0.2"), kRefusal);
}

TEST_F(ListenerTest, ExemptAddresses) {
  listen({.connections_max = 8,
          .per_address_max = 1,
          .loopback_exempt = false,
          .exempt = [](const std::string& address) { return address == "127.0.0.7"; }});
  listener_->start();
  EXPECT_EQ(dial("127.0.0.2"), "220 hello\r\n");
  EXPECT_EQ(dial("127.0.0.2"), kRefusal);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(dial("127.0.0.7"), "220 hello\r\n");
  EXPECT_EQ(dial("127.0.0.7"), kRefusal);  // the bound on all of them holds
}

// A peer that is gone before it is accepted starts no session and keeps no place.
TEST_F(ListenerTest, GoneBeforeItIsAccepted) {
  listen({.connections_max = 100, .per_address_max = 2, .loopback_exempt = false});
  for (int i = 0; i < 5; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd);
  }
  listener_->start();
  loop_.idle(30ms);
  EXPECT_EQ(total_, 0);
  EXPECT_EQ(limits_->connections(), 0U);
  EXPECT_EQ(dial(), "220 hello\r\n");
}

TEST_F(ListenerTest, StopLeavesTheSessions) {
  listen({});
  listener_->start();
  EXPECT_EQ(dial(), "220 hello\r\n");
  listener_->stop();
  listener_->stop();
  loop_.until([this] { return loop_.scope().running() == 1; });
  EXPECT_EQ(sessions_, 1);
}

TEST_F(ListenerTest, UnixSockets) {
  const test::TempFolder folder;
  listen({.per_address_max = 1}, UnixAddress{folder.path() / "s"});
  listener_->start();
  EXPECT_EQ(listener_->port(), 0);
  for (int i = 0; i < 3; ++i) {
    auto stream = loop_.run(connect(loop_.executor(), UnixAddress{folder.path() / "s"}, soon(2s)));
    ASSERT_TRUE(stream);
    EXPECT_EQ(loop_.run(read_once(**stream, 100, soon(2s))).value(), "220 hello\r\n");
    kept_.push_back(*std::move(stream));
  }
}

std::chrono::nanoseconds cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

TEST_F(ListenerTest, OutOfDescriptors) {
  listen({});
  listener_->start();
  // The callers first, as they need descriptors of this very process.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dial(), "220 hello\r\n");
  std::vector<File> waiting;
  for (int i = 0; i < 4; ++i)
    waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listener_->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const File& file : waiting)
    (void)::connect(file.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  const auto begin = cpu_time();
  loop_.idle(150ms);
  const auto used = cpu_time() - begin;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(used, 120ms);  // it sleeps between its tries
  EXPECT_EQ(sessions_, 3);
  // The first were told to come back; the others are served once there is room again.
  loop_.until([this] { return sessions_ > 3; });
  std::array<char, 100> text{};
  const auto n = ::recv(waiting[0].fd(), text.data(), text.size(), MSG_DONTWAIT);
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string(text.data(), static_cast<std::size_t>(n)), kRefusal);
  EXPECT_EQ(dial(), "220 hello\r\n");
}

}  // namespace
}  // namespace posthorn::net
