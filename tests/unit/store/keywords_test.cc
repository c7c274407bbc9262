// Keywords: sets of numbers and tables of names; thousands of names in one mailbox, over copies,
// restarts, a lost index, an index and files of before; what happens at the bound; and a stop at
// every operation on the disk.
#include <random>
#include <set>
#include <sqlite3.h>

#include "harness.h"
#include "store/dovecot_files.h"
#include "store/engine.h"
#include "tests/support/fault_disk.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

using test::FaultDisk;
using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

std::string name_of(std::size_t i) {
  return "k" + std::to_string(i);
}
Names names_from(std::size_t first, std::size_t end) {
  Names names;
  for (std::size_t i = first; i < end; ++i) names.push_back(name_of(i));
  return names;
}
std::vector<KeywordNumber> list_of(const std::set<KeywordNumber>& numbers) {
  return {numbers.begin(), numbers.end()};
}

TEST(Keywords, AreSets) {
  std::mt19937 random(1);  // NOLINT: the same in each run
  KeywordPool pool;
  for (int round = 0; round < 3000; ++round) {
    const unsigned range = round % 3 == 0 ? 30 : round % 3 == 1 ? 70 : kKeywordsMax;
    std::set<KeywordNumber> a, b;
    for (unsigned i = random() % 12; i > 0; --i)
      a.insert(static_cast<KeywordNumber>(random() % range));
    for (unsigned i = random() % 12; i > 0; --i)
      b.insert(static_cast<KeywordNumber>(random() % range));
    const Keywords x = Keywords::of(list_of(a));
    const Keywords y = Keywords::of(list_of(b));
    std::set<KeywordNumber> both = a, rest;
    both.insert(b.begin(), b.end());
    std::ranges::set_difference(a, b, std::inserter(rest, rest.end()));
    EXPECT_EQ((x | y).numbers(), list_of(both));
    EXPECT_EQ((x - y).numbers(), list_of(rest));
    EXPECT_EQ(x == y, a == b);
    EXPECT_EQ((x | y) - y == x - y, true);
    EXPECT_EQ(x.size(), a.size());
    EXPECT_EQ(x.empty(), a.empty());
    for (const KeywordNumber n : b) EXPECT_EQ(x.contains(n), a.contains(n)) << n;
    std::uint32_t letters = 0;
    for (const KeywordNumber n : a)
      if (n < kKeywordLettersMax) letters |= 1U << n;
    EXPECT_EQ(x.letters(), letters);
    EXPECT_EQ((Keywords::of_mask(x.letters()) | x.high()), x);
    EXPECT_EQ(x.high().letters(), 0U);
    KeywordBits bits;
    x.add_to(bits);
    EXPECT_EQ(Keywords::of(bits), x);
    EXPECT_EQ(x.mask() ? Keywords::of_mask(*x.mask()) : Keywords::of_packed(x.packed()), x);
    EXPECT_EQ(pool.intern(x), x);
    std::string line;
    append_high_mark(x, "base", line);
    EXPECT_EQ(parse_high_keywords(line).marks["base"], x.high()) << line;
  }
  EXPECT_EQ(Keywords::of_mask(~std::uint64_t{0}).size(), 64U);
  // Lists that nobody has any more go.
  EXPECT_LT(pool.size(), 200U);
  Keywords self = Keywords::of_mask(std::uint64_t{1} << 63U);
  const Keywords& same = self;
  self = same;
  EXPECT_TRUE(self.contains(63));
}

TEST(Keywords, HaveNamesInAnyCase) {
  KeywordNames names;
  names.set(3, "Blue");
  names.set(100, "red");
  names.set(0, "$Forwarded");
  EXPECT_EQ(names.find("BLUE"), KeywordNumber{3});
  EXPECT_EQ(names.find("Red"), KeywordNumber{100});
  EXPECT_FALSE(names.find("re"));
  EXPECT_EQ(names.size(), 101U);
  // Another program gave a letter to what had a number.
  names.set(5, "RED");
  EXPECT_EQ(names.find("red"), KeywordNumber{5});
  EXPECT_EQ(names.find_all("red").numbers(), (std::vector<KeywordNumber>{5, 100}));
  const Keywords one = Keywords::of(std::vector<KeywordNumber>{100});
  EXPECT_TRUE(names.is_one_of(one, "Red"));
  EXPECT_FALSE(names.is_one_of(one, "Blue"));
  EXPECT_EQ(names.names_of(one), (std::vector<std::string_view>{"red"}));
  EXPECT_EQ(names.names_of(names.find_all("red")), (std::vector<std::string_view>{"RED"}));
  EXPECT_EQ(names.all(), (std::vector<std::string_view>{"$Forwarded", "Blue", "RED"}));
  KeywordBits used;
  used.set(3);
  EXPECT_EQ(names.keep(used), 3U);
  EXPECT_EQ(names.all(), (std::vector<std::string_view>{"Blue"}));
  EXPECT_EQ(names.size(), 4U);
  names.set(3, "");
  EXPECT_EQ(names.size(), 0U);
  EXPECT_FALSE(names.find("Blue"));
}

TEST(Keywords, LinesOfTheirFile) {
  const HighKeywords high = parse_high_keywords(
      "26 Blue\n4095 Last\n4096 Beyond\n25 letter\n30 \n31 two words\n"
      "=c000000000000001 old\n=0 none\n=xyz bad\n"
      "#26-28,4000 new\n# empty\n#1-30,9999 odd\n#26- bad\n#a bad\n#30 \n"
      "#26 a/b\n#26 a\tb\n#26 cr\r\r\n#26 torn");
  EXPECT_EQ(high.names,
            (std::map<std::size_t, std::string>{{26, "Blue"}, {4095, "Last"}, {30, ""}}));
  ASSERT_EQ(high.marks.size(), 5U);
  EXPECT_EQ(high.marks.at("old").numbers(), (std::vector<KeywordNumber>{62, 63}));
  EXPECT_TRUE(high.marks.at("none").empty());
  EXPECT_EQ(high.marks.at("new").numbers(), (std::vector<KeywordNumber>{26, 27, 28, 4000}));
  EXPECT_TRUE(high.marks.at("empty").empty());
  EXPECT_EQ(high.marks.at("odd").numbers(), (std::vector<KeywordNumber>{26, 27, 28, 29, 30}));
  std::string lines;  // a name that would be two lines is none of them
  append_high_mark(Keywords::of_mask(1U << 26U), "a\n26 Other", lines);
  EXPECT_EQ(lines, "");
}

class ManyKeywords : public testing::Test {
 protected:
  Path maildir(const char* folder = "") const { return folder_.path() / kAlice / folder; }
  static FlagResult flags(Process& run, View& view, std::vector<Uid> uids, FlagMode mode,
                          Names keywords) {
    return run.get(view.mailbox().store_flags({.uids = std::move(uids),
                                               .mode = mode,
                                               .flags = 0,
                                               .keywords = std::move(keywords),
                                               .unchanged_since = {}}));
  }
  static NameSet of(View& view, Uid uid) {
    const Entry* entry = view.mailbox().find(uid);
    if (entry == nullptr) return {"(gone)"};
    const auto names = view.mailbox().keyword_names(entry->keywords);
    return {names.begin(), names.end()};
  }
  static NameSet known(View& view) {
    const auto names = view.mailbox().keywords()->all();
    return {names.begin(), names.end()};
  }
  void remove_index() const {
    for (const char* suffix : {"", "-wal", "-shm"})
      fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  }
  static NameSet set_of(const Names& names) { return {names.begin(), names.end()}; }

  TempFolder folder_;
};

TEST_F(ManyKeywords, ThreeThousandAreKept) {
  const Names all = names_from(0, 3000);
  const Names last = {"k2999", "k40", "k3"};
  {
    Process run(folder_.path());
    run.get(run.account().create("Work"));
    run.get(run.account().create("Other"));
    for (int i = 0; i < 3; ++i) run.deliver("INBOX", kMail);
    run.deliver("Work", kMail, 0, {"Own"});
    const ViewPtr view = run.view();
    EXPECT_EQ(flags(run, *view, {1}, FlagMode::add, all).result, NameResult::done);
    EXPECT_EQ(of(*view, 1), set_of(all));
    EXPECT_EQ(flags(run, *view, {1, 2}, FlagMode::add, last).result, NameResult::done);
    EXPECT_EQ(of(*view, 1), set_of(all));
    EXPECT_EQ(of(*view, 2), set_of(last));
    EXPECT_TRUE(view->mailbox().has_room_for_keyword());
    const auto names = names_in(maildir() / "cur");
    EXPECT_EQ(std::ranges::count_if(names,
                                    [](const std::string& name) {
                                      return name.ends_with(":2,abcdefghijklmnopqrstuvwxyz");
                                    }),
              1);
    run.get(view->mailbox().copy({1, 2}, "Work"));
    run.get(view->mailbox().move({2}, "Other"));
    EXPECT_EQ(flags(run, *view, {1}, FlagMode::remove, names_from(0, 2000)).result,
              NameResult::done);
    EXPECT_EQ(run.deliver("Other", kMail, 0, last).uid, 2U);
  }
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    Process run(folder_.path(), Disk::real(), Clock::system(), "boot-" + std::to_string(round));
    EXPECT_EQ(of(*run.view(), 1), set_of(names_from(2000, 3000)));
    EXPECT_EQ(of(*run.view(), 3), NameSet{});
    const ViewPtr work = run.view("Work");
    EXPECT_EQ(of(*work, 1), NameSet{"Own"});
    EXPECT_EQ(of(*work, 2), set_of(all));
    EXPECT_EQ(of(*work, 3), set_of(last));
    EXPECT_EQ(of(*run.view("Other"), 1), set_of(last));
    EXPECT_EQ(of(*run.view("Other"), 2), set_of(last));
    run.close();
    if (round == 1) remove_index();
  }
}

TEST_F(ManyKeywords, TheBoundRefusesAndDoesNothing) {
  Process run(folder_.path());
  for (int i = 0; i < 2; ++i) run.deliver("INBOX", kMail);
  const ViewPtr view = run.view();
  const auto add = [&](Uid uid, Names names) {
    return flags(run, *view, {uid}, FlagMode::add, std::move(names)).result;
  };
  EXPECT_EQ(add(1, names_from(0, kKeywordsMax + 1)), NameResult::keyword_limit);
  EXPECT_EQ(known(*view), NameSet{});
  EXPECT_EQ(add(1, names_from(0, kKeywordsMax)), NameResult::done);
  EXPECT_FALSE(view->mailbox().has_room_for_keyword());
  EXPECT_EQ(add(2, {"k7", "more"}), NameResult::keyword_limit);
  EXPECT_EQ(add(2, {"no good"}), NameResult::keyword_limit);
  EXPECT_EQ(of(*view, 2), NameSet{});
  // What would lose a keyword on the way is not done at all.
  run.get(run.account().create("Work"));
  const Placed there = run.deliver("Work", kMail, 0, {"Other"});
  for (const bool is_move : {false, true}) {
    const auto result =
        run.get(is_move ? view->mailbox().move({1}, "Work") : view->mailbox().copy({1}, "Work"));
    EXPECT_EQ(result.result, NameResult::keyword_limit);
    EXPECT_EQ(run.view("Work")->uids(), std::vector<Uid>{there.uid});
    EXPECT_EQ(known(*run.view("Work")), NameSet{"Other"});
    EXPECT_EQ(view->mailbox().entries().size(), 2U);
  }
  EXPECT_EQ(run.deliver("INBOX", kMail, 0, {"more"}).result, NameResult::keyword_limit);
  EXPECT_EQ(view->mailbox().entries().size(), 2U);
  // A name that nobody uses any more goes for a new one; its letter is free then, but not while a
  // file has it that another program made meanwhile.
  EXPECT_EQ(flags(run, *view, {1}, FlagMode::remove, {"k3", "k40"}).result, NameResult::done);
  EXPECT_TRUE(view->mailbox().has_room_for_keyword());
  write_text(maildir() / "cur/1700000000.foreign:2,d", "Subject: d\n\n");
  EXPECT_EQ(add(2, {"fresh"}), NameResult::done);
  EXPECT_EQ((*view->mailbox().keywords())[40], "fresh");
  EXPECT_EQ((*view->mailbox().keywords())[3], "k3");
  EXPECT_EQ(add(2, {"more"}), NameResult::keyword_limit);
  EXPECT_EQ(add(2, {"k3"}), NameResult::done);
  fs::remove(maildir() / "cur/1700000000.foreign:2,d");
  run.get(view->mailbox().refresh());
  EXPECT_EQ(flags(run, *view, {2}, FlagMode::remove, {"k3"}).result, NameResult::done);
  EXPECT_EQ(add(2, {"more"}), NameResult::done);
  EXPECT_EQ((*view->mailbox().keywords())[3], "more");
  EXPECT_EQ(of(*view, 2), (NameSet{"fresh", "more"}));
  EXPECT_EQ(of(*view, 1).size(), kKeywordsMax - 2);
}

// One keyword after the other, each taken off again: the table does not grow without end.
TEST_F(ManyKeywords, NamesThatNobodyUsesGo) {
  Process run(folder_.path());
  for (int i = 0; i < 3; ++i) run.deliver("INBOX", kMail);
  const ViewPtr view = run.view();
  flags(run, *view, {1}, FlagMode::add, names_from(0, 50));
  std::size_t most = 0;
  for (std::size_t i = 100; i < 300; ++i) {
    flags(run, *view, {2}, FlagMode::replace, {name_of(i)});
    EXPECT_EQ(of(*view, 2), NameSet{name_of(i)});
    most = std::max(most, view->mailbox().keywords()->size());
  }
  EXPECT_LE(most, 110U);
  EXPECT_EQ(of(*view, 1), set_of(names_from(0, 50)));
  EXPECT_EQ(of(*view, 3), NameSet{});
  // Numbers that were given anew stand for nothing of before, also when the index is made anew.
  run.close();
  remove_index();
  Process again(folder_.path());
  EXPECT_EQ(of(*again.view(), 1), set_of(names_from(0, 50)));
  EXPECT_EQ(of(*again.view(), 2), NameSet{"k299"});
  EXPECT_EQ(of(*again.view(), 3), NameSet{});
}

TEST_F(ManyKeywords, ALetterWithoutANameIsNobodysNewKeyword) {
  Process run(folder_.path());
  run.deliver("INBOX", kMail);
  write_text(maildir() / "cur/1700000000.foreign:2,Sab", "Subject: a\n\n");
  const ViewPtr view = run.view();
  run.get(view->mailbox().refresh());
  view->take_changes(ExpungeMode::allowed);
  EXPECT_EQ(flags(run, *view, {1}, FlagMode::add, {"fresh"}).result, NameResult::done);
  EXPECT_EQ(of(*view, 1), NameSet{"fresh"});
  EXPECT_EQ(of(*view, 2), NameSet{});
  EXPECT_EQ(read_text(maildir() / "dovecot-keywords"), "2 fresh\n");
}

// Dovecot gives a letter to a keyword that has a number here.
TEST_F(ManyKeywords, OneNameTwice) {
  Process run(folder_.path());
  for (int i = 0; i < 3; ++i) run.deliver("INBOX", kMail);
  const ViewPtr view = run.view();
  flags(run, *view, {1}, FlagMode::add, names_from(1, 30));
  flags(run, *view, {2}, FlagMode::add, {"k29"});
  std::string letters = read_text(maildir() / "dovecot-keywords");
  letters.replace(letters.find("k3\n"), 3, "k29\n");
  write_text(maildir() / "dovecot-keywords", letters);
  run.get(view->mailbox().refresh(RefreshMode::full));
  EXPECT_EQ(of(*view, 2), NameSet{"k29"});
  EXPECT_EQ(view->mailbox().keyword_names(view->mailbox().find(1)->keywords).size(), 28U);
  EXPECT_EQ(flags(run, *view, {1, 2, 3}, FlagMode::remove, {"k29"}).result, NameResult::done);
  EXPECT_FALSE(of(*view, 1).contains("k29"));
  EXPECT_EQ(of(*view, 2), NameSet{});
}

// What another program moves away and back, and what a power cut left in new/ or cur/ without a row.
TEST_F(ManyKeywords, AFileThatComesBackHasItsKeywords) {
  Process run(folder_.path());
  run.deliver("INBOX", kMail);
  const ViewPtr view = run.view();
  flags(run, *view, {1}, FlagMode::add, names_from(0, 100));
  const std::string file = names_in(maildir() / "cur").at(0);
  fs::rename(maildir() / "cur" / file, maildir() / file);
  run.get(view->mailbox().refresh(RefreshMode::full));
  EXPECT_EQ(view->mailbox().entries().size(), 0U);
  fs::rename(maildir() / file, maildir() / "cur" / file);
  run.get(view->mailbox().refresh(RefreshMode::full));
  ASSERT_EQ(view->mailbox().entries().size(), 1U);
  EXPECT_EQ(of(*view, view->mailbox().entries()[0].uid), set_of(names_from(0, 100)));
}

// The file does not grow with each change: lines of before and of messages that are gone go.
TEST_F(ManyKeywords, TheirFileIsWrittenAnewWhenItHasGrown) {
  const Path file = maildir() / "posthorn-keywords";
  Process run(folder_.path());
  for (int i = 0; i < 3; ++i) run.deliver("INBOX", kMail);
  const ViewPtr view = run.view();
  flags(run, *view, {1, 2}, FlagMode::add, names_from(0, 60));
  std::string lines;
  while (lines.size() < 5U << 20U)
    for (int i = 0; i < 1000; ++i)
      append_high_mark(Keywords::of_mask(1U << 30U), "1700000000.gone" + std::string(180, 'x'),
                       lines);
  std::ofstream(file, std::ios::app) << lines;
  flags(run, *view, {2}, FlagMode::replace, {"k50"});
  EXPECT_LT(fs::file_size(file), 10'000U);
  flags(run, *view, {3}, FlagMode::replace, {"k51"});
  for (int round = 0; round < 2; ++round) {
    remove_index();
    Process again(folder_.path());
    const ViewPtr inbox = again.view();
    EXPECT_EQ(of(*inbox, 1), set_of(names_from(0, 60)));
    EXPECT_EQ(of(*inbox, 2), NameSet{"k50"});
    EXPECT_EQ(of(*inbox, 3), NameSet{"k51"});
    again.close();
  }
}

// An index of version 1: names as one text, sets as masks of 64 bits; lines with a mask.
TEST_F(ManyKeywords, AnIndexOfBeforeIsRead) {
  {
    Process run(folder_.path());
    for (int i = 0; i < 3; ++i) run.deliver("INBOX", kMail);
    const ViewPtr view = run.view();
    flags(run, *view, {1}, FlagMode::add, names_from(0, 64));
    flags(run, *view, {2}, FlagMode::add, {"k63"});
    run.close();
  }
  std::string names;
  for (const std::string& name : names_from(0, 64)) names += name + "\n";
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((maildir() / "posthorn.index").c_str(), &db), SQLITE_OK);
  const std::string sql =
      "DROP TABLE records; CREATE TABLE cache(mailbox INTEGER, uid INTEGER, kind INTEGER, "
      "bytes BLOB, PRIMARY KEY(mailbox, uid, kind)) WITHOUT ROWID;"
      "DROP TABLE keywords; ALTER TABLE mailboxes ADD COLUMN keywords BLOB;"
      "UPDATE mailboxes SET keywords = CAST('" +
      names +
      "' AS BLOB) WHERE name = CAST('INBOX' AS BLOB);"
      "UPDATE messages SET keywords = -1 WHERE uid = 1;"
      "UPDATE messages SET keywords = -9223372036854775807 - 1 WHERE uid = 2;"
      "UPDATE messages SET keywords = 0 WHERE uid = 3; PRAGMA user_version = 1;";
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
  // Keywords that stand in the index alone, as they did once, are not lost.
  fs::remove(maildir() / "posthorn-keywords");
  ModSeq modseq = 0;
  {
    Process run(folder_.path());
    const ViewPtr view = run.view();
    EXPECT_EQ(of(*view, 1), set_of(names_from(0, 64)));
    EXPECT_EQ(of(*view, 2), NameSet{"k63"});
    EXPECT_EQ(of(*view, 3), NameSet{});
    modseq = view->mailbox().highest_modseq();
    EXPECT_EQ(flags(run, *view, {3}, FlagMode::add, {"k63", "k64"}).result, NameResult::done);
    EXPECT_GT(view->mailbox().highest_modseq(), modseq);
    EXPECT_LE(view->mailbox().highest_modseq(), modseq + 3) << "it was made anew";
    run.close();
  }
  for (const char* boot : {"boot-1", "boot-2"}) {
    Process run(folder_.path(), Disk::real(), Clock::system(), boot);
    const ViewPtr view = run.view();
    EXPECT_EQ(of(*view, 1), set_of(names_from(0, 64)));
    EXPECT_EQ(of(*view, 2), NameSet{"k63"});
    EXPECT_EQ(of(*view, 3), (NameSet{"k63", "k64"}));
    run.close();
  }
  // And the file alone, as it was.
  const std::string base = names_in(maildir() / "cur").at(0);
  write_text(maildir() / "posthorn-keywords",
             "26 k26\n63 k63\n=8000000004000000 " + base.substr(0, base.find(":2,")) + "\n");
  remove_index();
  Process run(folder_.path());
  const ViewPtr view = run.view();
  NameSet found;
  for (const Entry& entry : view->mailbox().entries())
    for (const std::string& name : of(*view, entry.uid))
      if (name == "k26" || name == "k63") found.insert(name);
  EXPECT_EQ(found, (NameSet{"k26", "k63"}));
}

// Stopped at every operation: each message has the keywords that were told, or those of a change that
// was under way; never another's.
class KeywordsCrash : public ManyKeywords {
 protected:
  struct Told {
    std::map<std::string, std::set<NameSet>> may;  // by subject: what it may have now
    std::set<std::string> acknowledged;
  };

  static NameSet changed(NameSet set, FlagMode mode, const Names& names) {
    if (mode == FlagMode::replace) set.clear();
    for (const std::string& name : names) {
      if (mode == FlagMode::remove) {
        set.erase(name);
      } else {
        set.insert(name);
      }
    }
    return set;
  }
  static void deliver(Process& run, Told& told, const std::string& subject, Names names) {
    auto delivery = run.task(run.account().begin_delivery());
    if (!delivery || !run.task((*delivery)->write("Subject: " + subject + "\r\n\r\nx\r\n"))) return;
    told.may[subject] = {set_of(names)};
    std::vector<Target> targets(1);
    targets[0].mailbox = "INBOX";
    targets[0].keywords = std::move(names);
    const auto placed = run.task((*delivery)->commit(std::move(targets)));
    if (placed && placed->at(0).result == NameResult::done) told.acknowledged.insert(subject);
  }
  static ViewPtr inbox(Process& run) {
    auto view = run.task(run.account().open_view("INBOX", Access::read_write));
    return view ? *std::move(view) : nullptr;
  }
  static void change(Process& run, Told& told, const std::string& subject, Uid uid, FlagMode mode,
                     const Names& names) {
    const ViewPtr view = inbox(run);
    if (!view || view->mailbox().find(uid) == nullptr) return;
    std::set<NameSet> after;
    for (const NameSet& before : told.may[subject]) after.insert(changed(before, mode, names));
    const auto done = run.task(view->mailbox().store_flags(
        {.uids = {uid}, .mode = mode, .flags = 0, .keywords = names, .unchanged_since = {}}));
    if (done && done->result == NameResult::done) {
      told.may[subject] = after;
    } else {
      told.may[subject].insert(after.begin(), after.end());
    }
  }
  static void transfer(Process& run, Uid uid, Transfer how) {
    const ViewPtr view = inbox(run);
    if (!view) return;
    (void)run.task(how == Transfer::move ? view->mailbox().move({uid}, "Work")
                                         : view->mailbox().copy({uid}, "Work"));
  }

  void SetUp() override {
    Process run(folder_.path());
    run.get(run.account().create("Work"));
    deliver(run, before_, "a", names_from(0, 40));
    deliver(run, before_, "b", names_from(20, 90));
    deliver(run, before_, "c", {});
    run.close();
  }
  Told prepare(const Path& mail) const {
    fs::copy(folder_.path(), mail, fs::copy_options::recursive);
    return before_;
  }
  static void work(Process& run, Told& told) {
    if (!run.task(run.accounts().open("alice@example.org"))) return;
    run.account();
    // Letters in file names are not synced, as no flag is: only numbers beyond them change here.
    change(run, told, "b", 2, FlagMode::remove, names_from(40, 90));
    change(run, told, "c", 3, FlagMode::add, {"k89", "n0", "n1"});  // now names go
    change(run, told, "c", 3, FlagMode::replace, {"k27"});
    deliver(run, told, "d", {"k33", "n2", "n3"});
    transfer(run, 1, Transfer::move);
    transfer(run, 4, Transfer::copy);
  }
  static void expect_kept(const Path& mail, const Told& told, const std::string& boot, int at) {
    SCOPED_TRACE("at operation " + std::to_string(at));
    Process run(mail, Disk::real(), Clock::system(), boot);
    std::map<std::string, int> seen;
    for (const std::string mailbox : {"INBOX", "Work"}) {
      const ViewPtr view = run.view(mailbox);
      for (const Uid uid : std::vector<Uid>(view->uids())) {
        const std::string text = run.wire_text(view->mailbox(), uid);
        const std::string subject = text.substr(9, text.find('\r') - 9);
        ++seen[subject];
        const NameSet is = of(*view, uid);
        EXPECT_TRUE(told.may.at(subject).contains(is))
            << mailbox << " " << subject << ": " << testing::PrintToString(is);
      }
    }
    for (const std::string& subject : told.acknowledged) EXPECT_GE(seen[subject], 1) << subject;
    run.close();
  }
  static void remove_index_of(const Path& mail) {
    for (const char* suffix : {"", "-wal", "-shm"})
      fs::remove(mail / kAlice / (std::string("posthorn.index") + suffix));
  }
  int operations() const {
    TempFolder folder;
    Told told = prepare(folder.path());
    FaultDisk disk(FaultDisk::Fault::none, 0);
    Process run(folder.path(), disk);
    work(run, told);
    EXPECT_EQ(told.acknowledged.size(), 4U);
    for (const auto& [subject, sets] : told.may) EXPECT_EQ(sets.size(), 1U) << subject;
    return disk.count();
  }

  Told before_;
};

TEST_F(KeywordsCrash, KilledAtEveryOperation) {
  const int all = operations();
  EXPECT_GT(all, 40);
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told = prepare(folder.path());
    FaultDisk disk(FaultDisk::Fault::for_good, at);
    {
      Process run(folder.path(), disk);
      work(run, told);
    }
    expect_kept(folder.path(), told, "boot-1", at);
    if (at % 3 != 0) continue;
    // What the files say is the same.
    remove_index_of(folder.path());
    expect_kept(folder.path(), told, "boot-1", at);
  }
}

TEST_F(KeywordsCrash, PowerCutAtEveryOperation) {
  const int all = operations();
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told = prepare(folder.path());
    const Path index = folder.path() / kAlice / "posthorn.index";
    const std::string old_index = read_text(index);
    FaultDisk disk(FaultDisk::Fault::for_good, at);
    {
      Process run(folder.path(), disk);
      work(run, told);
    }
    disk.cut_power();
    lose_index(index, old_index, at);
    expect_kept(folder.path(), told, "boot-2", at);
  }
}

TEST_F(KeywordsCrash, OneFailureAtEveryOperationAndTheProcessLivesOn) {
  const int all = operations();
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told = prepare(folder.path());
    FaultDisk disk(FaultDisk::Fault::once, at);
    {
      Process run(folder.path(), disk);
      work(run, told);
      run.close();
    }
    expect_kept(folder.path(), told, "boot-1", at);
    if (at % 3 != 0) continue;
    remove_index_of(folder.path());
    expect_kept(folder.path(), told, "boot-1", at);
  }
}

}  // namespace
}  // namespace posthorn::store
