// Proves that a file is looked at with the eyes of the role that will read it, and that the remedy
// opens just what is closed on the way to it.
#include "process/eyes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "process/sockets.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/process/roots_folder.h"

namespace posthorn::process {
namespace {

using std::filesystem::perms;

struct EyesTest : testing::Test {
  EyesTest() {
    if (!roots.is_there()) return;
    std::filesystem::permissions(roots.path(), perms(0755));
    std::filesystem::create_directories(roots.path() / "tls/live");
    key = roots.path() / "tls/live/key.pem";
    test::write_text(key, "key");
    set(0755, 0755, 0644);
  }
  void SetUp() override {
    if (!roots.is_there()) GTEST_SKIP() << "only root looks with the eyes of others";
  }
  void set(unsigned outer, unsigned inner, unsigned file) const {
    std::filesystem::permissions(roots.path() / "tls", perms(outer));
    std::filesystem::permissions(roots.path() / "tls/live", perms(inner));
    std::filesystem::permissions(key, perms(file));
  }
  std::string open_it() const { return how_to_open({key}, "nobody", roots.group()); }

  RootsFolder roots;
  Path key;
};

TEST_F(EyesTest, TheCommandsOpenWhatIsClosedAndNoMore) {
  const std::string& group = roots.group();
  const std::string tls = (roots.path() / "tls").native();
  struct Row {
    unsigned outer, inner, file;
    std::string commands;
  };
  const Row rows[] = {
      {0755, 0755, 0644, ""},
      {0711, 0711, 0604, ""},
      {0755, 0755, 0600, fmt::format("chgrp {0} {1} && chmod g+r {1}", group, key.native())},
      {0700, 0755, 0644, fmt::format("chgrp {0} {1} && chmod g+x {1}", group, tls)},
      {0755, 0700, 0600,
       fmt::format("chgrp {0} {1}/live {2} && chmod g+x {1}/live && chmod g+r {2}", group, tls,
                   key.native())},
  };
  for (const Row& row : rows) {
    set(row.outer, row.inner, row.file);
    EXPECT_EQ(open_it(), row.commands) << fmt::format("{:o} {:o}", row.outer, row.file);
  }
}

TEST_F(EyesTest, TheCommandsDoWhatTheySay) {
  set(0700, 0700, 0600);
  const std::string commands = open_it();
  ASSERT_FALSE(commands.empty());
  ASSERT_EQ(std::system(commands.c_str()), 0) << commands;
  EXPECT_EQ(open_it(), "");
}

TEST_F(EyesTest, ALinkIsFollowedToWhatIsClosed) {
  set(0755, 0755, 0600);
  const Path link = roots.path() / "link.pem";
  std::filesystem::create_symlink("tls/live/key.pem", link);
  EXPECT_EQ(how_to_open({link}, "nobody", roots.group()), open_it());
}

TEST_F(EyesTest, AnAccountThatIsNoneNeedsNoCommands) {
  set(0700, 0700, 0600);
  EXPECT_EQ(how_to_open({key}, "no-such-account", roots.group()), "");
}

TEST_F(EyesTest, ARoleLooksAsItsAccount) {
  config::Config config;
  config.users.lookup = "nobody";
  const auto look = [this]() -> config::Findings {
    const File file(::open(key.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.is_open()) return {{"as", std::to_string(::geteuid())}};
    return {{key.native() + ":1", "Permission denied"}};
  };
  config::Findings findings = look_as(config, RoleKind::lookup, look);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].reason, std::to_string(find_account("nobody")->uid));
  set(0755, 0755, 0600);
  findings = look_as(config, RoleKind::lookup, look);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].where, key.native() + ":1");
  EXPECT_NE(findings[0].remedy.find("nobody cannot read it"), std::string::npos);
  EXPECT_NE(findings[0].remedy.find("chmod g+r " + key.native()), std::string::npos);
  EXPECT_EQ(::geteuid(), 0U);  // the caller is who he was
}

TEST_F(EyesTest, WhatTheRoleFindsComesBackWhole) {
  config::Config config;
  config.users.lookup = "nobody";
  const config::Findings told = {{"a:1", "first", "do this", config::Weight::warning},
                                 {"", "second; with\nlines", "", config::Weight::note},
                                 {"c:3", "third", "do that"}};
  EXPECT_EQ(look_as(config, RoleKind::lookup, [&] { return told; }), told);
  config::Findings died =
      look_as(config, RoleKind::lookup, []() -> config::Findings { ::_exit(3); });
  ASSERT_EQ(died.size(), 1U);
  EXPECT_NE(died[0].reason.find("ended before"), std::string::npos);
}

TEST_F(EyesTest, AStrangerOnTheWayIsFound) {
  const auto nobody = find_account("nobody");
  ASSERT_TRUE(nobody);
  EXPECT_EQ(find_stranger_on_the_way(key), std::nullopt);
  const Path outer = roots.path() / "tls";
  // A folder that others may write to, one that is somebody's, a file that is.
  set(0777, 0755, 0644);
  EXPECT_TRUE(find_stranger_on_the_way(key));
  set(0775, 0755, 0644);
  EXPECT_TRUE(find_stranger_on_the_way(key));
  set(0755, 0755, 0644);
  EXPECT_EQ(find_stranger_on_the_way(key), std::nullopt);
  ASSERT_EQ(::chown(outer.c_str(), nobody->uid, nobody->gid), 0);
  const auto found = find_stranger_on_the_way(key);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->starts_with(outer.native() + " ")) << *found;
  ASSERT_EQ(::chown(outer.c_str(), 0, 0), 0);
  ASSERT_EQ(::chown(key.c_str(), nobody->uid, nobody->gid), 0);
  EXPECT_TRUE(find_stranger_on_the_way(key));
  // Over a link of root's to where somebody else rules.
  const test::TempFolder temp;  // /tmp is everybody's
  std::filesystem::create_symlink(temp.write("key.pem", ""), roots.path() / "link.pem");
  EXPECT_TRUE(find_stranger_on_the_way(roots.path() / "link.pem"));
  EXPECT_TRUE(find_stranger_on_the_way(roots.path() / "none.pem"));
}

}  // namespace
}  // namespace posthorn::process
