// The folder of certificates: what a crash leaves, and that no link leads out of it.
#include "acme/folder.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "acme/state.h"
#include "tests/support/temp_folder.h"

namespace posthorn::acme {
namespace {

using test::names_in;
using test::read_text;
using test::TempFolder;
using ::testing::ElementsAre;

// Dies before its n-th step: that one and all after it are refused.
class DyingFolder final : public Folder {
 public:
  static std::unique_ptr<DyingFolder> open(const Path& path, int at) {
    return std::unique_ptr<DyingFolder>(new DyingFolder(open_places(path).value(), at));
  }
  int steps = 0;

 protected:
  Result<> write_new(const std::string& name, std::string_view bytes, Reader reader) override {
    if (++steps >= at_) {
      // Half of it lies there.
      (void)Folder::write_new(name, bytes.substr(0, bytes.size() / 2), reader);
      return dead();
    }
    return Folder::write_new(name, bytes, reader);
  }
  Result<> keep_old(const std::string& name) override {
    return ++steps >= at_ ? dead() : Folder::keep_old(name);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return ++steps >= at_ ? dead() : Folder::rename(from, to);
  }
  Result<> sync() override { return ++steps >= at_ ? dead() : Folder::sync(); }

 private:
  DyingFolder(Places places, int at) : Folder(std::move(places)), at_(at) {}
  static Result<> dead() { return fail(ErrorKind::temporary, "killed"); }
  const int at_;
};

TEST(FolderTest, ACrashAtAnyStepLeavesTheOldPairOrTheNewOneWhole) {
  int steps = 0;
  for (int at = 1; at <= 5; ++at) {
    const TempFolder temp;
    ASSERT_TRUE(Folder::open(temp.path()).value()->put_pair("mx.example.org", "old pair"));
    const auto dying = DyingFolder::open(temp.path(), at);
    const auto put = dying->put_pair("mx.example.org", "the new pair");
    steps = std::max(steps, dying->steps);
    EXPECT_EQ(put.has_value(), at == 5) << at;
    const auto folder = Folder::open(temp.path()).value();
    ASSERT_TRUE(folder->clean());
    const std::string now = folder->read("mx.example.org.pem", 100).value().value();
    EXPECT_EQ(now, at <= 3 ? "old pair" : "the new pair") << at;
    EXPECT_THAT(folder->list().value(), ElementsAre("mx.example.org.pem", "retired"));
    // And it goes on from there.
    ASSERT_TRUE(folder->put_pair("mx.example.org", "the next"));
    EXPECT_EQ(read_text(temp.path() / "retired/mx.example.org.pem"), now);
  }
  EXPECT_EQ(steps, 4);
}

TEST(FolderTest, ACrashNeverLosesTheAccount) {
  for (int at = 1; at <= 4; ++at) {
    const TempFolder temp;
    const AccountRecord old{"https://ca/dir", "", "a key", "admin@example.org"};
    const std::string file = account_file(old.directory);
    ASSERT_TRUE(Folder::open(temp.path())
                    .value()
                    ->replace(file, write_account_record(old), Folder::Reader::owner));
    AccountRecord next = old;
    next.account = "https://ca/acct/1";
    (void)DyingFolder::open(temp.path(), at)
        ->replace(file, write_account_record(next), Folder::Reader::owner);
    const auto folder = Folder::open(temp.path()).value();
    ASSERT_TRUE(folder->clean());
    const auto read = read_account_record(folder->read(file, 10'000).value().value());
    EXPECT_EQ(read.value().key_pem, "a key");
  }
}

TEST(FolderTest, APairIsForItsGroupAndAnAccountForNobodyElse) {
  const TempFolder temp;
  const auto folder = Folder::open(temp.path()).value();
  ASSERT_TRUE(folder->put_pair("mx.example.org", "x"));
  ASSERT_TRUE(folder->replace("account-1.json", "x", Folder::Reader::owner));
  struct stat st{};
  ASSERT_EQ(::stat((temp.path() / "mx.example.org.pem").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0640U);
  ASSERT_EQ(::stat((temp.path() / "account-1.json").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat((temp.path() / "retired").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0700U);
}

TEST(FolderTest, FollowsNoLink) {
  const TempFolder temp, other;
  other.write("secret", "of another");
  const auto folder = Folder::open(temp.path()).value();
  std::filesystem::create_symlink(other.path() / "secret", temp.path() / "mx.example.org.pem");
  EXPECT_FALSE(folder->read("mx.example.org.pem", 100));
  // It is replaced, and what it led to stays as it was.
  ASSERT_TRUE(folder->put_pair("mx.example.org", "mine"));
  EXPECT_EQ(read_text(other.path() / "secret"), "of another");
  EXPECT_EQ(folder->read("mx.example.org.pem", 100).value(), "mine");
  std::filesystem::create_directory_symlink(temp.path(), other.path() / "link");
  EXPECT_FALSE(Folder::open(other.path() / "link"));
  std::filesystem::remove_all(temp.path() / "retired");
  std::filesystem::create_directory_symlink(other.path(), temp.path() / "retired");
  EXPECT_FALSE(Folder::open(temp.path()));
  ASSERT_EQ(::mkfifo((temp.path() / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(folder->read("pipe", 100));  // and does not wait for a writer
  EXPECT_FALSE(folder->read("retired", 100));
}

TEST(FolderTest, WhatIsNotThereIsNoErrorAndWhatIsTooLargeIs) {
  const TempFolder temp;
  const auto folder = Folder::open(temp.path()).value();
  EXPECT_EQ(folder->read("state.json", 10).value(), std::nullopt);
  temp.write("state.json", "more than ten bytes");
  EXPECT_FALSE(folder->read("state.json", 10));
  ASSERT_TRUE(folder->retire("state.json"));
  EXPECT_EQ(folder->read("state.json", 10).value(), std::nullopt);
  EXPECT_THAT(names_in(temp.path() / "retired"), ElementsAre("state.json"));
}

TEST(PairFileTest, IsNamedByAHostNameAlone) {
  EXPECT_EQ(pair_file("mx.example.org").value(), "mx.example.org.pem");
  for (const char* bad : {"", "..", "../x", "a/b", ".hidden", "A.org", "a b", "x\n"})
    EXPECT_FALSE(pair_file(bad)) << bad;
}

TEST(StateTest, IsReadAsItWasWritten) {
  const Entry entry{.name = "mx.example.org",
                    .names = {"mx.example.org", "mail.example.org"},
                    .issuer = "R11 (Let's Encrypt)",
                    .issued = WallTime(1000ms),
                    .ends = WallTime(2000ms),
                    .attempted = WallTime(1500ms),
                    .error = "the authority \xff said no",
                    .remedy = "wait",
                    .failures = 3,
                    .not_before = WallTime(1600ms),
                    .window = Window{WallTime(1700ms), WallTime(1800ms), "https://ca/why"},
                    .window_due = WallTime(1650ms)};
  const auto read = read_state(write_state({entry}, {WallTime(1700ms)})).value();
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].names, entry.names);
  EXPECT_EQ(read[0].issuer, entry.issuer);
  EXPECT_EQ(read[0].ends, entry.ends);
  EXPECT_EQ(read[0].failures, 3U);
  EXPECT_EQ(read[0].not_before, entry.not_before);
  EXPECT_EQ(read[0].window->end, entry.window->end);
  EXPECT_EQ(read[0].window_due, entry.window_due);
  EXPECT_NE(read[0].error.find("said no"), std::string::npos);
  for (const char* wrong : {"", "[]", "{}", "{\"certificates\": 7}", "{"})
    EXPECT_FALSE(read_state(wrong));
  EXPECT_TRUE(read_state(R"({"certificates": [7, {"name": 1}, {"ends": 1e300}], "more": 1})")
                  .value()
                  .empty());
}

}  // namespace
}  // namespace posthorn::acme
