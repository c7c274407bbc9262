// Proves that a service manager is told what it asked for, over a path and over a name without one,
// that it never holds up who tells, and how often it wants a sign of life.
#include "process/service_manager.h"

#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

class ServiceManagerTest : public testing::Test {
 protected:
  ~ServiceManagerTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
  // "@name": an abstract one.
  static File listen(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    File socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())),
              0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    return socket;
  }
  static std::string read(const File& socket) {
    std::array<char, 256> text{};
    const ssize_t n = ::recv(socket.fd(), text.data(), text.size(), 0);
    return n < 0 ? "(nothing)" : std::string(text.data(), static_cast<std::size_t>(n));
  }
  test::TempFolder folder_;
};

TEST_F(ServiceManagerTest, ADatagramArrivesAtAPathAndAtANameWithoutOne) {
  for (const std::string& name :
       {(folder_.path() / "notify").native(), "@posthorn-test-" + std::to_string(::getpid())}) {
    const File socket = listen(name);
    notify_systemd("READY=1\nSTATUS=5 roles");
    EXPECT_EQ(read(socket), "READY=1\nSTATUS=5 roles") << name;
    EXPECT_EQ(read(socket), "(nothing)");
  }
}

TEST_F(ServiceManagerTest, WithoutOneNothingIsSaid) {
  const File socket = listen((folder_.path() / "notify").native());
  ::unsetenv("NOTIFY_SOCKET");
  notify_systemd("READY=1");
  for (const std::string& name : {std::string(), std::string(200, 'x'), std::string("/no/such")}) {
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    notify_systemd("READY=1");
  }
  EXPECT_EQ(read(socket), "(nothing)");
}

TEST_F(ServiceManagerTest, ASignOfLifeDoesNotWaitForAManagerThatDoesNotRead) {
  const File socket = listen((folder_.path() / "notify").native());
  for (int i = 0; i < 5000; ++i) notify_systemd("WATCHDOG=1");  // more than fit
  EXPECT_EQ(read(socket), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, TheWatchdogIsAnsweredTwiceAsOftenAsItAsks) {
  const std::string own = std::to_string(::getpid()), other = std::to_string(::getpid() + 1);
  struct Row {
    const char* time;
    std::string pid;  // empty: not set
    std::optional<std::chrono::milliseconds> wanted;
  };
  const Row rows[] = {{"30000000", own, 15s},
                      {"30000000", "", 15s},
                      {"30000000", other, {}},
                      {"0", own, {}},
                      {"-5", own, {}},
                      {"soon", own, {}},
                      {"3000", own, std::chrono::milliseconds(1)}};
  for (const Row& row : rows) {
    ::setenv("WATCHDOG_USEC", row.time, 1);
    row.pid.empty() ? ::unsetenv("WATCHDOG_PID") : ::setenv("WATCHDOG_PID", row.pid.c_str(), 1);
    EXPECT_EQ(take_watchdog(), row.wanted) << row.time << " " << row.pid;
    if (row.wanted) EXPECT_EQ(take_watchdog(), std::nullopt) << "it is taken once";
  }
}

}  // namespace
}  // namespace posthorn::process
