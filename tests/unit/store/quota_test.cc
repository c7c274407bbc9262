// Quotas: what an account holds is right after anything that can happen to its maildirs and its
// index, and however many messages come at once, no more than one goes over the limit.
#include <chrono>
#include <sqlite3.h>

#include "harness.h"
#include "tests/support/captured_log.h"

namespace posthorn::store {
namespace {

namespace fs = std::filesystem;

// The rules that lookup would know; "?" cannot be asked.
class Rules final : public QuotaSource {
 public:
  net::Task<quota::Quota> quota_of(std::string account) override {
    (void)account;
    if (text == "?") co_return fail(ErrorKind::temporary, "lookup is away");
    quota::Quota quota(settings);
    quota.add_all(text);
    co_return quota;
  }
  std::string text;
  config::Store settings;
};

std::string mail_of(std::size_t size) {
  const std::string head = "Subject: x\r\n\r\n";  // two bytes less on disk
  return head + std::string(size - (head.size() - 2) - 1, 'x') + "\r\n";
}

class QuotaTest : public testing::Test {
 protected:
  void start() {
    process_.reset();
    process_.emplace(folder_.path(), Disk::real(), Clock::system(), "boot-1",
                     [this](Accounts::Options& options) {
                       options.quota = &rules_;
                       options.store.rescan = 1h;  // only a refusal looks before that
                     });
  }
  Process& process() {
    if (!process_) start();
    return *process_;
  }
  void restart() {
    process().close();
    start();
  }
  Path maildir(const char* folder = "") const { return folder_.path() / kAlice / folder; }
  quota::Usage used() { return process().get(process().account().quota_state()).used; }
  // As the folders have it.
  quota::Usage on_disk() const {
    quota::Usage sum;
    for (const auto& entry : fs::recursive_directory_iterator(maildir())) {
      const std::string parent = entry.path().parent_path().filename();
      if (!entry.is_regular_file() || (parent != "new" && parent != "cur")) continue;
      sum.bytes += entry.file_size();
      ++sum.messages;
    }
    return sum;
  }
  void drop(const char* folder, const std::string& name, std::size_t size) {
    fs::create_directories(maildir(folder) / "cur");
    write_text(maildir(folder) / "cur" / (name + ":2,S"), std::string(size - 1, 'y') + "\n");
  }
  NameResult deliver(std::size_t size, quota::Check check = quota::Check::strict,
                     std::string mailbox = "INBOX") {
    auto delivery = process().get(process().account().begin_delivery());
    process().get(delivery->write(mail_of(size)));
    std::vector<Target> targets;
    targets.push_back({.mailbox = std::move(mailbox),
                       .flags = 0,
                       .keywords = {},
                       .internal_date = {},
                       .create = true});
    const auto placed = process().get(delivery->commit(std::move(targets), check));
    return placed.empty() ? NameResult::cannot : placed.front().result;
  }

  TempFolder folder_;
  Rules rules_;
  std::optional<Process> process_;
};

TEST_F(QuotaTest, CountsWhatComesAndGoes) {
  rules_.text = "*:bytes=1M";
  EXPECT_EQ(used(), quota::Usage{});
  EXPECT_EQ(deliver(1000), NameResult::done);
  EXPECT_EQ(deliver(500, quota::Check::strict, "Work"), NameResult::done);
  EXPECT_EQ(used(), (quota::Usage{1500, 2}));
  const ViewPtr inbox = process().view();
  (void)process().get(inbox->mailbox().copy({1}, "Work"));
  EXPECT_EQ(used(), (quota::Usage{2500, 3}));
  (void)process().get(inbox->mailbox().move({1}, "Work"));
  EXPECT_EQ(used(), (quota::Usage{2500, 3}));
  (void)process().get(process().account().rename("Work", "Play"));
  EXPECT_EQ(used(), (quota::Usage{2500, 3}));
  const ViewPtr play = process().view("Play");
  (void)process().get(
      play->mailbox().store_flags({.uids = {1, 2}, .mode = FlagMode::add, .flags = flag::deleted}));
  EXPECT_EQ(process().get(process().account().status("Play"))->deleted_size, 1500U);
  (void)process().get(play->mailbox().expunge());
  EXPECT_EQ(used(), (quota::Usage{1000, 1}));
  EXPECT_EQ(used(), on_disk());
  (void)process().get(process().account().remove("Play"));
  EXPECT_EQ(used(), quota::Usage{});
}

TEST_F(QuotaTest, WhatOthersDropRenameAndRemoveCounts) {
  rules_.text = "*:bytes=1M";
  EXPECT_EQ(deliver(1000), NameResult::done);
  drop("", "1.dropped.host", 300);
  drop(".Work", "2.dropped.host", 200);
  EXPECT_EQ(used(), (quota::Usage{1500, 3}));
  fs::rename(maildir("cur/1.dropped.host:2,S"), maildir("cur/1.dropped.host:2,FS"));
  EXPECT_EQ(used(), (quota::Usage{1500, 3}));
  fs::remove_all(maildir(".Work"));
  EXPECT_EQ(used(), (quota::Usage{1300, 2}));
  fs::remove(maildir("cur/1.dropped.host:2,FS"));
  EXPECT_EQ(used(), on_disk());
}

TEST_F(QuotaTest, ADeletedOrOlderIndexChangesNothing) {
  rules_.text = "*:bytes=1M";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(deliver(400), NameResult::done);
  EXPECT_EQ(deliver(100, quota::Check::strict, "Work"), NameResult::done);
  const quota::Usage before = used();
  restart();
  EXPECT_EQ(used(), before);
  process().close();
  for (const char* suffix : {"", "-wal", "-shm"})
    fs::remove(maildir() / (std::string("posthorn.index") + suffix));
  start();
  EXPECT_EQ(used(), before);
  // As a program without quotas left it.
  process().close();
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((maildir() / "posthorn.index").c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle,
                         "DROP TRIGGER usage_added; DROP TRIGGER usage_removed;"
                         "DROP TRIGGER usage_resized; DROP TABLE usage",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(handle);
  start();
  EXPECT_EQ(used(), before);
  EXPECT_EQ(used(), on_disk());
}

TEST_F(QuotaTest, AKilledProcessLeavesNothingUncounted) {
  rules_.text = "*:bytes=1M";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(deliver(400), NameResult::done);
  start();  // not closed
  drop("", "9.while.away", 70);
  EXPECT_EQ(used(), (quota::Usage{1270, 4}));
}

TEST_F(QuotaTest, ADovecotMaildirIsCountedWhole) {
  rules_.text = "*:bytes=1000";
  drop("", "1.M1P1.host,S=400,W=410", 400);
  drop(".Sent", "2.M1P1.host,S=500,W=510", 500);
  write_text(maildir("maildirsize"), "1000S\n900 2\n");
  EXPECT_EQ(deliver(101), NameResult::over_quota);
  EXPECT_EQ(deliver(100), NameResult::done);
  EXPECT_EQ(used(), (quota::Usage{1000, 3}));
}

TEST_F(QuotaTest, RefusesWhatDoesNotFitAndLeavesNoTrace) {
  rules_.text = "*:bytes=1000:messages=3";
  EXPECT_EQ(deliver(600), NameResult::done);
  EXPECT_EQ(deliver(401), NameResult::over_quota);
  EXPECT_TRUE(names_in(maildir("tmp")).empty());
  EXPECT_EQ(deliver(100), NameResult::done);
  EXPECT_EQ(deliver(100), NameResult::done);
  EXPECT_EQ(deliver(100), NameResult::over_quota);  // the fourth message
  const ViewPtr inbox = process().view();
  EXPECT_EQ(process().get(inbox->mailbox().copy({1}, "INBOX")).result, NameResult::over_quota);
  EXPECT_EQ(process().get(process().account().create("Work")), NameResult::done);
  EXPECT_EQ(process().get(inbox->mailbox().move({1}, "Work")).result, NameResult::done);
  EXPECT_FALSE(process().get(process().account().has_room_for("INBOX", {1, 1}, "imap")));
  rules_.text = "*:bytes=2000";
  EXPECT_TRUE(process().get(process().account().has_room_for("INBOX", {1200, 1}, "imap")));
  EXPECT_FALSE(process().get(process().account().has_room_for("INBOX", {1201, 1}, "imap")));
  EXPECT_EQ(process().get(inbox->mailbox().copy({2}, "Work")).result, NameResult::done);
}

TEST_F(QuotaTest, RoomThatAnotherProgramMadeIsFoundBeforeARefusal) {
  rules_.text = "*:bytes=1000";
  drop("", "1.dropped.host", 900);
  EXPECT_EQ(deliver(200), NameResult::over_quota);
  fs::remove(maildir("cur/1.dropped.host:2,S"));
  EXPECT_EQ(deliver(200), NameResult::done);
}

TEST_F(QuotaTest, TheLastMailMayGoOverByTheGraceAndThenItIsFull) {
  const test::CapturedLog log;
  rules_.text = "*:bytes=1000";
  EXPECT_EQ(deliver(890), NameResult::done);
  EXPECT_EQ(deliver(211, quota::Check::last_mail), NameResult::over_quota);
  EXPECT_EQ(deliver(210, quota::Check::last_mail), NameResult::done);
  EXPECT_EQ(deliver(20, quota::Check::last_mail), NameResult::over_quota);
  const ViewPtr inbox = process().view();
  (void)process().get(
      inbox->mailbox().store_flags({.uids = {1}, .mode = FlagMode::add, .flags = flag::deleted}));
  (void)process().get(inbox->mailbox().expunge());
  EXPECT_EQ(deliver(20, quota::Check::last_mail), NameResult::done);
  for (const char* event : {"quota.full", "quota.freed"}) EXPECT_EQ(log.count(event), 1) << event;
  EXPECT_EQ(log.count("quota.refused"), 2);
}

TEST_F(QuotaTest, ARuleOfAMailboxCounts) {
  rules_.text = "*:bytes=1000 Trash:bytes=+500 Lists:ignore";
  EXPECT_EQ(deliver(900), NameResult::done);
  EXPECT_EQ(deliver(200), NameResult::over_quota);
  EXPECT_EQ(deliver(400, quota::Check::strict, "Trash"), NameResult::done);
  EXPECT_EQ(deliver(5000, quota::Check::strict, "Lists"), NameResult::done);
  EXPECT_EQ(used(), (quota::Usage{1300, 2}));
  EXPECT_EQ(deliver(300, quota::Check::strict, "Trash"), NameResult::over_quota);
}

TEST_F(QuotaTest, WhatCannotBeAskedRefusesNothing) {
  rules_.text = "*:bytes=100";
  EXPECT_EQ(deliver(200), NameResult::over_quota);
  rules_.text = "?";
  EXPECT_EQ(deliver(200), NameResult::done);
}

TEST_F(QuotaTest, WithoutALimitNothingIsCounted) {
  drop(".Work", "1.dropped.host", 100);
  EXPECT_EQ(deliver(200), NameResult::done);
  EXPECT_EQ(used(), quota::Usage{});
  EXPECT_FALSE(fs::exists(maildir(".Work/dovecot-uidlist")));
}

net::Awaitable<void> deliver_one(Account* account, const std::string* mail, quota::Check check,
                                 int* done, int* refused) {
  auto delivery = co_await account->begin_delivery();
  if (!delivery || !co_await (*delivery)->write(*mail)) co_return;
  std::vector<Target> targets;
  targets.push_back({.mailbox = "INBOX", .keywords = {}, .internal_date = {}});
  const auto placed = co_await (*delivery)->commit(std::move(targets), check);
  if (placed && placed->front().result == NameResult::done) ++*done;
  if (placed && placed->front().result == NameResult::over_quota) ++*refused;
}

TEST_F(QuotaTest, TenAtOnceGoOverByOneAtMost) {
  for (const auto check : {quota::Check::strict, quota::Check::last_mail}) {
    SCOPED_TRACE(static_cast<int>(check));
    process().close();
    process_.reset();
    fs::remove_all(folder_.path() / "example.org");
    rules_.text = "*:bytes=1050";
    const std::string mail = mail_of(100);
    int done = 0;
    int refused = 0;
    Account& account = process().account();
    for (int i = 0; i < 20; ++i)
      process().scope().spawn(deliver_one(&account, &mail, check, &done, &refused));
    process().io().restart();
    while (done + refused < 20 && process().io().run_one() > 0) {
    }
    EXPECT_EQ(done, check == quota::Check::strict ? 10 : 11);
    EXPECT_EQ(refused, 20 - done);
    EXPECT_EQ(used(), on_disk());
  }
}

}  // namespace
}  // namespace posthorn::store
