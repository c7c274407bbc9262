// The dialer: it connects to the sockets of its list and to nothing else, says what went wrong, and
// serves many who ask at once, each with its own answer.
#include "net/dialer.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <thread>

#include "net/socket.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

class DialerTest : public ::testing::Test {
 protected:
  DialerTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const std::vector<Path> sockets = {folder_.path() / "a", folder_.path() / "b",
                                       folder_.path() / "nobody"};
    far_ = std::thread([fd = ends[1], sockets] { Dialer::serve(File(fd), sockets); });
    dialer_.emplace(loop_.executor(), File(ends[0]), sockets);
  }
  ~DialerTest() override {
    dialer_.reset();
    loop_.idle(1ms);
    far_.join();
  }
  File listen(const std::string& name) {
    auto file = bind_socket(UnixAddress{folder_.path() / name});
    EXPECT_TRUE(file);
    return *std::move(file);
  }
  Result<StreamPtr> dial(const std::string& name) {
    return loop_.run(connect(loop_.executor(), UnixAddress{folder_.path() / name}, soon(5s)));
  }

  test::TestLoop loop_;
  const test::TempFolder folder_;
  std::thread far_;
  std::optional<Dialer> dialer_;
};

TEST_F(DialerTest, ConnectsToItsOwnSockets) {
  const File a = listen("a"), b = listen("b"), other = listen("other");
  for (const std::string name : {"a", "b"}) {
    const auto stream = dial(name);
    ASSERT_TRUE(stream) << stream.error().what;
    const File taken(::accept4((name == "a" ? a : b).fd(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(taken.is_open());
    ASSERT_TRUE(loop_.run((*stream)->write(name, soon(1s))));
    char byte = 0;
    EXPECT_EQ(::recv(taken.fd(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, name.front());
  }
  const auto refused = dial("other");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::permanent);
  EXPECT_NE(refused.error().what.find("no socket of this role"), std::string::npos);
  EXPECT_LT(::accept4(other.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), 0);
  const auto nobody = dial("nobody");
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().what.find("No such file"), std::string::npos) << nobody.error().what;
}

TEST_F(DialerTest, ManyAtOnce) {
  const File a = listen("a"), b = listen("b");
  int done = 0, good = 0;
  struct Caller {
    static Awaitable<void> call(Executor executor, Path path, int* all, int* connected) {
      const auto stream = co_await connect(executor, UnixAddress{path}, soon(20s));
      if (stream) ++*connected;
      ++*all;
    }
  };
  constexpr int kCalls = 500;
  for (int i = 0; i < kCalls; ++i)
    loop_.scope().spawn(Caller::call(loop_.executor(),
                                     folder_.path() / (i % 3 == 0   ? "a"
                                                       : i % 3 == 1 ? "b"
                                                                    : "nobody"),
                                     &done, &good));
  loop_.until([&] { return done == kCalls; });
  EXPECT_EQ(good, 2 * kCalls / 3 + 1);
}

}  // namespace
}  // namespace posthorn::net
