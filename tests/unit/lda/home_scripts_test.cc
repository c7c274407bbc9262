// Proves which of a home's scripts is the active one, and that nothing outside of it is ever read.
#include "lda/home_scripts.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::lda {
namespace {

struct HomeScriptsTest : testing::Test {
  HomeScriptsTest() {
    config.paths.mail = folder.path() / "mail";
    std::filesystem::create_directories(home / "sieve");
    test::write_text(home / "sieve/rules.sieve", "keep;\n");
  }
  void link(const std::string& target) const {
    std::filesystem::remove(home / ".dovecot.sieve");
    std::filesystem::create_symlink(target, home / ".dovecot.sieve");
  }
  std::string active(const std::string& stamp = "") {
    const auto found = scripts.find_active("bob@example.org", stamp);
    EXPECT_TRUE(found) << found.error().what;
    if (!found || !*found) return "none";
    last_stamp = (*found)->stamp;
    return (*found)->name + ": " + (*found)->text;
  }
  test::TempFolder folder;
  config::Config config;
  Path home = folder.path() / "mail/example.org/bob";
  HomeScripts scripts{config};
  std::string last_stamp;
};

TEST_F(HomeScriptsTest, TheLinkNamesTheActiveOne) {
  EXPECT_EQ(active(), "none");
  link("sieve/rules.sieve");
  EXPECT_EQ(active(), "rules: keep;\n");
  EXPECT_EQ(active(last_stamp), "rules: ");
  const std::string before = last_stamp;
  test::write_text(home / "sieve/rules.sieve", "discard;\n");
  EXPECT_EQ(active(before), "rules: discard;\n");
}

TEST_F(HomeScriptsTest, OfWhatItSaysOnlyTheLastNameCounts) {
  test::write_text(folder.path() / "rules.sieve", "discard;\n");
  test::write_text(folder.path() / "other.sieve", "discard;\n");
  link("/var/mail/example.org/bob/home/sieve/rules.sieve");
  EXPECT_EQ(active(), "rules: keep;\n");
  link("../../../other.sieve");
  EXPECT_EQ(active(), "none");
  link("/etc/passwd");
  EXPECT_EQ(active(), "none");
  // Nor is a script a link to elsewhere.
  std::filesystem::create_symlink(folder.path() / "other.sieve", home / "sieve/way.sieve");
  link("sieve/way.sieve");
  EXPECT_EQ(active(), "none");
  EXPECT_FALSE(*scripts.find_text("bob@example.org", "way"));
  EXPECT_FALSE(*scripts.find_text("bob@example.org", "../../../../other"));
  EXPECT_EQ(**scripts.find_text("bob@example.org", "rules"), "keep;\n");
}

TEST_F(HomeScriptsTest, APlainFileAndTheFolderHome) {
  test::write_text(home / ".dovecot.sieve", "discard;\n");
  EXPECT_EQ(active(), "dovecot.orig: discard;\n");
  std::filesystem::remove(home / ".dovecot.sieve");
  std::filesystem::create_directories(home / "home/sieve");
  test::write_text(home / "home/sieve/there.sieve", "stop;\n");
  std::filesystem::create_symlink("sieve/there.sieve", home / "home/.dovecot.sieve");
  EXPECT_EQ(active(), "there: stop;\n");
}

}  // namespace
}  // namespace posthorn::lda
