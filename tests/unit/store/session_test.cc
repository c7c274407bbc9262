// What sessions see and do: views, flags, expunge, copy, move, two of them at once, other programs
// in the maildir.
#include <atomic>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "harness.h"
#include "store/file_name.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;
using testing::Test;

class Session : public Test {
 protected:
  Path maildir() const { return folder_.path() / kAlice; }
  std::vector<Uid> deliver(std::size_t count, std::string mailbox = "INBOX") {
    std::vector<Uid> uids;
    for (std::size_t i = 0; i < count; ++i)
      uids.push_back(
          run_.deliver(mailbox, "Subject: " + std::to_string(i) + "\r\n\r\nbody\r\n").uid);
    return uids;
  }
  FlagResult flags(View& view, std::vector<Uid> uids, FlagMode mode, Flags bits,
                   std::vector<std::string> keywords = {}) {
    return run_.get(view.mailbox().store_flags({.uids = std::move(uids),
                                                .mode = mode,
                                                .flags = bits,
                                                .keywords = std::move(keywords),
                                                .unchanged_since = {}}));
  }
  ViewChanges look(View& view) {
    run_.get(view.mailbox().refresh());
    return view.take_changes(ExpungeMode::allowed);
  }

  TempFolder folder_;
  Process run_{folder_.path()};
};

TEST_F(Session, ADeliveredMessageIsThereInWireForm) {
  const Placed placed = run_.deliver("INBOX", kMail);
  EXPECT_EQ(placed.result, NameResult::done);
  EXPECT_EQ(placed.uid, 1U);
  EXPECT_GT(placed.uidvalidity, 1'700'000'000U);
  const ViewPtr view = run_.view();
  ASSERT_EQ(view->size(), 1U);
  EXPECT_EQ(view->recent(), 1U);
  EXPECT_EQ(view->mailbox().uidvalidity(), placed.uidvalidity);
  EXPECT_EQ(view->mailbox().uidnext(), 2U);
  const Entry entry = *view->mailbox().find(1);
  EXPECT_EQ(entry.size, kMail.size() - 4);
  EXPECT_EQ(entry.wire_size, kMail.size());
  EXPECT_EQ(run_.wire_text(view->mailbox(), 1), kMail);
  // A session that may write takes \Recent: the file moved to cur/, the next session is told
  // nothing new.
  EXPECT_TRUE(names_in(maildir() / "new").empty());
  const auto names = names_in(maildir() / "cur");
  ASSERT_EQ(names.size(), 1U);
  const std::string mark = uid_mark(placed.uidvalidity, 1);
  EXPECT_NE(names[0].find(".mx.example.org,S=31,W=35" + mark + ":2,"), std::string::npos)
      << names[0];
  EXPECT_TRUE(names_in(maildir() / "tmp").empty());
  EXPECT_EQ(run_.view()->recent(), 0U);
}

TEST_F(Session, ExamineLeavesRecentAlone) {
  deliver(2);
  EXPECT_EQ(run_.view("INBOX", Access::read_only)->recent(), 2U);
  EXPECT_EQ(run_.get(run_.account().status("INBOX"))->recent, 2U);
  EXPECT_EQ(names_in(maildir() / "new").size(), 2U);
  const ViewPtr first = run_.view();
  EXPECT_EQ(first->recent(), 2U);
  EXPECT_TRUE(first->is_recent(1));
  const ViewPtr second = run_.view();
  EXPECT_EQ(second->recent(), 0U);
  deliver(1);
  // Whoever looks first is told.
  EXPECT_EQ(look(*second).recent, 1U);
  const ViewChanges changes = look(*first);
  EXPECT_EQ(changes.exists, 3U);
  EXPECT_FALSE(changes.recent);
  EXPECT_EQ(first->recent(), 2U);
}

TEST_F(Session, TwoSessionsSeeEachOthersChanges) {
  const auto uids = deliver(5);
  const ViewPtr one = run_.view();
  const ViewPtr two = run_.view();
  EXPECT_TRUE(look(*one).empty());
  const FlagResult stored =
      flags(*one, {uids[1], uids[3]}, FlagMode::add, flag::seen | flag::flagged);
  ASSERT_EQ(stored.messages.size(), 2U);
  EXPECT_TRUE(stored.messages[0].is_changed);
  one->mark_told(stored.messages);
  EXPECT_TRUE(look(*one).empty());  // its own, told already
  EXPECT_TRUE(two->has_changes());
  EXPECT_EQ(look(*two).flags, (std::vector<Uid>{uids[1], uids[3]}));
  EXPECT_FALSE(two->has_changes());
  EXPECT_EQ(two->mailbox().find(uids[1])->flags, flag::seen | flag::flagged);
  // The other one changes it once more: now it is news for the first as well.
  one->mark_told(flags(*one, {uids[1]}, FlagMode::remove, flag::seen).messages);
  flags(*two, {uids[1]}, FlagMode::add, flag::answered);
  EXPECT_EQ(look(*one).flags, (std::vector<Uid>{uids[1]}));
}

TEST_F(Session, ExpungeIsToldFromTheHighestDownAndOnlyWhenAllowed) {
  const auto uids = deliver(6);
  const ViewPtr one = run_.view();
  const ViewPtr two = run_.view();
  flags(*one, {uids[0], uids[2], uids[5]}, FlagMode::add, flag::deleted);
  EXPECT_EQ(run_.get(one->mailbox().expunge()), (std::vector<Uid>{uids[0], uids[2], uids[5]}));
  EXPECT_EQ(look(*one).expunged, (std::vector<std::uint32_t>{6, 3, 1}));
  EXPECT_EQ(one->size(), 3U);
  EXPECT_EQ(one->uid_of(1), uids[1]);
  const ViewChanges held = two->take_changes(ExpungeMode::held_back);
  EXPECT_TRUE(held.expunged.empty());
  EXPECT_TRUE(held.flags.empty());  // what is gone has no flags to tell
  EXPECT_EQ(two->size(), 6U);
  EXPECT_EQ(two->sequence_of(uids[3]), 4U);
  const auto more = deliver(1);
  const ViewChanges both = look(*two);
  EXPECT_EQ(both.expunged, (std::vector<std::uint32_t>{6, 3, 1}));
  EXPECT_EQ(both.expunged_uids, (std::vector<Uid>{uids[5], uids[2], uids[0]}));
  EXPECT_EQ(both.exists, 4U);
  EXPECT_EQ(two->uid_of(4), more[0]);
  EXPECT_EQ(two->sequence_of(uids[2]), std::nullopt);
  EXPECT_EQ(two->first_from(uids[2]), 2U);
  EXPECT_EQ(names_in(maildir() / "cur").size() + names_in(maildir() / "new").size(), 4U);
}

TEST_F(Session, UidExpungeTouchesOnlyWhatItNames) {
  const auto uids = deliver(4);
  const ViewPtr view = run_.view();
  flags(*view, uids, FlagMode::add, flag::deleted);
  EXPECT_EQ(run_.get(view->mailbox().expunge(std::vector<Uid>{uids[1], uids[2], 99})),
            (std::vector<Uid>{uids[1], uids[2]}));
  EXPECT_EQ(look(*view).expunged, (std::vector<std::uint32_t>{3, 2}));
}

TEST_F(Session, TheLastUidIsNotGivenAgainAfterItsExpunge) {
  const auto uids = deliver(3);
  const ViewPtr view = run_.view();
  flags(*view, {uids[2]}, FlagMode::add, flag::deleted);
  run_.get(view->mailbox().expunge());
  look(*view);
  EXPECT_EQ(deliver(1)[0], uids[2] + 1);
  EXPECT_EQ(look(*view).exists, 3U);
}

TEST_F(Session, FlagsAreInTheFileNames) {
  const auto uids = deliver(1);
  const ViewPtr view = run_.view();
  const auto info = [&] {
    const auto names = names_in(maildir() / "cur");
    return names.empty() ? "" : names[0].substr(names[0].find(":2,") + 3);
  };
  flags(*view, uids, FlagMode::replace, flag::seen | flag::draft, {"NonJunk", "$Forwarded"});
  EXPECT_EQ(info(), "DSab");
  EXPECT_EQ(read_text(maildir() / "dovecot-keywords"), "0 NonJunk\n1 $Forwarded\n");
  flags(*view, uids, FlagMode::remove, flag::draft, {"nonjunk"});
  EXPECT_EQ(info(), "Sb");
  flags(*view, uids, FlagMode::add, flag::answered | flag::flagged | flag::deleted);
  EXPECT_EQ(info(), "FRSTb");
  flags(*view, uids, FlagMode::replace, 0);
  EXPECT_EQ(info(), "");
  const FlagResult same = flags(*view, uids, FlagMode::replace, 0);
  ASSERT_EQ(same.messages.size(), 1U);
  EXPECT_FALSE(same.messages[0].is_changed);
  EXPECT_TRUE(flags(*view, {77}, FlagMode::add, flag::seen).messages.empty());
}

TEST_F(Session, UnchangedSinceKeepsWhatOthersChanged) {
  const auto uids = deliver(2);
  const ViewPtr view = run_.view();
  const ModSeq before = view->mailbox().highest_modseq();
  flags(*view, {uids[0]}, FlagMode::add, flag::seen);
  FlagRequest request{.uids = uids,
                      .mode = FlagMode::add,
                      .flags = flag::flagged,
                      .keywords = {},
                      .unchanged_since = before};
  const FlagResult result = run_.get(view->mailbox().store_flags(request));
  EXPECT_EQ(result.modified, (std::vector<Uid>{uids[0]}));
  ASSERT_EQ(result.messages.size(), 1U);
  EXPECT_EQ(result.messages[0].uid, uids[1]);
  EXPECT_GT(result.messages[0].modseq, before);
}

TEST_F(Session, CopyIsALinkWithFlagsKeywordsAndDate) {
  const WallTime date{std::chrono::seconds(1'000'000'000)};
  run_.get(run_.account().create("Work"));
  const Placed placed = run_.deliver("INBOX", kMail, flag::seen, {"Blue"}, date);
  run_.deliver("Work", kMail, 0, {"Red"});
  const ViewPtr view = run_.view();
  run_.get(view->mailbox().keep_records({{placed.uid, "facts"}}));
  const ViewPtr work = run_.view("Work");
  const CopyResult copied = run_.get(view->mailbox().copy({placed.uid, 99}, "Work"));
  EXPECT_EQ(copied.uidvalidity, work->mailbox().uidvalidity());
  EXPECT_EQ(copied.uids, (std::vector<std::pair<Uid, Uid>>{{placed.uid, 2}}));
  EXPECT_EQ(look(*work).exists, 2U);
  const Entry copy = *work->mailbox().find(2);
  EXPECT_EQ(copy.flags, flag::seen);
  EXPECT_EQ(work->mailbox().keyword_names(copy.keywords), std::vector<std::string_view>{"Blue"});
  EXPECT_EQ(copy.internal_date, 1'000'000'000);
  EXPECT_EQ(run_.wire_text(work->mailbox(), 2), kMail);
  EXPECT_EQ(run_.get(work->mailbox().load_records({2})).at(0).bytes, "facts");
  struct stat st{};
  std::size_t links = 0;
  for (const std::string& name : names_in(maildir() / ".Work" / "cur")) {
    ASSERT_EQ(::stat((maildir() / ".Work" / "cur" / name).c_str(), &st), 0);
    links += st.st_nlink == 2 ? 1 : 0;
  }
  EXPECT_EQ(links, 1U);
  EXPECT_EQ(run_.get(view->mailbox().copy({placed.uid}, "Nowhere")).result, NameResult::not_found);
  EXPECT_EQ(run_.get(view->mailbox().copy({placed.uid}, "../x")).result, NameResult::bad_name);
  // Into its own mailbox as well.
  const CopyResult own = run_.get(view->mailbox().copy({placed.uid}, "INBOX"));
  EXPECT_EQ(own.uids, (std::vector<std::pair<Uid, Uid>>{{placed.uid, placed.uid + 1}}));
  EXPECT_EQ(look(*view).exists, 2U);
}

TEST_F(Session, MoveLeavesNothingBehind) {
  const auto uids = deliver(3);
  run_.get(run_.account().create("Archive"));
  const ViewPtr view = run_.view();
  const ViewPtr other = run_.view();
  flags(*view, {uids[1]}, FlagMode::add, flag::flagged, {"Blue"});
  look(*other);
  const CopyResult moved = run_.get(view->mailbox().move({uids[0], uids[1]}, "Archive"));
  EXPECT_EQ(moved.uids, (std::vector<std::pair<Uid, Uid>>{{uids[0], 1}, {uids[1], 2}}));
  EXPECT_EQ(look(*view).expunged, (std::vector<std::uint32_t>{2, 1}));
  EXPECT_EQ(look(*other).expunged, (std::vector<std::uint32_t>{2, 1}));
  const ViewPtr archive = run_.view("Archive");
  EXPECT_EQ(archive->size(), 2U);
  EXPECT_EQ(archive->mailbox().find(2)->flags, flag::flagged);
  EXPECT_EQ(names_in(maildir() / "cur").size() + names_in(maildir() / "new").size(), 1U);
  EXPECT_EQ(names_in(maildir() / ".Archive" / "cur").size(), 2U);
  const auto vanished = run_.get(view->mailbox().vanished_since(1));
  EXPECT_EQ(vanished.uids, (std::vector<Uid>{uids[0], uids[1]}));
  EXPECT_TRUE(vanished.complete);
  const CopyResult own = run_.get(view->mailbox().move({uids[2]}, "INBOX"));
  EXPECT_EQ(own.uids.size(), 1U);
  const ViewChanges changes = look(*view);
  EXPECT_EQ(changes.expunged, std::vector<std::uint32_t>{1});
  EXPECT_EQ(changes.exists, 1U);
}

TEST_F(Session, WhatOthersDropAppearsInTheOrderOfTime) {
  const ViewPtr view = run_.view();
  const auto drop = [&](const std::string& folder, const std::string& name, std::int64_t time) {
    write_text(maildir() / folder / name, "Subject: x\n\nline\n");
    const timespec times[2] = {{.tv_sec = time, .tv_nsec = 0}, {.tv_sec = time, .tv_nsec = 0}};
    ::utimensat(AT_FDCWD, (maildir() / folder / name).c_str(), times, 0);
  };
  drop("cur", "c.late:2,S", 3000);
  drop("new", "a.middle", 2000);
  drop("cur", "z.early:2,FTb", 1000);
  drop("cur", "y.same,S=17,W=20:2,", 1000);
  const ViewChanges changes = look(*view);
  EXPECT_EQ(changes.exists, 4U);
  EXPECT_EQ(changes.recent, 4U);
  const auto entries = view->mailbox().entries();
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0].internal_date, 1000);
  EXPECT_EQ(entries[0].wire_size, 20U);  // y: by name before z
  EXPECT_EQ(entries[1].flags, flag::flagged | flag::deleted);
  EXPECT_EQ(entries[1].keywords, Keywords::of_mask(2));
  EXPECT_EQ(entries[1].wire_size, 0U);
  EXPECT_EQ(entries[2].internal_date, 2000);
  EXPECT_EQ(entries[3].flags, flag::seen);
  run_.get(view->mailbox().load_sizes({1, 2, 3, 4}));
  EXPECT_EQ(view->mailbox().find(2)->wire_size, 20U);
  EXPECT_EQ(run_.get(run_.account().status("INBOX"))->size, 80U);
}

TEST_F(Session, WhatOthersRenameAndRemoveIsNoticed) {
  const auto uids = deliver(3);
  const ViewPtr view = run_.view();
  look(*view);
  auto names = names_in(maildir() / "cur");
  ASSERT_EQ(names.size(), 3U);
  fs::rename(maildir() / "cur" / names[0], maildir() / "cur" / (names[0] + "S"));
  fs::remove(maildir() / "cur" / names[2]);
  const ViewChanges changes = look(*view);
  EXPECT_EQ(changes.flags.size(), 1U);
  EXPECT_EQ(changes.expunged.size(), 1U);
  EXPECT_EQ(view->size(), 2U);
  EXPECT_EQ(view->mailbox().find(changes.flags.at(0))->flags, flag::seen);
  // A rename that nobody told us of does not hinder a STORE or a FETCH.
  // (Names do not sort as they were given: their microseconds have no leading zeros.)
  const std::string text = run_.wire_text(view->mailbox(), view->uid_of(1));
  names = names_in(maildir() / "cur");
  for (const std::string& name : names)
    fs::rename(maildir() / "cur" / name, maildir() / "cur" / (name + "T"));
  EXPECT_EQ(run_.wire_text(view->mailbox(), view->uid_of(1)), text);
  for (const std::string& name : names_in(maildir() / "cur"))
    fs::rename(maildir() / "cur" / name, maildir() / "cur" / name.substr(0, name.find(":2,") + 3));
  const FlagResult result =
      flags(*view, {view->uid_of(1), view->uid_of(2)}, FlagMode::add, flag::flagged);
  EXPECT_EQ(result.messages.size(), 2U);
  for (const FlagChange& change : result.messages) EXPECT_EQ(change.flags, flag::flagged);
  // A file that vanishes under a FETCH is expunged for all.
  for (const std::string& name : names_in(maildir() / "cur")) fs::remove(maildir() / "cur" / name);
  EXPECT_FALSE(run_.get(view->mailbox().open_message(view->uid_of(1))));
  EXPECT_EQ(view->take_changes(ExpungeMode::allowed).expunged, (std::vector<std::uint32_t>{2, 1}));
  (void)uids;
}

TEST_F(Session, AFileThatReturnsGetsANewUid) {
  const auto uids = deliver(1);
  const ViewPtr view = run_.view();
  const std::string name = names_in(maildir() / "cur").at(0);
  fs::rename(maildir() / "cur" / name, folder_.path() / name);
  EXPECT_EQ(look(*view).expunged.size(), 1U);
  fs::rename(folder_.path() / name, maildir() / "cur" / name);
  EXPECT_EQ(look(*view).exists, 1U);
  EXPECT_EQ(view->uid_of(1), uids[0] + 1);
}

TEST_F(Session, OddThingsInTheFoldersArePassedOver) {
  const ViewPtr view = run_.view();
  const Path cur = maildir() / "cur";
  fs::create_symlink("/etc/passwd", cur / "1.link:2,S");
  fs::create_directory(cur / "2.folder:2,S");
  ASSERT_EQ(::mkfifo((cur / "3.fifo:2,").c_str(), 0600), 0);
  write_text(cur / "4.line\nfeed:2,", "x");
  write_text(cur / "5.esc\x1b:2,", "x");
  write_text(cur / ".hidden", "x");
  write_text(cur / "6.letters:2,ZZZ", "Subject: z\n\n");
  write_text(cur / "7.empty", "");
  write_text(cur / "8.lies,S=99,W=100:2,", "Subject: lies\n\n");
  write_text(cur / "9.bytes\xff\xfe:2,F", "Subject: bytes\n\n");
  write_text(cur / (std::string(240, 'l') + ":2,"), "Subject: long\n\n");
  EXPECT_EQ(look(*view).exists, 5U);
  for (const Uid uid : view->uids()) EXPECT_NE(run_.wire_text(view->mailbox(), uid), "(gone)");
  EXPECT_TRUE(look(*view).expunged.empty());
  // The lie in the name is corrected by what is there.
  for (const Entry& entry : view->mailbox().entries()) EXPECT_NE(entry.wire_size, 100U);
  // Flags can be set on each of them, the longest name included, and unknown letters stay.
  const FlagResult result = flags(*view, view->uids(), FlagMode::add, flag::seen);
  EXPECT_EQ(result.messages.size(), 5U);
  EXPECT_TRUE(fs::exists(cur / "6.letters:2,SZZZ"));
  EXPECT_FALSE(look(*view).exists);
  EXPECT_TRUE(fs::is_symlink(cur / "1.link:2,S"));
}

TEST_F(Session, OneNameTwice) {
  const ViewPtr view = run_.view();
  write_text(maildir() / "new" / "same", "Subject: one\n\n");
  write_text(maildir() / "cur" / "same:2,S", "Subject: two\n\n");
  write_text(maildir() / "cur" / "linked:2,S", "Subject: three\n\n");
  fs::create_hard_link(maildir() / "cur" / "linked:2,S", maildir() / "new" / "linked");
  EXPECT_EQ(look(*view).exists, 3U);
  EXPECT_TRUE(look(*view).empty());
  std::set<std::string> texts;
  for (const Uid uid : view->uids()) texts.insert(run_.wire_text(view->mailbox(), uid));
  EXPECT_EQ(texts.size(), 3U);
}

TEST_F(Session, ALinkInPlaceOfAFolderIsRefused) {
  run_.view();
  fs::create_directories(folder_.path() / "elsewhere/new");
  fs::remove_all(maildir() / "new");
  fs::create_directory_symlink(folder_.path() / "elsewhere/new", maildir() / "new");
  EXPECT_FALSE(run_.task(run_.account().open_view("INBOX", Access::read_write)));
}

TEST_F(Session, IdleIsWokenByADeliveryAndByOthersFiles) {
  const ViewPtr view = run_.view();
  const auto soon = [] { return std::chrono::steady_clock::now() + 30ms; };
  EXPECT_FALSE(run_.wait(view->wait_change(soon())));
  deliver(1);
  EXPECT_TRUE(run_.wait(view->wait_change(soon())));
  EXPECT_EQ(view->take_changes(ExpungeMode::allowed).exists, 1U);
  EXPECT_FALSE(run_.wait(view->wait_change(soon())));
}

TEST_F(Session, TheRescanFindsWhatOthersDropWhileASessionIdles) {
  const ViewPtr view = run_.view();
  run_.accounts().start();
  write_text(maildir() / "new" / "dropped", "Subject: x\n\n");
  EXPECT_TRUE(run_.wait(view->wait_change(std::chrono::steady_clock::now() + 5s)));
  EXPECT_EQ(view->take_changes(ExpungeMode::allowed).exists, 1U);
}

// Another program drops, moves, flags and removes files as fast as it can while a session looks:
// every message is seen once, under one UID, and none is lost.
TEST_F(Session, AnotherProgramAtWorkBesideASession) {
  const ViewPtr view = run_.view();
  constexpr int kMessages = 300;
  std::atomic<bool> is_done{false};
  std::thread other([&] {
    const Path dir = maildir();
    for (int i = 0; i < kMessages; ++i) {
      const std::string base = "1700000000.M" + std::to_string(i) + "P1.other";
      write_text(dir / "tmp" / base, "Subject: " + std::to_string(i) + "\n\n");
      fs::rename(dir / "tmp" / base, dir / "new" / base);
      // The session moves files from new/ to cur/ as well, so it asks where its file is, as mail
      // programs do.
      const auto find = [&]() -> Path {
        for (const char* folder : {"new", "cur", "cur"})
          for (const std::string& name : names_in(dir / folder))
            if (name.starts_with(base + ":") || name == base) return dir / folder / name;
        return {};
      };
      for (const char* info : {":2,", ":2,S", ":2,FS", ":2,S", ":2,RS"}) {
        std::error_code failed;
        do {
          fs::rename(find(), dir / "cur" / (base + info), failed);
        } while (failed);
      }
      if (i % 3 == 0) fs::remove(dir / "cur" / (base + ":2,RS"));
    }
    is_done = true;
  });
  std::map<Uid, std::string> seen;
  std::map<std::string, Uid> uid_of;
  Uid highest = 0;
  for (bool last = false; !last;) {
    last = is_done;
    run_.get(view->mailbox().refresh(last ? RefreshMode::full : RefreshMode::quick));
    view->take_changes(ExpungeMode::allowed);
    for (const Uid uid : std::vector<Uid>(view->uids())) {
      if (seen.contains(uid)) continue;
      EXPECT_GT(uid, highest);
      highest = uid;
      seen[uid] = run_.wire_text(view->mailbox(), uid);
      if (seen[uid] == "(gone)") continue;
      EXPECT_TRUE(uid_of.emplace(seen[uid], uid).second) << seen[uid];
    }
  }
  other.join();
  EXPECT_EQ(view->size(), kMessages - kMessages / 3);
  for (const Entry& entry : view->mailbox().entries())
    EXPECT_EQ(entry.flags, flag::seen | flag::answered);
}

TEST_F(Session, StatusCountsFromTheIndex) {
  deliver(3);
  {
    const ViewPtr view = run_.view();
    flags(*view, {1}, FlagMode::add, flag::seen);
    flags(*view, {2}, FlagMode::add, flag::deleted);
  }
  const auto status = run_.get(run_.account().status("inbox"));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->messages, 3U);
  EXPECT_EQ(status->unseen, 2U);
  EXPECT_EQ(status->deleted, 1U);
  EXPECT_EQ(status->recent, 0U);
  EXPECT_EQ(status->uidnext, 4U);
  EXPECT_EQ(status->size, 3U * 20U);
  EXPECT_FALSE(run_.get(run_.account().status("Nowhere")));
  EXPECT_FALSE(run_.get(run_.account().status("../x")));
}

TEST_F(Session, OneMessageIntoSeveralMailboxesOrNone) {
  run_.get(run_.account().create("A"));
  const auto send = [&](std::vector<Target> targets) {
    auto delivery = run_.get(run_.account().begin_delivery());
    run_.get(delivery->write(kMail));
    return run_.get(delivery->commit(std::move(targets)));
  };
  auto target = [](std::string name, bool create = false) {
    return Target{.mailbox = std::move(name),
                  .flags = 0,
                  .keywords = {},
                  .internal_date = {},
                  .create = create};
  };
  auto placed = send({target("INBOX"), target("A"), target("A"), target("New.Below", true)});
  ASSERT_EQ(placed.size(), 4U);
  EXPECT_EQ(placed[0].uid, 1U);
  EXPECT_EQ(placed[1].uid, 1U);
  EXPECT_EQ(placed[2].uid, 2U);
  EXPECT_EQ(placed[3].mailbox, "New.Below");
  placed = send({target("INBOX"), target("Missing"), target("A")});
  ASSERT_EQ(placed.size(), 3U);
  for (const Placed& one : placed) EXPECT_EQ(one.result, NameResult::not_found);
  EXPECT_EQ(run_.get(run_.account().status("INBOX"))->messages, 1U);
  EXPECT_EQ(run_.get(run_.account().status("A"))->messages, 2U);
  EXPECT_TRUE(names_in(maildir() / "tmp").empty());
}

TEST_F(Session, AnAbandonedDeliveryLeavesNothing) {
  {
    auto delivery = run_.get(run_.account().begin_delivery());
    run_.get(delivery->write(std::string(1'000'000, 'x')));
    EXPECT_EQ(names_in(maildir() / "tmp").size(), 1U);
  }
  EXPECT_TRUE(names_in(maildir() / "tmp").empty());
  EXPECT_EQ(run_.get(run_.account().status("INBOX"))->messages, 0U);
}

TEST_F(Session, MultiAppendIsAllOrNothing) {
  std::vector<DeliveryPtr> staged;
  for (int i = 0; i < 3; ++i) {
    staged.push_back(run_.get(run_.account().begin_delivery()));
    run_.get(staged.back()->write("Subject: " + std::to_string(i) + "\r\n\r\n"));
  }
  std::vector<Account::Append> appends;
  for (const auto& delivery : staged)
    appends.push_back({delivery.get(),
                       {.mailbox = "INBOX",
                        .flags = flag::seen,
                        .keywords = {},
                        .internal_date = {},
                        .create = false}});
  const auto placed = run_.get(run_.account().commit(std::move(appends)));
  ASSERT_EQ(placed.size(), 3U);
  EXPECT_EQ(placed[0].uid, 1U);
  EXPECT_EQ(placed[2].uid, 3U);
  const ViewPtr view = run_.view();
  EXPECT_EQ(run_.wire_text(view->mailbox(), 2), "Subject: 1\r\n\r\n");
  EXPECT_EQ(view->mailbox().find(3)->flags, flag::seen);
}

net::Task<> deliver_one(Account& account, int number, std::vector<Uid>& uids) {
  CO_TRY(auto delivery, co_await account.begin_delivery());
  CO_TRY_OK(co_await delivery->write("Subject: " + std::to_string(number) + "\r\n\r\n"));
  std::vector<Target> targets(1);
  targets[0].mailbox = "INBOX";
  CO_TRY(const auto placed, co_await delivery->commit(std::move(targets)));
  uids.push_back(placed.at(0).uid);
  co_return Result<>{};
}
net::Awaitable<void> deliver_spawned(Account& account, int number, std::vector<Uid>& uids) {
  const auto done = co_await deliver_one(account, number, uids);
  EXPECT_TRUE(done);
}

TEST_F(Session, ManyDeliveriesAtOnceEachWithItsOwnUid) {
  const ViewPtr view = run_.view();
  std::vector<Uid> uids;
  for (int i = 0; i < 50; ++i) run_.scope().spawn(deliver_spawned(run_.account(), i, uids));
  run_.io().restart();
  run_.io().run();
  std::ranges::sort(uids);
  ASSERT_EQ(uids.size(), 50U);
  for (std::size_t i = 0; i < uids.size(); ++i) EXPECT_EQ(uids[i], i + 1);
  EXPECT_EQ(look(*view).exists, 50U);
}

TEST_F(Session, ARecordGoesWithItsMessage) {
  const auto uids = deliver(3);
  const ViewPtr view = run_.view();
  Mailbox& mailbox = view->mailbox();
  const auto load = [&](std::vector<Uid> wanted) {
    std::vector<std::pair<Uid, std::string>> found;
    for (const MessageRecord& record : run_.get(mailbox.load_records(std::move(wanted))))
      found.emplace_back(record.uid, record.bytes);
    return found;
  };
  using Found = std::vector<std::pair<Uid, std::string>>;
  const std::string odd("a\0b", 3);
  EXPECT_TRUE(load(uids).empty());
  run_.get(mailbox.keep_records({{uids[0], odd}, {uids[1], "two"}, {99, "nobody's"}}));
  EXPECT_EQ(load(uids), (Found{{uids[0], odd}, {uids[1], "two"}}));
  EXPECT_EQ(load({uids[0], 99}), (Found{{uids[0], odd}})) << "far apart";
  EXPECT_EQ(load({uids[0], uids[2]}), (Found{{uids[0], odd}})) << "what lies between is not asked";
  EXPECT_TRUE(load({}).empty());
  run_.get(mailbox.keep_records({{uids[1], "another"}}));
  EXPECT_EQ(load({uids[1]}), (Found{{uids[1], "another"}}));
  flags(*view, {uids[0]}, FlagMode::add, flag::deleted);
  run_.get(mailbox.expunge());
  EXPECT_EQ(load(uids), (Found{{uids[1], "another"}}));
}

TEST_F(Session, TwentyThousandMessages) {
  run_.view();
  run_.close();
  const int count = 20'000;
  for (int i = 0; i < count; ++i)
    write_text(maildir() / "cur" / (std::to_string(1'700'000'000 + i) + ".M1P1.host,S=18,W=21:2,S"),
               "Subject: x\n\nbody\n\n");
  const auto timed = [](const char* what, auto work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    std::printf("  %-42s %6lld ms\n", what, static_cast<long long>(ms.count()));
    return ms;
  };
  {
    Process run(folder_.path());
    run.account();
    timed("20 000 unknown files, first SELECT", [&] { EXPECT_EQ(run.view()->size(), 20'000U); });
    timed("SELECT again, closed meanwhile", [&] { EXPECT_EQ(run.view()->size(), 20'000U); });
    run.close();
  }
  Process run(folder_.path());
  run.account();
  ViewPtr view;
  timed("SELECT after a restart", [&] { view = run.view(); });
  EXPECT_EQ(view->size(), 20'000U);
  timed("NOOP, nothing new", [&] { run.get(view->mailbox().refresh()); });
  write_text(maildir() / "new" / "one.more", "Subject: x\n\n");
  timed("NOOP, one file dropped", [&] { run.get(view->mailbox().refresh()); });
  EXPECT_EQ(view->take_changes(ExpungeMode::allowed).exists, 20'001U);
  timed("STATUS", [&] { EXPECT_EQ(run.get(run.account().status("INBOX"))->messages, 20'001U); });
  timed("STATUS again",
        [&] { EXPECT_EQ(run.get(run.account().status("INBOX"))->messages, 20'001U); });
  std::vector<Uid> thousand(view->uids().begin(), view->uids().begin() + 1000);
  timed("STORE on 1000", [&] {
    EXPECT_EQ(run.get(view->mailbox().store_flags({.uids = thousand,
                                                   .mode = FlagMode::add,
                                                   .flags = flag::deleted,
                                                   .keywords = {},
                                                   .unchanged_since = {}}))
                  .messages.size(),
              1000U);
  });
  timed("EXPUNGE of 1000", [&] { EXPECT_EQ(run.get(view->mailbox().expunge()).size(), 1000U); });
  timed("100 deliveries, one after the other", [&] {
    for (int i = 0; i < 100; ++i) run.deliver("INBOX", kMail);
  });
  EXPECT_EQ(view->take_changes(ExpungeMode::allowed).exists, 19'101U);
}

}  // namespace
}  // namespace posthorn::store
