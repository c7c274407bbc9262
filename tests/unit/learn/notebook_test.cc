// What is to be learned lies on disk as it was taken down, in order and whole, whatever fails and
// whenever the power goes; and never more of it than there may be.
#include "learn/notebook.h"

#include <fstream>
#include <gmock/gmock.h>

#include "learn/memory.h"
#include "tests/support/fault_disk.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::learn {
namespace {

using message::MailClass;
using test::FaultDisk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NotebookTest : public ::testing::Test {
 protected:
  const Path folder() const { return folder_.path() / "lessons/0"; }
  Notebook notebook(Disk& disk = Disk::real(), Notebook::Bounds bounds = {}) {
    return Notebook(folder(), disk, loop_.pool(), clock_, bounds);
  }
  // Messages in the maildir's form.
  Result<> note(Notebook& notebook, MailClass what, const std::vector<std::string>& mails) {
    return loop_.run(write(notebook, what, mails));
  }
  net::Task<> write(Notebook& notebook, MailClass what, const std::vector<std::string>& mails) {
    Notebook::Writer writer(notebook, what, "alice@example.org");
    Result<> done;
    for (const std::string& mail : mails) {
      const Path path = folder_.write("mail", mail);
      CO_TRY(const File file, Disk::real().open(path, OpenMode::read));
      const auto lines = std::ranges::count(mail, '\n');
      if (done)
        done =
            co_await writer.add(file, mail.size(), mail.size() + static_cast<std::size_t>(lines));
    }
    if (done) done = co_await writer.finish();
    if (!done) co_await writer.abandon();
    co_return done;
  }
  // Everything, read to its end: "spam:x\r\n".
  std::vector<std::string> read_all(Notebook& notebook) {
    std::vector<std::string> all;
    while (const Page* page = notebook.first()) {
      const std::uint64_t number = page->number;
      const std::string what(message::to_string(page->what));
      EXPECT_EQ(page->account, "alice@example.org");
      const auto text = loop_.run(notebook.read_next());
      EXPECT_TRUE(text) << text.error().what;
      all.push_back(what + ":" + text.value_or("?"));
      EXPECT_TRUE(loop_.run(notebook.turn(number)));
    }
    EXPECT_EQ(notebook.waiting(), 0U);
    return all;
  }
  std::vector<std::string> files() const { return test::names_in(folder()); }

  test::TempFolder folder_;
  test::TestLoop loop_;
  test::ManualClock clock_;
};

TEST_F(NotebookTest, ComesBackInOrderAfterARestart) {
  {
    Notebook first = notebook();
    ASSERT_TRUE(loop_.run(first.open()));
    ASSERT_TRUE(note(first, MailClass::spam, {"a\n", "b\nc\n"}));
    clock_.set_wall(clock_.now() - std::chrono::hours(48));  // set back
    ASSERT_TRUE(note(first, MailClass::ham, {"a\n"}));
    EXPECT_EQ(first.waiting(), 3U);
  }
  Notebook second = notebook();
  ASSERT_TRUE(loop_.run(second.open()));
  EXPECT_EQ(second.waiting(), 3U);
  EXPECT_THAT(read_all(second), ElementsAre("spam:a\r\n", "spam:b\r\nc\r\n", "ham:a\r\n"));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(NotebookTest, ManyMessagesHaveSeveralPages) {
  Notebook pages = notebook(Disk::real(), {.page_messages_max = 2, .page_bytes_max = 100});
  ASSERT_TRUE(loop_.run(pages.open()));
  ASSERT_TRUE(
      note(pages, MailClass::spam,
           {"1\n", "2\n", "3\n", std::string(90, 'x') + "\n", std::string(90, 'y') + "\n"}));
  EXPECT_EQ(files().size(), 4U);
  EXPECT_EQ(read_all(pages).size(), 5U);
}

TEST_F(NotebookTest, TheOldestGoesWhenItIsFull) {
  Notebook full = notebook(Disk::real(), {.messages_max = 3});
  ASSERT_TRUE(loop_.run(full.open()));
  for (const char* text : {"1\n", "2\n", "3\n"}) ASSERT_TRUE(note(full, MailClass::spam, {text}));
  EXPECT_FALSE(full.is_over_full());
  ASSERT_TRUE(note(full, MailClass::ham, {"4\n", "5\n"}));
  while (full.is_over_full()) EXPECT_EQ(loop_.run(full.tear_out()).value_or(0), 1U);
  EXPECT_THAT(read_all(full), ElementsAre("spam:3\r\n", "ham:4\r\n", "ham:5\r\n"));

  Notebook heavy = notebook(Disk::real(), {.bytes_max = 10});
  ASSERT_TRUE(loop_.run(heavy.open()));
  ASSERT_TRUE(note(heavy, MailClass::spam, {"the only one stays\n"}));
  EXPECT_FALSE(heavy.is_over_full());
  ASSERT_TRUE(note(heavy, MailClass::spam, {"the second one\n"}));
  EXPECT_TRUE(heavy.is_over_full());
}

TEST_F(NotebookTest, WhatIsTornOutWhileItIsTaughtIsNoFault) {
  Notebook one = notebook();
  ASSERT_TRUE(loop_.run(one.open()));
  ASSERT_TRUE(note(one, MailClass::spam, {"1\n", "2\n"}));
  const std::uint64_t number = one.first()->number;
  ASSERT_TRUE(loop_.run(one.turn(number)));
  EXPECT_EQ(loop_.run(one.tear_out()).value_or(0), 1U);
  EXPECT_TRUE(loop_.run(one.turn(number)));
  EXPECT_EQ(one.waiting(), 0U);
}

TEST_F(NotebookTest, WhatMakesNoSenseIsThrownAway) {
  const std::string good = "posthorn-lessons 1 spam alice@example.org\n3\nx\r\n";
  const std::pair<std::string, std::string> rows[] = {
      {"empty", ""},
      {"no head", "posthorn"},
      {"no message", "posthorn-lessons 1 spam alice@example.org\n"},
      {"a class that is none", "posthorn-lessons 1 eggs alice@example.org\n3\nx\r\n"},
      {"no account", "posthorn-lessons 1 spam\n3\nx\r\n"},
      {"another version", "posthorn-lessons 2 spam alice@example.org\n3\nx\r\n"},
      {"a size too large", "posthorn-lessons 1 spam alice@example.org\n4\nx\r\n"},
      {"a size without end", "posthorn-lessons 1 spam alice@example.org\n99999999999999999999999"},
      {"a size that is none", "posthorn-lessons 1 spam alice@example.org\n-1\nx\r\n"},
      {"more behind it", good + "x"}};
  for (const auto& [name, text] : rows) {
    std::filesystem::create_directories(folder());
    std::ofstream(folder() / "00000000000000aa") << text;
    std::ofstream(folder() / "00000000000000bb") << good;
    std::ofstream(folder() / "new.00000000000000cc") << good;
    std::ofstream(folder() / "taught") << "other\n";
    Notebook one = notebook();
    ASSERT_TRUE(loop_.run(one.open())) << name;
    EXPECT_THAT(files(), ElementsAre("00000000000000bb", "taught")) << name;
    EXPECT_THAT(read_all(one), ElementsAre("spam:x\r\n")) << name;
  }
}

// The process is killed before each step, and the power cut: what was promised is there, whole;
// what was not is there whole or not at all.
TEST_F(NotebookTest, SurvivesEachCrash) {
  bool is_through = false;
  for (int at = 1; !is_through && at < 100; ++at) {
    std::filesystem::remove_all(folder());
    bool is_noted = false;
    {
      FaultDisk disk;
      Notebook one = notebook(disk);
      ASSERT_TRUE(loop_.run(one.open()));
      disk.arm({.fault = FaultDisk::Fault::for_good, .at = at});
      is_noted = note(one, MailClass::spam, {"1\n", "2\n"}).has_value();
      is_through = !disk.is_killed();
      EXPECT_EQ(one.waiting(), is_noted ? 2U : 0U);
      disk.cut_power();
    }
    Notebook after = notebook();
    ASSERT_TRUE(loop_.run(after.open()));
    const auto found = read_all(after);
    if (is_noted || !found.empty())
      EXPECT_THAT(found, ElementsAre("spam:1\r\n", "spam:2\r\n")) << at;
    EXPECT_THAT(files(), IsEmpty()) << at;
  }
  EXPECT_TRUE(is_through);
}

TEST_F(NotebookTest, AFailureLeavesNothingBehind) {
  for (int at = 1; at <= 7; ++at) {
    FaultDisk disk;
    Notebook one = notebook(disk);
    ASSERT_TRUE(loop_.run(one.open()));
    disk.arm({.fault = FaultDisk::Fault::once, .at = at});
    const bool is_noted = note(one, MailClass::spam, {"1\n"}).has_value();
    EXPECT_EQ(one.waiting(), is_noted ? 1U : 0U) << at;
    if (is_noted) ASSERT_EQ(read_all(one).size(), 1U);
    EXPECT_EQ(disk.syncs_after_failed(), 0);
    Notebook again = notebook();
    ASSERT_TRUE(loop_.run(again.open()));
    read_all(again);
    EXPECT_THAT(files(), IsEmpty()) << at;
  }
}

TEST_F(NotebookTest, PagesOfWorkersThatAreNoMoreAreAdopted) {
  const std::string text = "posthorn-lessons 1 spam alice@example.org\n3\nx\r\n";
  const Path root = folder_.path();
  for (const char* place : {"0", "1", "2", "7", "other"}) {
    std::filesystem::create_directories(root / "lessons" / place);
    std::ofstream(root / "lessons" / place / ("00000000000000a" + std::string(place).substr(0, 1)))
        << text;
  }
  ASSERT_TRUE(adopt_pages(Disk::real(), root, 2));
  EXPECT_THAT(test::names_in(root / "lessons/0"),
              ElementsAre("00000000000000a0", "00000000000000a2", "00000000000000a7"));
  EXPECT_THAT(test::names_in(root / "lessons/1"), ElementsAre("00000000000000a1"));
  EXPECT_THAT(test::names_in(root / "lessons/7"), IsEmpty());
}

TEST_F(NotebookTest, WhereNobodyIsTaughtAnyMoreNoCopyStays) {
  const Path root = folder_.path();
  EXPECT_TRUE(forget_pages(Disk::real(), root));  // nothing was ever noted
  for (const char* worker : {"0", "3"}) {
    std::filesystem::create_directories(root / "lessons" / worker);
    for (const char* name : {"00000000000000aa", "new.00000000000000bb", "taught"})
      std::ofstream(root / "lessons" / worker / name) << "x";
  }
  ASSERT_TRUE(forget_pages(Disk::real(), root));
  EXPECT_THAT(test::names_in(root / "lessons/0"), ElementsAre("taught"));
  EXPECT_THAT(test::names_in(root / "lessons/3"), ElementsAre("taught"));
}

class MemoryTest : public NotebookTest {
 protected:
  Memory memory(std::size_t max = 3) { return Memory(path(), Disk::real(), loop_.pool(), max); }
  Path path() const { return folder_.path() / "taught"; }
  std::string digest(std::string_view text) const { return digest_of("", text); }
};

TEST_F(MemoryTest, TheLastClassOfAMailIsKnownAfterARestart) {
  {
    Memory one = memory();
    ASSERT_TRUE(loop_.run(one.open()));
    EXPECT_FALSE(one.find(digest("a")));
    ASSERT_TRUE(loop_.run(one.note(digest("a"), MailClass::spam)));
    ASSERT_TRUE(loop_.run(one.note(digest("b"), MailClass::spam)));
    ASSERT_TRUE(loop_.run(one.note(digest("a"), MailClass::ham)));
    EXPECT_EQ(one.find(digest("a")), MailClass::ham);
  }
  std::ofstream(path(), std::ios::app) << "torn";  // by a crash
  for (int i = 0; i < 2; ++i) {
    Memory two = memory();
    ASSERT_TRUE(loop_.run(two.open()));
    EXPECT_EQ(two.find(digest("a")), MailClass::ham);
    EXPECT_EQ(two.find(digest("b")), MailClass::spam);
    ASSERT_TRUE(loop_.run(two.note(digest("c"), MailClass::ham)));
  }
  Memory three = memory();
  ASSERT_TRUE(loop_.run(three.open()));
  EXPECT_EQ(three.find(digest("c")), MailClass::ham);
}

TEST_F(MemoryTest, StaysSmall) {
  Memory one = memory();
  ASSERT_TRUE(loop_.run(one.open()));
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(loop_.run(one.note(digest(std::to_string(i)), MailClass::spam)));
  EXPECT_FALSE(one.find(digest("46")));
  EXPECT_TRUE(one.find(digest("47")));
  EXPECT_LE(std::filesystem::file_size(path()), 6U * 35U);
}

TEST(Digest, IsTheUsersAndTheMails) {
  EXPECT_EQ(digest_of("a", "mail"), digest_of("a", "mail"));
  EXPECT_NE(digest_of("a", "mail"), digest_of("b", "mail"));
  EXPECT_NE(digest_of("a", "mail"), digest_of("am", "ail"));
  EXPECT_EQ(digest_of("", "").size(), 32U);
}

}  // namespace
}  // namespace posthorn::learn
