// What lasts: UIDs and UIDVALIDITY over a restart, a deleted or broken index, a kill, a power cut,
// a damaged uidlist; Dovecot's maildirs taken over in place; mailboxes created, renamed, removed.
#include <set>
#include <sqlite3.h>

#include "harness.h"
#include "store/uidlist.h"
#include "tests/support/manual_clock.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

// UID -> Subject of a mailbox, with its UIDVALIDITY: what a client remembers.
struct Known {
  std::uint32_t uidvalidity = 0;
  Uid uidnext = 0;
  std::map<Uid, std::string> messages;
};

class Lasting : public testing::Test {
 protected:
  Path maildir(const char* folder = "") const { return folder_.path() / kAlice / folder; }
  static Known look(Process& process, const std::string& mailbox = "INBOX") {
    Known known;
    const ViewPtr view = process.view(mailbox);
    if (!view) return known;
    known.uidvalidity = view->mailbox().uidvalidity();
    known.uidnext = view->mailbox().uidnext();
    for (const Uid uid : view->uids())
      known.messages[uid] = process.wire_text(view->mailbox(), uid);
    return known;
  }
  static void fill(Process& process, int count, const std::string& mailbox = "INBOX") {
    for (int i = 0; i < count; ++i) {
      ++number();
      process.deliver(mailbox, "Subject: " + std::to_string(number()) + "\r\n\r\n");
    }
  }
  static int& number() {
    static int n = 0;
    return n;
  }
  void remove_index() {
    for (const char* suffix : {"", "-wal", "-shm"})
      fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  }
  // Law 4: what the client knew is the same or gone; nothing else stands under a UID it knew.
  static void expect_no_reuse(const Known& before, const Known& after) {
    ASSERT_GE(after.uidvalidity, before.uidvalidity);
    if (after.uidvalidity != before.uidvalidity) return;
    EXPECT_GE(after.uidnext, before.uidnext);
    for (const auto& [uid, text] : after.messages) {
      const auto at = before.messages.find(uid);
      if (at != before.messages.end()) {
        EXPECT_EQ(at->second, text) << uid;
      } else {
        EXPECT_GE(uid, before.uidnext);
      }
    }
  }

  TempFolder folder_;
};

TEST_F(Lasting, ARestartChangesNothing) {
  Known before;
  {
    Process process(folder_.path());
    fill(process, 5);
    before = look(process);
    process.close();
  }
  EXPECT_EQ(before.uidnext, 6U);
  for (int i = 0; i < 2; ++i) {
    Process process(folder_.path());
    const Known after = look(process);
    EXPECT_EQ(after.uidvalidity, before.uidvalidity);
    EXPECT_EQ(after.uidnext, before.uidnext);
    EXPECT_EQ(after.messages, before.messages);
    if (i == 0) process.close();  // and once without: a kill
  }
}

TEST_F(Lasting, ADeletedIndexComesBackWithTheSameUids) {
  Known before;
  {
    Process process(folder_.path());
    fill(process, 5);
    const ViewPtr view = process.view();
    process.get(view->mailbox().store_flags({.uids = {2, 4},
                                             .mode = FlagMode::add,
                                             .flags = flag::deleted,
                                             .keywords = {},
                                             .unchanged_since = {}}));
    process.get(view->mailbox().expunge());
    process.get(view->mailbox().store_flags({.uids = {3},
                                             .mode = FlagMode::add,
                                             .flags = flag::seen,
                                             .keywords = {"Blue"},
                                             .unchanged_since = {}}));
    before = look(process);
    process.close();
  }
  ModSeq modseq = 0;
  for (int i = 0; i < 3; ++i) {
    remove_index();
    Process process(folder_.path());
    const Known after = look(process);
    EXPECT_EQ(after.uidvalidity, before.uidvalidity);
    EXPECT_EQ(after.messages, before.messages);
    if (i == 0) EXPECT_EQ(after.uidnext, before.uidnext);
    const ViewPtr view = process.view();
    EXPECT_EQ(view->recent(), 0U);
    EXPECT_EQ(view->mailbox().find(3)->flags, flag::seen);
    EXPECT_EQ(view->mailbox().keyword_names(view->mailbox().find(3)->keywords),
              std::vector<std::string_view>{"Blue"});
    EXPECT_GT(view->mailbox().highest_modseq(), modseq);
    EXPECT_FALSE(process.get(view->mailbox().vanished_since(1)).complete);
    modseq = view->mailbox().highest_modseq();
    if (i == 1) process.close();
  }
}

TEST_F(Lasting, ABrokenIndexIsMadeAnew) {
  Known before;
  {
    Process process(folder_.path());
    fill(process, 3);
    before = look(process);
    process.close();
  }
  const std::string good = read_text(maildir() / "posthorn.index");
  const std::string broken[] = {
      "", "not a database at all, but long enough to be looked at by the library of it",
      good.substr(0, good.size() / 2), std::string(4096, '\0')};
  for (const std::string& text : broken) {
    write_text(maildir() / "posthorn.index", text);
    Process process(folder_.path());
    const Known after = look(process);
    EXPECT_EQ(after.uidvalidity, before.uidvalidity);
    EXPECT_EQ(after.messages, before.messages);
    process.close();
  }
}

TEST_F(Lasting, TheIndexOfAnotherVersionIsMadeAnew) {
  {
    Process process(folder_.path());
    fill(process, 1);
    process.close();
  }
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((maildir() / "posthorn.index").c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "PRAGMA user_version = 99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  Process process(folder_.path());
  EXPECT_EQ(look(process).messages.size(), 1U);
}

// Version 2 kept what IMAP said of a message as text: that goes, all other rows stay.
TEST_F(Lasting, TheIndexWithTextsOfImapKeepsItsRows) {
  const auto change = [&](const char* sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open((maildir() / "posthorn.index").c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  };
  Known before;
  ModSeq modseq = 0;
  {
    Process process(folder_.path());
    fill(process, 3);
    before = look(process);
    modseq = process.view()->mailbox().highest_modseq();
    process.close();
  }
  change(
      "DROP TABLE records; CREATE TABLE cache(mailbox INTEGER, uid INTEGER, kind INTEGER, "
      "bytes BLOB, PRIMARY KEY(mailbox, uid, kind)) WITHOUT ROWID;"
      "INSERT INTO cache SELECT mailbox, uid, 111, CAST('(NIL)' AS BLOB) FROM messages;"
      "PRAGMA user_version = 2;");
  {
    Process process(folder_.path());
    const Known after = look(process);
    EXPECT_EQ(after.uidvalidity, before.uidvalidity);
    EXPECT_EQ(after.uidnext, before.uidnext);
    EXPECT_EQ(after.messages, before.messages);
    const ViewPtr view = process.view();
    EXPECT_EQ(view->mailbox().highest_modseq(), modseq) << "it was made anew";
    EXPECT_TRUE(process.get(view->mailbox().load_records({1, 2, 3})).empty());
    process.get(view->mailbox().keep_records({{2, "facts"}}));
    EXPECT_EQ(process.get(view->mailbox().load_records({1, 2, 3})).size(), 1U);
    process.close();
  }
  change("CREATE TABLE cache(x); DROP TABLE cache;");  // it was gone
}

TEST_F(Lasting, APowerCutThatLosesTheNewestRowsReusesNoUid) {
  Known before;
  {
    Process process(folder_.path());
    fill(process, 3);
    process.close();
  }
  const std::string old_index = read_text(maildir() / "posthorn.index");
  {
    Process process(folder_.path());
    fill(process, 4);
    before = look(process);
  }
  // The index is as before, and so is the tail of the uidlist but for its synced header.
  remove_index();
  write_text(maildir() / "posthorn.index", old_index);
  std::string list = read_text(maildir() / "dovecot-uidlist");
  const auto parsed = parse_uidlist(list);
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->lines.size(), 7U);
  EXPECT_GE(parsed->leased, before.uidnext);
  list.resize(list.rfind("\n5 ") + 1);
  write_text(maildir() / "dovecot-uidlist", list);
  Process process(folder_.path(), Disk::real(), Clock::system(), "boot-2");
  fill(process, 1);
  const Known after = look(process);
  EXPECT_EQ(after.messages.size(), 8U);
  expect_no_reuse(before, after);
  EXPECT_EQ(after.uidvalidity, before.uidvalidity);
}

TEST_F(Lasting, AKillBetweenUidlistAndIndexKeepsTheUid) {
  Known before;
  std::string old_index;
  {
    Process process(folder_.path());
    fill(process, 3);
    process.close();
    old_index = read_text(maildir() / "posthorn.index");
  }
  {
    Process process(folder_.path());
    fill(process, 2);
    before = look(process);
  }
  remove_index();
  write_text(maildir() / "posthorn.index", old_index);
  Process process(folder_.path());
  const Known after = look(process);
  EXPECT_EQ(after.messages, before.messages);
}

TEST_F(Lasting, ADamagedUidlistNeverLeadsToReuse) {
  Known before;
  std::string list;
  std::string index;
  {
    Process process(folder_.path());
    fill(process, 4);
    {
      const ViewPtr view = process.view();
      process.get(view->mailbox().store_flags({.uids = {4},
                                               .mode = FlagMode::add,
                                               .flags = flag::deleted,
                                               .keywords = {},
                                               .unchanged_since = {}}));
      process.get(view->mailbox().expunge());
    }
    before = look(process);
    process.close();
    list = read_text(maildir() / "dovecot-uidlist");
    index = read_text(maildir() / "posthorn.index");
  }
  const auto check = [&](const std::string& text, bool with_index, const char* boot) {
    remove_index();
    if (with_index) write_text(maildir() / "posthorn.index", index);
    write_text(maildir() / "dovecot-uidlist", text);
    Process process(folder_.path(), Disk::real(), Clock::system(), boot);
    const Known after = look(process);
    EXPECT_EQ(after.messages.size(), 3U);
    expect_no_reuse(before, after);
    // With the index there, and no power cut, nothing changes at all.
    if (with_index && std::string_view(boot) == "boot-1") {
      EXPECT_EQ(after.messages, before.messages);
    }
    process.close();
  };
  for (std::size_t size = 0; size <= list.size(); size += 3) {
    check(list.substr(0, size), true, "boot-1");
    check(list.substr(0, size), true, "boot-2");
    check(list.substr(0, size), false, "boot-1");
  }
}

TEST_F(Lasting, ALostUidlistAndIndexMakeUidvalidityGrowAlsoWhenTheClockWentBack) {
  test::ManualClock clock;
  Known before;
  {
    Process process(folder_.path(), Disk::real(), clock);
    fill(process, 3);
    before = look(process);
    process.close();
  }
  EXPECT_EQ(before.uidvalidity, 1'767'225'600U);
  clock.set_wall(clock.now() - std::chrono::hours(24 * 365));
  for (int i = 0; i < 3; ++i) {
    remove_index();
    fs::remove(maildir() / "dovecot-uidlist");
    Process process(folder_.path(), Disk::real(), clock);
    const Known after = look(process);
    EXPECT_GT(after.uidvalidity, before.uidvalidity);
    EXPECT_EQ(after.messages.size(), 3U);
    before = after;
    process.close();
  }
}

TEST_F(Lasting, KeywordsBeyondTheLettersOutliveTheIndex) {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back("k" + std::to_string(i));
  const auto names_of = [](Process& process, const std::string& name, Uid uid) {
    const ViewPtr view = process.view(name);
    const auto views = view->mailbox().keyword_names(view->mailbox().find(uid)->keywords);
    return std::set<std::string>(views.begin(), views.end());
  };
  const std::set<std::string> all(names.begin(), names.end());
  {
    Process process(folder_.path());
    process.get(process.account().create("Work"));
    process.deliver("INBOX", kMail, 0, names);
    process.deliver("INBOX", kMail);
    const ViewPtr view = process.view();
    process.get(view->mailbox().store_flags({.uids = {2},
                                             .mode = FlagMode::add,
                                             .flags = 0,
                                             .keywords = names,
                                             .unchanged_since = {}}));
    process.get(view->mailbox().store_flags({.uids = {2},
                                             .mode = FlagMode::remove,
                                             .flags = 0,
                                             .keywords = {"k30", "k3"},
                                             .unchanged_since = {}}));
    process.get(view->mailbox().copy({1}, "Work"));
  }
  for (const char* suffix : {"", "-wal", "-shm"})
    fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  // A line that a power cut tore.
  std::ofstream(maildir() / "posthorn-keywords", std::ios::app) << "=40";
  Process process(folder_.path());
  EXPECT_EQ(names_of(process, "INBOX", 1), all);
  EXPECT_EQ(names_of(process, "Work", 1), all);
  std::set<std::string> less = all;
  less.erase("k30");
  less.erase("k3");
  EXPECT_EQ(names_of(process, "INBOX", 2), less);
  // What comes behind the torn line counts.
  {
    const ViewPtr view = process.view();
    process.get(view->mailbox().store_flags({.uids = {2},
                                             .mode = FlagMode::add,
                                             .flags = 0,
                                             .keywords = {"k30"},
                                             .unchanged_since = {}}));
  }
  process.close();
  for (const char* suffix : {"", "-wal", "-shm"})
    fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  Process again(folder_.path());
  less.insert("k30");
  EXPECT_EQ(names_of(again, "INBOX", 2), less);
}

TEST_F(Lasting, AMailboxOfTheSameNameGetsAnotherUidvalidity) {
  Process process(folder_.path());
  Account& account = process.account();
  process.get(account.create("Work"));
  fill(process, 2, "Work");
  const Known before = look(process, "Work");
  EXPECT_EQ(process.get(account.remove("Work")), NameResult::done);
  EXPECT_FALSE(process.get(account.status("Work")));
  EXPECT_EQ(process.get(account.create("Work")), NameResult::done);
  const Known after = look(process, "Work");
  EXPECT_GT(after.uidvalidity, before.uidvalidity);
  EXPECT_TRUE(after.messages.empty());
}

void write_dovecot_maildir(const Path& path) {
  fs::create_directories(path / "new");
  fs::create_directories(path / "cur");
  fs::create_directories(path / "tmp");
  const Path sent = path / ".Sent";
  for (const char* part : {"new", "cur", "tmp"}) fs::create_directories(sent / part);
  write_text(sent / "maildirfolder", "");
  write_text(path / "cur/1276528487.M364837P9451.kurkku,S=15,W=17:2,Sa", "Subject: one\n\n\n");
  write_text(path / "cur/1276533073.M242911P3632.kurkku:2,F", "Subject: two\n\n");
  write_text(path / "new/1276533999.M1P1.kurkku,S=16,W=18", "Subject: three\n\n");
  write_text(path / "dovecot-uidlist",
             "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
             "25006 :1276528487.M364837P9451.kurkku,S=15,W=17\n"
             "25010 :1276528400.M1P1.gone,S=1,W=1\n"
             "25017 W2481 :1276533073.M242911P3632.kurkku\n");
  write_text(path / "dovecot-uidvalidity", "4c0914b3");
  write_text(path / "dovecot-uidvalidity.4c0914b3", "");
  write_text(path / "dovecot-keywords", "0 $Forwarded\n1 NonJunk\n");
  write_text(path / "subscriptions", "Sent\n");
  write_text(path / "dovecot.index.log", "whatever");
  write_text(sent / "cur/1276528487.M1P1.kurkku,S=14,W=16:2,S", "Subject: out\n\n");
  write_text(sent / "dovecot-uidlist",
             "3 V1275660209 N8 Gaa\n7 :1276528487.M1P1.kurkku,S=14,W=16\n");
}

TEST_F(Lasting, ADovecotMaildirIsTakenOverInPlace) {
  write_dovecot_maildir(maildir());
  Process process(folder_.path());
  {
    const ViewPtr view = process.view();
    EXPECT_EQ(view->mailbox().uidvalidity(), 1275660208U);
    EXPECT_EQ(view->uids(), (std::vector<Uid>{25006, 25017, 25022}));
    EXPECT_EQ(view->mailbox().uidnext(), 25023U);
    EXPECT_EQ(view->recent(), 1U);
    const Entry one = *view->mailbox().find(25006);
    EXPECT_EQ(one.flags, flag::seen);
    EXPECT_EQ(one.wire_size, 17U);
    EXPECT_EQ(view->mailbox().keyword_names(one.keywords),
              std::vector<std::string_view>{"$Forwarded"});
    EXPECT_EQ(view->mailbox().find(25017)->flags, flag::flagged);
    EXPECT_EQ(process.wire_text(view->mailbox(), 25006), "Subject: one\r\n\r\n\r\n");
    EXPECT_EQ(process.wire_text(view->mailbox(), 25017), "Subject: two\r\n\r\n");
    const ViewPtr sent = process.view("Sent");
    EXPECT_EQ(sent->uids(), std::vector<Uid>{7});
    EXPECT_EQ(sent->mailbox().uidvalidity(), 1275660209U);
  }
  const auto list = process.get(process.account().list());
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1].name, "Sent");
  EXPECT_TRUE(list[1].is_subscribed);
  EXPECT_EQ(list[1].use, SpecialUse::sent);
  // New mailboxes come behind what Dovecot gave out.
  process.get(process.account().create("Later"));
  EXPECT_GT(look(process, "Later").uidvalidity, 0x4c0914b3U);
  process.close();
  // And Dovecot can read what we left: the header, ascending lines, its own GUID.
  const std::string text = read_text(maildir() / "dovecot-uidlist");
  EXPECT_TRUE(text.starts_with("3 V1275660208 N0000025023 G3085f01b7f11094c501100008c4a11c1 M000"));
  const auto parsed = parse_uidlist(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->lines.size(), 3U);
  EXPECT_FALSE(parsed->is_torn);
}

TEST_F(Lasting, DovecotGivesUidsWhileWeRun) {
  Process process(folder_.path());
  fill(process, 2);
  const ViewPtr view = process.view();
  const std::string name = "1800000000.M1P1.dovecot,S=14,W=16";
  write_text(maildir() / "cur" / (name + ":2,S"), "Subject: dov\n\n");
  const auto before = parse_uidlist(read_text(maildir() / "dovecot-uidlist"));
  ASSERT_TRUE(before);
  const Uid given = before->leased;  // what Dovecot would give: it believes N
  std::ofstream(maildir() / "dovecot-uidlist", std::ios::app) << given << " :" << name << "\n";
  process.get(view->mailbox().refresh());
  view->take_changes(ExpungeMode::allowed);
  EXPECT_EQ(view->uid_of(3), given);
  fill(process, 1);
  view->take_changes(ExpungeMode::allowed);
  EXPECT_EQ(view->uid_of(4), given + 1);
  EXPECT_FALSE(parse_uidlist(read_text(maildir() / "dovecot-uidlist"))->is_torn);
}

TEST_F(Lasting, DovecotBeganAnewMeansAllIsNew) {
  {
    Process process(folder_.path());
    fill(process, 2);
    process.close();
  }
  const auto names = names_in(maildir() / "new");
  ASSERT_EQ(names.size(), 2U);
  write_text(maildir() / "dovecot-uidlist", "3 V4000000000 N11 Gaa\n10 :" + names[1] + "\n");
  Process process(folder_.path());
  const ViewPtr view = process.view();
  EXPECT_EQ(view->mailbox().uidvalidity(), 4'000'000'000U);
  EXPECT_EQ(view->uids(), (std::vector<Uid>{10, 11}));
}

TEST_F(Lasting, AStaleLockOfADeadProcessDoesNotHinder) {
  Process process(folder_.path());
  fill(process, 1);
  write_text(maildir() / "dovecot-uidlist.lock", "999999999:mx.example.org");
  fill(process, 1);
  EXPECT_FALSE(fs::exists(maildir() / "dovecot-uidlist.lock"));
  EXPECT_EQ(look(process).messages.size(), 2U);
}

TEST_F(Lasting, MailboxesByName) {
  Process process(folder_.path());
  Account& account = process.account();
  EXPECT_EQ(process.get(account.create("Work.2026.März")), NameResult::done);
  EXPECT_EQ(process.get(account.create("Work")), NameResult::exists);
  EXPECT_EQ(process.get(account.create("inbox")), NameResult::exists);
  EXPECT_EQ(process.get(account.create("Trailing.")), NameResult::done);
  EXPECT_EQ(process.get(account.create("a..b")), NameResult::bad_name);
  EXPECT_EQ(process.get(account.create("../x")), NameResult::bad_name);
  EXPECT_TRUE(fs::is_directory(maildir() / ".Work.2026.M&AOQ-rz" / "cur"));
  EXPECT_EQ(process.get(account.remove("INBOX")), NameResult::cannot);
  EXPECT_EQ(process.get(account.remove("Nowhere")), NameResult::not_found);
  EXPECT_EQ(process.get(account.remove("Work.2026")), NameResult::done);
  EXPECT_EQ(process.get(account.subscribe("Work")), NameResult::done);
  EXPECT_EQ(process.get(account.subscribe("Gone.Far")), NameResult::done);
  const auto list = process.get(account.list());
  std::map<std::string, MailboxInfo> by_name;
  for (const MailboxInfo& info : list) by_name[info.name] = info;
  EXPECT_EQ(list.at(0).name, "INBOX");
  EXPECT_TRUE(by_name.at("Work").is_subscribed);
  EXPECT_TRUE(by_name.at("Work").has_children);
  EXPECT_FALSE(by_name.at("Work.2026").is_selectable);
  EXPECT_TRUE(by_name.at("Work.2026.März").is_selectable);
  EXPECT_FALSE(by_name.at("Gone.Far").is_selectable);
  EXPECT_TRUE(by_name.at("Gone.Far").is_subscribed);
  EXPECT_EQ(by_name.count("Gone"), 0U);
  EXPECT_EQ(process.get(account.find_mailbox_nocase("WORK.2026.MÄRZ")), "Work.2026.März");
  EXPECT_EQ(process.get(account.find_mailbox_nocase("inbox")), "INBOX");
  EXPECT_EQ(process.get(account.find_mailbox_nocase("x")), std::nullopt);
  EXPECT_EQ(process.get(account.unsubscribe("Work")), NameResult::done);
  EXPECT_EQ(read_text(maildir() / "subscriptions"), "Gone.Far\n");
}

TEST_F(Lasting, RenameTakesChildrenAndUids) {
  Process process(folder_.path());
  Account& account = process.account();
  process.get(account.create("Old.Child"));
  process.get(account.create("Older"));
  fill(process, 2, "Old");
  fill(process, 1, "Old.Child");
  const Known before = look(process, "Old");
  const ViewPtr open = process.view("Old.Child");
  EXPECT_EQ(process.get(account.rename("Old", "Old.Below")), NameResult::cannot);
  EXPECT_EQ(process.get(account.rename("Old", "Older")), NameResult::exists);
  EXPECT_EQ(process.get(account.rename("Nowhere", "X")), NameResult::not_found);
  EXPECT_EQ(process.get(account.rename("Old", "Deep.New")), NameResult::done);
  const Known after = look(process, "Deep.New");
  EXPECT_EQ(after.uidvalidity, before.uidvalidity);
  EXPECT_EQ(after.messages, before.messages);
  EXPECT_EQ(open->mailbox().name(), "Deep.New.Child");
  EXPECT_FALSE(open->mailbox().is_gone());
  EXPECT_NE(process.wire_text(open->mailbox(), 1), "(gone)");
  EXPECT_FALSE(process.get(account.status("Old")));
  EXPECT_FALSE(process.get(account.status("Old.Child")));
  EXPECT_TRUE(process.get(account.status("Older")));
  EXPECT_TRUE(process.get(account.status("Deep")));
  // It lasts.
  process.close();
  Process again(folder_.path());
  EXPECT_EQ(look(again, "Deep.New").messages, before.messages);
}

TEST_F(Lasting, RenamingInboxMovesItsMessages) {
  Process process(folder_.path());
  fill(process, 3);
  const ViewPtr inbox = process.view();
  EXPECT_EQ(process.get(process.account().rename("INBOX", "Saved.All")), NameResult::done);
  EXPECT_EQ(inbox->take_changes(ExpungeMode::allowed).expunged.size(), 3U);
  EXPECT_EQ(look(process, "Saved.All").messages.size(), 3U);
  EXPECT_TRUE(look(process).messages.empty());
}

TEST_F(Lasting, ARemovedMailboxEndsItsSessions) {
  Process process(folder_.path());
  process.get(process.account().create("Work"));
  fill(process, 2, "Work");
  const ViewPtr view = process.view("Work");
  EXPECT_EQ(process.get(process.account().remove("Work")), NameResult::done);
  EXPECT_TRUE(view->take_changes(ExpungeMode::allowed).is_gone);
  EXPECT_FALSE(process.task(view->mailbox().expunge()));
  EXPECT_FALSE(process.view("Work"));
  for (const std::string& name : names_in(maildir())) EXPECT_FALSE(name.starts_with("..")) << name;
  // Another program may remove one, too.
  process.get(process.account().create("Other"));
  const ViewPtr other = process.view("Other");
  fs::remove_all(maildir() / ".Other");
  process.get(other->mailbox().refresh());
  EXPECT_TRUE(other->take_changes(ExpungeMode::allowed).is_gone);
}

TEST_F(Lasting, DefaultMailboxesAreMadeOnce) {
  {
    Process process(folder_.path());
    process.get(process.account().ensure_defaults());
    std::vector<std::string> names;
    for (const MailboxInfo& info : process.get(process.account().list())) {
      names.push_back(info.name);
      EXPECT_EQ(info.is_subscribed, info.name != "INBOX");
      EXPECT_EQ(info.use != SpecialUse::none, info.name != "INBOX");
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}));
    process.get(process.account().remove("Archive"));
    process.close();
  }
  remove_index();
  Process process(folder_.path());
  process.get(process.account().ensure_defaults());
  EXPECT_EQ(process.get(process.account().list()).size(),
            6U);  // Archive is only a subscription now
  EXPECT_FALSE(process.get(process.account().status("Archive")));
}

TEST_F(Lasting, AccountsCloseWhenIdleAndOpenAgain) {
  Process process(folder_.path());
  process.account();
  EXPECT_EQ(process.accounts().size(), 1U);
  EXPECT_FALSE(process.task(process.accounts().open("evil\n@example.org")));
  EXPECT_FALSE(process.task(process.accounts().open("Upper@example.org")));
  EXPECT_EQ(process.accounts().size(), 1U);
  process.close();
  EXPECT_EQ(process.accounts().size(), 0U);
}

}  // namespace
}  // namespace posthorn::store
