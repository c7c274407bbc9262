// Proves that keys which root alone can read reach the roles as copies that only their group reads,
// follow the files, and are never taken by a way that somebody else could have laid.
#include "process/key_keeper.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/last_good.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/process/roots_folder.h"

namespace posthorn::process {
namespace {

using std::filesystem::perms;

struct KeyKeeperTest : testing::Test {
  void SetUp() override {
    if (!roots.is_there()) GTEST_SKIP() << "only root hands over what only root can read";
    std::filesystem::permissions(roots.path(), perms(0755));
    std::filesystem::create_directories(roots.path() / "live");
    config.paths.certificate = roots.path() / "live/cert.pem";
    config.paths.key = roots.path() / "live/key.pem";
    config.paths.run = roots.path() / "run";
    config.tls.folder = roots.path() / "names";
    config.users.edge = "nobody";
    config.users.tls_group = roots.group();
    test::write_text(config.paths.certificate, "certificate");
    test::write_text(config.paths.key, "key");
    std::filesystem::permissions(config.paths.key, perms(0600));
    std::filesystem::permissions(roots.path() / "live", perms(0700));  // as certbot's
    ASSERT_TRUE(make_folders(Disk::real(), KeyKeeper::folder_of(config), 0711));
  }
  Path copy_of(const Path& file) const { return KeyKeeper::folder_of(config) / flat_name(file); }
  static struct stat look_at(const Path& path) {
    struct stat st{};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st;
  }

  RootsFolder roots;
  config::Config config;
};

TEST_F(KeyKeeperTest, ACopyIsTheGroupsToReadAndNobodysToChange) {
  KeyKeeper keeper(config);
  keeper.look();
  EXPECT_EQ(test::read_text(copy_of(config.paths.certificate)), "certificate");
  EXPECT_EQ(test::read_text(copy_of(config.paths.key)), "key");
  EXPECT_EQ(test::names_in(KeyKeeper::folder_of(config)).size(), 2U);  // nothing half made
  const struct stat key = look_at(copy_of(config.paths.key));
  EXPECT_EQ(key.st_mode & 07777U, 0640U);
  EXPECT_EQ(key.st_uid, 0U);
  EXPECT_EQ(key.st_gid, find_account("nobody")->gid);
}

TEST_F(KeyKeeperTest, AChangeIsFollowedOnceItStandsStill) {
  KeyKeeper keeper(config);
  keeper.look();
  test::write_text(config.paths.key, "another key");
  keeper.look();
  EXPECT_EQ(test::read_text(copy_of(config.paths.key)), "key");  // somebody may still write it
  keeper.look();
  EXPECT_EQ(test::read_text(copy_of(config.paths.key)), "another key");
  // One that is gone for a moment leaves the copy.
  std::filesystem::remove(config.paths.key);
  keeper.look();
  keeper.look();
  EXPECT_EQ(test::read_text(copy_of(config.paths.key)), "another key");
}

TEST_F(KeyKeeperTest, WhatTheRolesReadThemselvesIsNotCopied) {
  KeyKeeper keeper(config);
  keeper.look();
  std::filesystem::permissions(roots.path() / "live", perms(0755));
  std::filesystem::permissions(config.paths.key, perms(0644));
  test::write_text(config.paths.key, "an open key");
  keeper.look();
  keeper.look();
  EXPECT_FALSE(std::filesystem::exists(copy_of(config.paths.key)));
}

TEST_F(KeyKeeperTest, AStrangersLinkIsRefusedAndToldOnce) {
  const Path secret = roots.path() / "live/secret";
  test::write_text(secret, "root's secret");
  std::filesystem::permissions(secret, perms(0600));
  const Path theirs = roots.path() / "theirs";
  std::filesystem::create_directory(theirs);
  std::filesystem::create_symlink(secret, theirs / "key.pem");
  const auto nobody = find_account("nobody");
  ASSERT_TRUE(nobody);
  ASSERT_EQ(::chown(theirs.c_str(), nobody->uid, nobody->gid), 0);
  config.paths.key = theirs / "key.pem";
  const test::CapturedLog log;
  KeyKeeper keeper(config);
  for (int i = 0; i < 3; ++i) keeper.look();
  EXPECT_FALSE(std::filesystem::exists(copy_of(config.paths.key)));
  EXPECT_EQ(log.count("event=files.warning"), 1);
  EXPECT_EQ(log.count("root's secret"), 0);
  // A link that root made is one to follow.
  ASSERT_EQ(::chown(theirs.c_str(), 0, 0), 0);
  KeyKeeper next(config);
  next.look();
  EXPECT_EQ(test::read_text(copy_of(config.paths.key)), "root's secret");
}

TEST_F(KeyKeeperTest, IntoAFolderThatIsNotRootsNothingIsPut) {
  const auto nobody = find_account("nobody");
  ASSERT_TRUE(nobody);
  const Path folder = KeyKeeper::folder_of(config);
  ASSERT_EQ(::chown(folder.c_str(), nobody->uid, nobody->gid), 0);
  const test::CapturedLog log;
  KeyKeeper keeper(config);
  keeper.look();
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_GE(log.count("is not root's alone"), 1);
}

}  // namespace
}  // namespace posthorn::process
