// Stop at every operation on the disk in turn, start again, and ask: is every acknowledged message
// there under the UID that was told, is no UID reused, is nothing there twice, and does no
// mod-sequence that was told stand for something else? Once as a kill (all that was written stays),
// once as a power cut (all that was not synced is gone, and the index falls back to what it was).
// And: one failing operation, the process living on.
#include <algorithm>

#include "harness.h"
#include "tests/support/fault_disk.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

using test::FaultDisk;

// What a client was told.
struct Told {
  std::set<std::string> acknowledged;            // subjects that must be somewhere
  std::map<std::string, std::string> ever;       // "mailbox validity uid" -> subject
  std::map<std::string, Uid> uidnext;            // "mailbox validity"
  std::map<std::string, Uid> looked;             // "mailbox validity": UIDNEXT at the last look
  std::map<std::string, ModSeq> highest;         // "mailbox validity"
  std::map<std::string, std::set<Uid>> uids_of;  // "mailbox validity subject"
  struct Marks {
    ModSeq modseq = 0;
    Flags flags = 0;
    Keywords keywords;
  };
  std::map<std::string, Marks> marks;  // "mailbox validity uid"
  std::map<std::string, std::uint32_t> uidvalidity;
};

class Crash : public testing::Test {
 protected:
  static std::string subject_of(Process& process, Mailbox& mailbox, Uid uid) {
    auto opened = process.task(mailbox.open_message(uid));
    if (!opened || !*opened) return {};
    std::string text(200, '\0');
    const auto n = read_at((*opened)->file, text, 0);
    text.resize(n ? *n : 0);
    return text.substr(0, text.find('\n'));
  }

  // A client that knows the highest mod-sequence learns of all that is not as it was told.
  static void look_at_marks(const Mailbox& mailbox, Uid uid, const std::string& id, ModSeq highest,
                            Told& told) {
    const Entry* entry = mailbox.find(uid);
    if (entry == nullptr) return;
    Told::Marks& marks = told.marks[id];
    const bool is_same = marks.flags == entry->flags && marks.keywords == entry->keywords;
    if (marks.modseq != 0 && !is_same) {
      EXPECT_GT(entry->modseq, highest) << id << " changed in silence";
      EXPECT_NE(entry->modseq, marks.modseq) << id;
    }
    marks = {entry->modseq, entry->flags, entry->keywords};
  }

  // What the client sees now; checked against what it saw before.
  static void look(Process& process, Told& told, std::map<std::string, int>* found = nullptr) {
    for (const std::string name : {"INBOX", "Work"}) {
      auto view = process.task(process.account().open_view(name, Access::read_write));
      if (!view || !*view) continue;
      Mailbox& mailbox = (*view)->mailbox();
      const std::string key = name + " " + std::to_string(mailbox.uidvalidity());
      auto& known = told.uidvalidity[name];
      EXPECT_GE(mailbox.uidvalidity(), known) << name;
      known = std::max(known, mailbox.uidvalidity());
      EXPECT_GE(mailbox.uidnext(), told.uidnext[key]) << key;
      EXPECT_GE(mailbox.highest_modseq(), told.highest[key]) << key;
      // New is only what is behind the UIDNEXT of the last look.
      const Uid before = told.looked[key];
      for (const Uid uid : std::vector<Uid>((*view)->uids())) {
        const std::string subject = subject_of(process, mailbox, uid);
        if (subject.empty()) continue;
        if (found != nullptr) ++(*found)[subject];
        const std::string id = key + " " + std::to_string(uid);
        const auto at = told.ever.find(id);
        if (at != told.ever.end()) {
          EXPECT_EQ(at->second, subject) << id;
        } else {
          EXPECT_GE(uid, before) << id << " was not there before";
          told.ever[id] = subject;
        }
        // Law 4: the UID that was told is the one it has.
        std::set<Uid>& uids = told.uids_of[key + " " + subject];
        EXPECT_TRUE(uids.empty() || uids.contains(uid)) << id << " " << subject << " had another";
        uids.insert(uid);
        look_at_marks(mailbox, uid, id, told.highest[key], told);
      }
      told.looked[key] = std::max(told.looked[key], mailbox.uidnext());
      told.uidnext[key] = std::max(told.uidnext[key], mailbox.uidnext());
      told.highest[key] = std::max(told.highest[key], mailbox.highest_modseq());
    }
  }

  static bool deliver(Process& process, Told& told, const std::string& mailbox,
                      const std::string& subject, Flags flags = 0,
                      std::vector<std::string> keywords = {}) {
    auto delivery = process.task(process.account().begin_delivery());
    if (!delivery || !process.task((*delivery)->write("Subject: " + subject + "\r\n\r\nbody\r\n")))
      return false;
    std::vector<Target> targets(1);
    targets[0].mailbox = mailbox;
    targets[0].flags = flags;
    targets[0].keywords = std::move(keywords);
    const auto placed = process.task((*delivery)->commit(std::move(targets)));
    if (!placed || placed->at(0).result != NameResult::done) return false;
    told.acknowledged.insert("Subject: " + subject);
    if (placed->at(0).uid != 0) {
      const std::string key = mailbox + " " + std::to_string(placed->at(0).uidvalidity);
      told.ever[key + " " + std::to_string(placed->at(0).uid)] = "Subject: " + subject;
      told.uidnext[key] = std::max(told.uidnext[key], placed->at(0).uid + 1);
      std::set<Uid>& uids = told.uids_of[key + " Subject: " + subject];
      EXPECT_TRUE(uids.empty()) << subject;
      uids.insert(placed->at(0).uid);
    }
    return true;
  }

  // Everything a session does; goes on after a failure as a client would.
  static void work(Process& process, Told& told) {
    auto opened = process.task(process.accounts().open("alice@example.org"));
    if (!opened) return;
    process.account();
    look(process, told);
    deliver(process, told, "INBOX", "first");
    deliver(process, told, "INBOX", "flagged", flag::flagged);
    (void)process.task(process.account().create("Work"));
    deliver(process, told, "Work", "to work");
    look(process, told);
    auto view = process.task(process.account().open_view("INBOX", Access::read_write));
    if (!view || !*view) return;
    Mailbox& inbox = (*view)->mailbox();
    const std::vector<Uid> uids = (*view)->uids();
    if (uids.size() < 4) return;
    (void)process.task(inbox.store_flags({.uids = {uids[0], uids[1]},
                                          .mode = FlagMode::add,
                                          .flags = flag::seen,
                                          .keywords = {"Blue"},
                                          .unchanged_since = {}}));
    (void)process.task(inbox.copy({uids[0]}, "Work"));
    look(process, told);
    (void)process.task(inbox.move({uids[1], uids[2]}, "Work"));
    look(process, told);
    const std::string doomed = subject_of(process, inbox, uids[3]);
    if (process.task(inbox.store_flags({.uids = {uids[3]},
                                        .mode = FlagMode::add,
                                        .flags = flag::deleted,
                                        .keywords = {},
                                        .unchanged_since = {}}))) {
      told.acknowledged.erase(doomed);
      (void)process.task(inbox.expunge());
    }
    look(process, told);
    deliver(process, told, "INBOX", "last");
    look(process, told);
  }

  static void prepare(const Path& mail, Told& told) {
    Process process(mail);
    process.account();
    for (const char* subject : {"a", "b", "c"}) deliver(process, told, "INBOX", subject);
    // All letters have names: the next keyword stands in posthorn-keywords.
    std::vector<std::string> letters;
    for (std::size_t i = 0; i < kKeywordLettersMax; ++i) letters.push_back("k" + std::to_string(i));
    deliver(process, told, "INBOX", "d", 0, letters);
    look(process, told);
    process.close();
  }

  static void expect_all_there(const Path& mail, Told& told, const char* boot, bool may_be_twice,
                               int at) {
    SCOPED_TRACE("at operation " + std::to_string(at));
    std::map<std::string, int> found;
    Process process(mail, Disk::real(), Clock::system(), boot);
    look(process, told, &found);
    for (const std::string& subject : told.acknowledged) EXPECT_GE(found[subject], 1) << subject;
    for (const auto& [subject, times] : found) {
      // The first one was copied on purpose.
      const int most = subject == "Subject: a" || may_be_twice ? 2 : 1;
      EXPECT_LE(times, most) << subject;
    }
    // And it works on.
    EXPECT_TRUE(deliver(process, told, "INBOX", "after"));
    look(process, told);
    process.close();
  }
  static int operations() {
    TempFolder folder;
    Told told;
    prepare(folder.path(), told);
    FaultDisk disk(FaultDisk::Fault::none, 0);
    Process process(folder.path(), disk);
    work(process, told);
    EXPECT_EQ(told.acknowledged.size(), 7U);  // eight, one of them expunged
    return disk.count();
  }
};

// What a UID that lasts costs: nothing. One sync of the message, one of its folder.
TEST_F(Crash, ADeliveryTakesTwoSyncs) {
  TempFolder folder;
  Told told;
  prepare(folder.path(), told);
  FaultDisk disk;
  Process process(folder.path(), disk);
  deliver(process, told, "INBOX", "the first renews the lease");
  disk.arm({});
  constexpr int kMails = 20;
  for (int i = 0; i < kMails; ++i) deliver(process, told, "INBOX", "mail " + std::to_string(i));
  const auto operations = disk.operations();
  EXPECT_EQ(std::ranges::count(operations, FaultDisk::Op::sync), kMails);
  EXPECT_EQ(std::ranges::count(operations, FaultDisk::Op::sync_folder), kMails);
}

TEST_F(Crash, KilledAtEveryOperation) {
  const int all = operations();
  EXPECT_GT(all, 40);
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told;
    prepare(folder.path(), told);
    FaultDisk disk(FaultDisk::Fault::for_good, at);
    {
      Process process(folder.path(), disk);
      work(process, told);
    }
    expect_all_there(folder.path(), told, "boot-1", false, at);
  }
}

TEST_F(Crash, PowerCutAtEveryOperation) {
  const int all = operations();
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told;
    prepare(folder.path(), told);
    const Path index = folder.path() / kAlice / "posthorn.index";
    const std::string old_index = read_text(index);
    FaultDisk disk(FaultDisk::Fault::for_good, at);
    {
      Process process(folder.path(), disk);
      work(process, told);
    }
    disk.cut_power();
    lose_index(index, old_index, at);
    expect_all_there(folder.path(), told, "boot-2", true, at);
  }
}

TEST_F(Crash, OneFailureAtEveryOperationAndTheProcessLivesOn) {
  const int all = operations();
  for (int at = 1; at <= all && !HasFailure(); ++at) {
    TempFolder folder;
    Told told;
    prepare(folder.path(), told);
    FaultDisk disk(FaultDisk::Fault::once, at);
    {
      Process process(folder.path(), disk);
      work(process, told);
      SCOPED_TRACE("in the same process, at operation " + std::to_string(at));
      std::map<std::string, int> found;
      look(process, told, &found);
      for (const std::string& subject : told.acknowledged) EXPECT_GE(found[subject], 1) << subject;
      EXPECT_TRUE(deliver(process, told, "INBOX", "later"));
      process.close();
    }
    expect_all_there(folder.path(), told, "boot-1", false, at);
  }
}

}  // namespace
}  // namespace posthorn::store
