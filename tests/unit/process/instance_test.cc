// Proves that one server holds a folder of sockets, that a second one is refused, and that who asks
// is told the truth: what a dead one left behind is no instance.
#include "process/instance.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

using std::filesystem::perms;

struct InstanceTest : testing::Test {
  InstanceTest() { config.paths.run = folder.path(); }
  perms mode_of(const char* name) const {
    return std::filesystem::status(folder.path() / name).permissions();
  }
  std::string found() const {
    const auto pid = find_instance(config);
    if (!pid) return "error " + std::string(to_string(pid.error().kind));
    return *pid ? std::to_string(**pid) : "none";
  }

  test::TempFolder folder;
  config::Config config;
  const std::string own_pid = std::to_string(::getpid());
};

TEST_F(InstanceTest, IsThereAsLongAsItsLock) {
  EXPECT_EQ(found(), "none");
  {
    const auto lock = take_instance_lock(config);
    ASSERT_TRUE(lock);
    EXPECT_EQ(found(), own_pid);
    EXPECT_EQ(test::read_text(folder.path() / "posthorn.pid"), own_pid + "\n");
  }
  EXPECT_EQ(found(), "none");  // though the files are still there
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "posthorn.lock"));
}

TEST_F(InstanceTest, ASecondOneIsRefusedAndTheFirstGoesOn) {
  const auto lock = take_instance_lock(config);
  ASSERT_TRUE(lock);
  for (int i = 0; i < 2; ++i) {
    const auto second = take_instance_lock(config);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::config);
    EXPECT_NE(second.error().what.find("another instance"), std::string::npos);
  }
  EXPECT_EQ(found(), own_pid);
  // On another folder it is another server.
  const test::TempFolder elsewhere;
  config.paths.run = elsewhere.path();
  EXPECT_TRUE(take_instance_lock(config));
}

TEST_F(InstanceTest, NobodyElseMayOpenTheLockWhateverItWasBefore) {
  std::filesystem::permissions(folder.write("posthorn.lock", "4711 and more\n"), perms(0666));
  EXPECT_EQ(found(), "none");  // a pid without a lock
  const auto lock = take_instance_lock(config);
  ASSERT_TRUE(lock);
  EXPECT_EQ(mode_of("posthorn.lock"), perms(0600));
  EXPECT_EQ(mode_of("posthorn.pid"), perms(0644));
  EXPECT_EQ(found(), own_pid);
}

TEST_F(InstanceTest, ALockWithoutAPidCannotBeUnderstood) {
  const auto lock = take_instance_lock(config);
  ASSERT_TRUE(lock);
  for (const char* garbage : {"", "none\n", "-7\n"}) {
    ASSERT_EQ(::ftruncate(lock->fd(), 0), 0);
    ASSERT_GE(::pwrite(lock->fd(), garbage, std::string_view(garbage).size(), 0), 0);
    EXPECT_EQ(found(), "error temporary") << garbage;
  }
}

TEST_F(InstanceTest, ALinkIsNotFollowed) {
  const Path other = folder.write("other", "precious");
  std::filesystem::create_symlink(other, folder.path() / "posthorn.lock");
  EXPECT_FALSE(take_instance_lock(config));
  EXPECT_EQ(test::read_text(other), "precious");
}

}  // namespace
}  // namespace posthorn::process
