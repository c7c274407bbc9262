// Proves that what is exported and imported again is the same mail: text, flags, keywords and dates
// over mbox files, and with them the UIDs over a maildir; and that what is no mailbox is refused
// before anything is in a folder.
#include "tools/transfer_work.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::tools {
namespace {

constexpr std::string_view kMbox =
    "From friend@elsewhere.test Thu Jan  1 10:00:00 2026\n"
    "Return-Path: <friend@elsewhere.test>\n"
    "Subject: first\n"
    "Status: RO\n"
    "X-Status: F\n"
    "\n"
    ">From here on\n"
    "\n"
    "From friend@elsewhere.test Fri Jan  2 10:00:00 2026\n"
    "Return-Path: <friend@elsewhere.test>\n"
    "Subject: second\n"
    "\n"
    "body\n"
    "\n";

class TransferWorkTest : public testing::Test {
 protected:
  TransferWorkTest()
      : accounts_(loop_.scope(), loop_.pool(),
                  store::Accounts::Options{.store = without_folders(),
                                           .mail = folder_.path(),
                                           .hostname = "mx.test",
                                           .disk = &disk_,
                                           .boot_id = "b"}) {
    open("alice@example.org");
  }
  ~TransferWorkTest() override {
    loop_.wait(desk_->clear());
    desk_.reset();
    accounts_.stop();
    loop_.wait(accounts_.close());
  }
  // No folder but INBOX is made by itself.
  static config::Store without_folders() {
    config::Store store;
    for (auto* name : {&store.drafts, &store.sent, &store.trash, &store.junk, &store.archive})
      name->clear();
    return store;
  }
  // The account that the next work is for.
  void open(const std::string& user) {
    if (desk_) loop_.wait(desk_->clear());
    desk_ = std::make_unique<store::TransferDesk>(accounts_);
    ASSERT_TRUE(loop_.run(desk()(net::Message("open").add("user", user))));
  }
  static net::Task<net::Message> ask(store::TransferDesk* desk, net::Message request) {
    co_return co_await desk->answer(std::move(request));
  }
  Desk desk() {
    return Desk([this](net::Message request) { return ask(desk_.get(), std::move(request)); });
  }
  File reading(std::string_view text) const {
    return File(::open(folder_.write("in.mbox", text).c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::string exported(const std::string& folder = "INBOX") {
    const Path path = folder_.path() / "out.mbox";
    std::filesystem::remove(path);
    const File out(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_TRUE(loop_.run(export_mbox(desk(), out, folder)));
    return test::read_text(path);
  }
  // "uid flags date size" of each message.
  std::vector<std::string> listed(const std::string& folder) {
    const auto answer =
        loop_.run(desk()(net::Message("list").add("mailbox", folder).add("after", "0")));
    std::vector<std::string> lines;
    if (answer)
      for (const std::string_view line : answer->all("message")) lines.emplace_back(line);
    return lines;
  }

  test::TestLoop loop_;
  test::TempFolder folder_;
  test::FaultDisk disk_;  // nothing goes wrong with it; it waits for no real one
  store::Accounts accounts_;
  std::unique_ptr<store::TransferDesk> desk_;
};

TEST_F(TransferWorkTest, AnMboxComesBackAsItWas) {
  EXPECT_EQ(loop_.run(import_mbox(desk(), reading(kMbox), "INBOX")).value(), 2U);
  const std::string first = exported();
  EXPECT_NE(first.find("Subject: first\n"), std::string::npos);
  EXPECT_NE(first.find("\n>From here on\n"), std::string::npos);
  EXPECT_NE(first.find("From friend@elsewhere.test Thu Jan  1 10:00:00 2026\n"), std::string::npos)
      << first;
  const auto list = listed("INBOX");
  ASSERT_EQ(list.size(), 2U);
  EXPECT_TRUE(
      list[0].starts_with(fmt::format("1 {} ", int{store::flag::seen} | int{store::flag::flagged})))
      << list[0];
  EXPECT_TRUE(list[1].starts_with("2 0 ")) << list[1];
  // Once more through it all: not a byte is another.
  open("bob@example.org");
  EXPECT_EQ(loop_.run(import_mbox(desk(), reading(first), "INBOX")).value(), 2U);
  EXPECT_EQ(exported(), first);
  EXPECT_EQ(listed("INBOX"), list);
}

TEST_F(TransferWorkTest, WhatIsNoMboxPutsNothingAnywhere) {
  const auto refused =
      loop_.run(import_mbox(desk(), reading("Subject: no From line\n\nx\n"), "INBOX"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::permanent);
  EXPECT_EQ(listed("INBOX"), std::vector<std::string>{});
  EXPECT_EQ(loop_.run(import_mbox(desk(), reading(""), "INBOX")).value(), 0U);
}

TEST_F(TransferWorkTest, AMaildirComesBackWithItsFoldersFlagsAndUids) {
  const Path maildir = folder_.path() / "old";
  for (const char* part : {"", "cur", "new", "tmp", ".Work", ".Work/cur", ".Work/new", ".Work/tmp"})
    std::filesystem::create_directories(maildir / part);
  test::write_text(maildir / "new/1767225600.M1P1.mx", "Subject: unread\n\nx\n");
  test::write_text(maildir / "cur/1767225601.M1P1.mx:2,Sa", "Subject: seen\n\ny\n");
  test::write_text(maildir / ".Work/cur/1767225602.M1P1.mx:2,F", "Subject: work\n\nz\n");
  test::write_text(maildir / "dovecot-keywords", "0 urgent\n");
  test::write_text(maildir / "dovecot-uidlist",
                   "3 V1700000000 N90\n7 :1767225601.M1P1.mx\n40 :1767225600.M1P1.mx\n");
  test::write_text(maildir / "subscriptions", "V\t2\n\nWork\n");
  EXPECT_EQ(loop_.run(import_maildir(desk(), maildir, "INBOX")).value(), 3U);
  const auto inbox = listed("INBOX");
  ASSERT_EQ(inbox.size(), 2U);
  EXPECT_TRUE(inbox[0].starts_with(fmt::format("7 {} ", int{store::flag::seen}))) << inbox[0];
  EXPECT_TRUE(inbox[1].starts_with("40 0 ")) << inbox[1];
  EXPECT_NE(exported().find("X-Keywords: urgent"), std::string::npos) << exported();
  EXPECT_EQ(listed("Work").size(), 1U);

  const Path place = folder_.path() / "place";
  EXPECT_EQ(loop_.run(export_maildir(desk(), folder_.path() / "example.org/alice", place)).value(),
            3U);
  open("bob@example.org");
  EXPECT_EQ(loop_.run(import_maildir(desk(), place, "INBOX")).value(), 3U);
  EXPECT_EQ(listed("INBOX"), inbox);
  EXPECT_EQ(listed("Work").size(), 1U);
}

TEST_F(TransferWorkTest, BelowAFolderItKeepsItsTree) {
  const Path maildir = folder_.path() / "old";
  for (const char* part : {"cur", "new", "tmp", ".Work/cur", ".Work/new", ".Work/tmp"})
    std::filesystem::create_directories(maildir / part);
  test::write_text(maildir / "new/1767225600.M1P1.mx", "Subject: top\n\nx\n");
  test::write_text(maildir / ".Work/new/1767225601.M1P1.mx", "Subject: below\n\ny\n");
  EXPECT_EQ(loop_.run(import_maildir(desk(), maildir, "Old")).value(), 2U);
  EXPECT_EQ(listed("INBOX").size(), 0U);
  EXPECT_EQ(listed("Old").size(), 1U);
  EXPECT_EQ(listed("Old.Work").size(), 1U);
}

TEST_F(TransferWorkTest, EveryFolderGetsAnMboxOfItsOwn) {
  ASSERT_TRUE(loop_.run(import_mbox(desk(), reading(kMbox), "INBOX")));
  ASSERT_TRUE(loop_.run(import_mbox(desk(), reading(kMbox), "Work")));
  const Path place = folder_.path() / "place";
  std::filesystem::create_directory(place);
  testing::internal::CaptureStderr();
  EXPECT_EQ(loop_.run(export_mboxes(desk(), place)).value(), 4U);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("took Work: 2 messages\n"), std::string::npos) << said;
  EXPECT_EQ(test::read_text(place / "INBOX.mbox"), test::read_text(place / "Work.mbox"));
  EXPECT_EQ(test::read_text(place / "Work.mbox"), exported("Work"));
}

TEST_F(TransferWorkTest, WhatTheDeskRefusesIsAnError) {
  const Desk refusing([](net::Message) -> net::Task<net::Message> {
    co_return net::Message("refused").add("error", "no room");
  });
  const auto done = loop_.run(import_mbox(refusing, reading(kMbox), "INBOX"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().what, "no room");
}

}  // namespace
}  // namespace posthorn::tools
