// Proves what is promised of copies of last good files: they come back as they were, no two names
// share one, none is more open than its source, and what is there already is not written again.
#include "base/last_good.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace posthorn {
namespace {

mode_t mode_of(const Path& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 ? st.st_mode & 07777U : 0;
}

TEST(LastGood, GivesBackWhatItWasGiven) {
  const test::TempFolder folder;
  const Path source = folder.write("aliases", "a b\n");
  ASSERT_EQ(::chmod(source.c_str(), 0640), 0);
  std::filesystem::create_directory(folder.path() / "state");
  LastGood kept(folder.path() / "state");
  EXPECT_FALSE(kept.read(source));
  ASSERT_TRUE(kept.keep(source, "a b\n"));
  EXPECT_EQ(kept.read(source), "a b\n");
  EXPECT_EQ(LastGood(folder.path() / "state").read(source), "a b\n");
  const Path copy = folder.path() / "state" / flat_name(source);
  EXPECT_EQ(mode_of(copy), 0640U);
  const auto before = find_file_info(copy);
  ASSERT_TRUE(kept.keep(source, "a b\n"));
  LastGood another(folder.path() / "state");
  ASSERT_TRUE(another.keep(source, "a b\n"));
  EXPECT_EQ((*find_file_info(copy))->inode, (*before)->inode);
  // A source that everybody can read: its copy need not be.
  ASSERT_EQ(::chmod(source.c_str(), 0666), 0);
  ASSERT_TRUE(kept.keep(source, "c d\n"));
  EXPECT_EQ(mode_of(copy), 0640U);
  kept.forget(source);
  EXPECT_FALSE(kept.read(source));
}

TEST(LastGood, OffItKeepsNothing) {
  LastGood off;
  EXPECT_TRUE(off.keep("/etc/x", "text"));
  EXPECT_FALSE(off.read("/etc/x"));
  LastGood nowhere("/nonexistent/folder");
  EXPECT_FALSE(nowhere.keep("/etc/x", "text"));
  EXPECT_FALSE(nowhere.read("/etc/x"));
}

TEST(LastGood, NoTwoNamesAreAlike) {
  EXPECT_NE(flat_name("/a/b"), flat_name("/a%b"));
  const std::string longer(300, 'x');
  EXPECT_NE(flat_name("/a/" + longer), flat_name("/b/" + longer));
  EXPECT_LT(flat_name("/a/" + longer).size(), 200U);
}

}  // namespace
}  // namespace posthorn
