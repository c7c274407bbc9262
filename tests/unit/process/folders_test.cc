// Proves whose the server's folders become and with which mode, and that what an administrator made
// stays as he made it.
#include "process/folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/sandbox.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

struct FoldersTest : testing::Test {
  FoldersTest() {
    config.paths.run = folder.path() / "var/run";
    config.paths.spool = folder.path() / "var/spool";
    config.paths.mail = folder.path() / "var/mail";
    config.paths.state = folder.path() / "var/state";
    config.dkim.folder = folder.path() / "dkim";
    config.web.webroot = folder.path() / "var/webroot";
    config.users = {.edge = "nobody",
                    .lookup = "nobody",
                    .queue = "nobody",
                    .store = "nobody",
                    .web = "nobody",
                    .tls_group = "no-such-group"};
  }
  static unsigned mode_of(const Path& path) {
    struct stat st{};
    return ::stat(path.c_str(), &st) == 0 ? st.st_mode & 07777U : 0;
  }
  static unsigned owner_of(const Path& path) {
    struct stat st{};
    return ::stat(path.c_str(), &st) == 0 ? st.st_uid : ~0U;
  }

  test::TempFolder folder;
  config::Config config;
};

TEST_F(FoldersTest, AreMadeOnceAndFoundAgain) {
  for (int start = 0; start < 2; ++start) {
    const auto made = prepare_folders(config);
    ASSERT_TRUE(made) << made.error().what;
    for (const Path& path :
         {config.paths.run, config.paths.spool, config.paths.mail, config.paths.state / "lookup",
          config.paths.state / "store", config.dkim.folder, config.web.webroot})
      EXPECT_TRUE(std::filesystem::is_directory(path)) << path;
    EXPECT_EQ(mode_of(config.paths.run), 0711U);
    EXPECT_EQ(mode_of(config.dkim.folder), 0750U);
  }
}

TEST_F(FoldersTest, EachIsItsRolesAndNobodyElseReadsIt) {
  if (!may_change_account()) GTEST_SKIP() << "roles get accounts of their own from root alone";
  const auto nobody = find_account("nobody");
  ASSERT_TRUE(nobody);
  ASSERT_TRUE(prepare_folders(config));
  for (const Path& path : {config.paths.spool, config.paths.mail, config.paths.state / "lookup",
                           config.paths.state / "store"}) {
    EXPECT_EQ(mode_of(path), 0700U) << path;
    EXPECT_EQ(owner_of(path), nobody->uid) << path;
  }
  EXPECT_EQ(owner_of(config.paths.run), 0U);
  // Unix users pass through to their own maildirs.
  config.store.unix_users = true;
  ASSERT_TRUE(prepare_folders(config));
  EXPECT_EQ(mode_of(config.paths.mail), 0711U);
}

TEST_F(FoldersTest, OneThatTheRolesGroupSharesStays) {
  if (!may_change_account()) GTEST_SKIP() << "only root gives a folder away";
  const auto nobody = find_account("nobody");
  ASSERT_TRUE(nobody);
  std::filesystem::create_directories(config.paths.mail);
  ASSERT_EQ(::chown(config.paths.mail.c_str(), 0, nobody->gid), 0);
  ASSERT_EQ(::chmod(config.paths.mail.c_str(), 02775), 0);
  ASSERT_TRUE(prepare_folders(config));
  EXPECT_EQ(mode_of(config.paths.mail), 02775U);
  EXPECT_EQ(owner_of(config.paths.mail), 0U);
}

// A supervisor without the right to give files away starts with a folder that is as it should be.
TEST_F(FoldersTest, AcmesFolderIsReadByTheTlsGroupAndNotTouchedAgain) {
  if (!may_change_account()) GTEST_SKIP() << "only root gives a folder away";
  const auto group = find_group("daemon");
  ASSERT_TRUE(group && *group);
  config.acme.directory = "letsencrypt";
  config.users.acme = "nobody";
  config.users.tls_group = "daemon";
  config.paths.acme = folder.path() / "tls/acme";
  ASSERT_TRUE(prepare_folders(config));
  struct stat made{};
  ASSERT_EQ(::stat(config.paths.acme.c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777U, 0750U);
  EXPECT_EQ(made.st_gid, **group);
  ASSERT_TRUE(prepare_folders(config));
  struct stat found{};
  ASSERT_EQ(::stat(config.paths.acme.c_str(), &found), 0);
  EXPECT_EQ(found.st_ctim.tv_sec, made.st_ctim.tv_sec);
  EXPECT_EQ(found.st_ctim.tv_nsec, made.st_ctim.tv_nsec);
}

TEST_F(FoldersTest, AKeyFolderThatIsThereStaysAsItIs) {
  std::filesystem::create_directories(config.dkim.folder);
  std::filesystem::permissions(config.dkim.folder, std::filesystem::perms(0700));
  ASSERT_TRUE(prepare_folders(config));
  EXPECT_EQ(mode_of(config.dkim.folder), 0700U);
  EXPECT_EQ(owner_of(config.dkim.folder), ::geteuid());
}

TEST_F(FoldersTest, WithoutAStateItStartsAndSaysSoWithoutASpoolItDoesNot) {
  std::filesystem::create_directories(config.paths.state.parent_path());
  test::write_text(config.paths.state, "a file in the way");
  {
    const test::CapturedLog log;
    EXPECT_TRUE(prepare_folders(config));
    EXPECT_EQ(log.count("event=files.unkept"), 1);
  }
  config.paths.spool = config.paths.state / "spool";  // below a file
  EXPECT_FALSE(prepare_folders(config));
}

}  // namespace
}  // namespace posthorn::process
