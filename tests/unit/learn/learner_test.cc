// From what a user does to what spamd is taught: each lesson once, in order, over restarts and
// outages; a client never waits for more than the disk, and its command never fails for a lesson.
#include "learn/learner.h"

#include <gmock/gmock.h>

#include "store/account.h"
#include "tests/support/captured_log.h"
#include "tests/support/fault_disk.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::learn {
namespace {

using test::FaultDisk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Outcome = Answer::Outcome;

const std::string kAlice = "alice@example.org";

// The queue, as the store sees it.
class FakeQueue final : public Courier {
 public:
  net::Awaitable<Answer> carry(Parcel parcel) override {
    seen.push_back(std::string(message::to_string(parcel.what)) + " " + parcel.account + ":" +
                   std::string(parcel.message.substr(9, parcel.message.find('\r') - 9)));
    if (during) during();
    co_return answer(seen.back());
  }
  std::vector<std::string> seen;  // "spam alice@example.org:1", by the mail's Subject
  std::function<Answer(const std::string&)> answer = [](const std::string&) {
    return Answer{Outcome::learned, "250"};
  };
  std::function<void()> during;
};

class LearnerTest : public ::testing::Test {
 protected:
  LearnerTest() {
    config_.filter.learn = config::Learn::user;
    config_.filter.message_max = 1000;
    pace_ = {.retry_first = 5ms, .retry_longest = 20ms, .tries_max = 3};
    accounts_.emplace(
        loop_.scope(), loop_.pool(),
        store::Accounts::Options{.store = {}, .mail = folder_.path() / "mail", .hostname = "mx"});
    account_ = *loop_.run(accounts_->open(kAlice));
    EXPECT_TRUE(loop_.run(account_->ensure_defaults()));
    start();
  }
  ~LearnerTest() override {
    learner_->stop();
    account_.reset();
    loop_.wait(accounts_->close());
    loop_.until([this] { return loop_.scope().running() == 0; });
  }
  LearnerTest(const LearnerTest&) = delete;
  LearnerTest& operator=(const LearnerTest&) = delete;

  void start() {
    learner_.emplace(Learner::Parts{.scope = loop_.scope(),
                                    .pool = loop_.pool(),
                                    .config = config_,
                                    .courier = queue_,
                                    .folder = folder_.path() / "lessons/0",
                                    .disk = disk_,
                                    .bounds = bounds_,
                                    .pace = pace_});
    ASSERT_TRUE(loop_.run(learner_->start()));
  }
  void restart() {
    learner_->stop();
    loop_.until([this] { return loop_.scope().running() == 0; });
    start();
  }

  store::Uid append(const std::string& mailbox, const std::string& subject,
                    const std::string& body = "") {
    auto delivery = *loop_.run(account_->begin_delivery());
    EXPECT_TRUE(loop_.run(delivery->write("Subject: " + subject + "\r\n\r\n" + body)));
    const auto placed = loop_.run(delivery->commit({store::Target{.mailbox = mailbox}}));
    return placed->front().uid;
  }
  void see(imap::Happening happening) {
    happening.account = account_;
    loop_.wait(learner_->see(happening));
  }
  net::Awaitable<void> see_later(imap::Happening happening) { co_await learner_->see(happening); }
  void move(std::vector<store::Uid> uids, const std::string& from, const std::string& to) {
    auto view = *loop_.run(account_->open_view(from, store::Access::read_write));
    const auto moved = loop_.run(view->mailbox().move(std::move(uids), to));
    imap::Happening happening{.cause = imap::Cause::copy, .mailbox = to, .from = from};
    for (const auto& [before, after] : moved->uids) happening.uids.push_back(after);
    see(std::move(happening));
  }
  void be_idle() {
    loop_.until([this] { return learner_->waiting() == 0; });
  }

  test::TempFolder folder_;
  test::TestLoop loop_;
  config::Config config_;
  FaultDisk disk_;
  FakeQueue queue_;
  Notebook::Bounds bounds_;
  Learner::Pace pace_;
  std::optional<store::Accounts> accounts_;
  store::AccountPtr account_;
  std::optional<Learner> learner_;
};

TEST_F(LearnerTest, TeachesEachLessonOnceAndTheOtherWhenOneThinksBetterOfIt) {
  append("INBOX", "1");
  append("INBOX", "2");
  move({1, 2}, "INBOX", "Junk");
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:1", "spam alice@example.org:2"));
  queue_.seen.clear();
  move({1}, "Junk", "INBOX");
  move({3}, "INBOX", "Junk");
  move({3}, "Junk", "Trash");
  move({1}, "Trash", "Junk");
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("ham alice@example.org:1", "spam alice@example.org:1"));
}

// RFC 6154 section 5.3.
TEST_F(LearnerTest, TheFolderThatAUserGaveTheUseToIsOne) {
  ASSERT_TRUE(loop_.run(account_->remove("Junk")));
  ASSERT_TRUE(loop_.run(account_->create("Spam", store::SpecialUse::junk)));
  append("INBOX", "1");
  move({1}, "INBOX", "Spam");
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:1"));
}

TEST_F(LearnerTest, TheSiteIsTaughtInNobodysName) {
  config_.filter.learn = config::Learn::site;
  append("INBOX", "1");
  move({1}, "INBOX", "Junk");
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam :1"));
}

TEST_F(LearnerTest, WhatNobodyTookWaitsAndComesInOrderOverARestart) {
  queue_.answer = [](const std::string&) { return Answer{Outcome::unavailable, "down"}; };
  const test::CapturedLog log;
  append("INBOX", "1");
  move({1}, "INBOX", "Junk");
  // The mail itself may go meanwhile.
  auto view = *loop_.run(account_->open_view("Junk", store::Access::read_write));
  ASSERT_TRUE(loop_.run(view->mailbox().store_flags(
      {.uids = {1}, .mode = store::FlagMode::add, .flags = store::flag::deleted})));
  append("Junk", "2");
  see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {2}});
  ASSERT_TRUE(loop_.run(view->mailbox().expunge()));
  view.reset();
  loop_.until([&] { return queue_.seen.size() > 5; });
  EXPECT_EQ(learner_->waiting(), 2U);
  EXPECT_EQ(log.count("event=lesson.waits"), 1);  // once an outage
  restart();
  EXPECT_EQ(learner_->waiting(), 2U);
  queue_.seen.clear();
  queue_.answer = [](const std::string&) { return Answer{Outcome::learned, ""}; };
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:1", "spam alice@example.org:2"));
  restart();
  loop_.idle(30ms);
  EXPECT_EQ(queue_.seen.size(), 2U);
}

TEST_F(LearnerTest, OneThatSpamdFailsAtHoldsUpTheOthersForAWhileAlone) {
  queue_.answer = [](const std::string& lesson) {
    return Answer{lesson.ends_with(":bad") ? Outcome::failed : Outcome::learned, ""};
  };
  append("INBOX", "bad");
  append("INBOX", "good");
  move({1, 2}, "INBOX", "Junk");
  be_idle();
  EXPECT_THAT(queue_.seen,
              ElementsAre("spam alice@example.org:bad", "spam alice@example.org:bad",
                          "spam alice@example.org:bad", "spam alice@example.org:good"));
}

TEST_F(LearnerTest, OneThatIsRefusedIsNotTriedAgain) {
  queue_.answer = [](const std::string&) { return Answer{Outcome::refused, "554"}; };
  append("INBOX", "1");
  move({1}, "INBOX", "Junk");
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:1"));
}

TEST_F(LearnerTest, TheOldestGoesWhenTooMuchWaits) {
  bounds_.messages_max = 2;
  restart();
  queue_.answer = [](const std::string&) { return Answer{Outcome::unavailable, ""}; };
  const test::CapturedLog log;
  for (int i = 1; i <= 4; ++i)
    see({.cause = imap::Cause::append,
         .mailbox = "Junk",
         .uids = {append("Junk", std::to_string(i))}});
  EXPECT_EQ(learner_->waiting(), 2U);
  EXPECT_EQ(log.count("event=lesson.dropped"), 2);
  queue_.seen.clear();
  queue_.answer = [](const std::string&) { return Answer{Outcome::learned, ""}; };
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:3", "spam alice@example.org:4"));
}

TEST_F(LearnerTest, WhatIsDroppedWhileItIsTaughtIsNoFault) {
  bounds_.messages_max = 1;
  restart();
  append("Junk", "1");
  append("Junk", "2");
  std::optional<bool> is_over;
  queue_.during = [&] {
    if (std::exchange(is_over, true)) return;
    imap::Happening second{
        .cause = imap::Cause::append, .account = account_, .mailbox = "Junk", .uids = {2}};
    loop_.scope().spawn(see_later(std::move(second)));
  };
  see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {1}});
  loop_.until([&] { return queue_.seen.size() == 2; });
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:1", "spam alice@example.org:2"));
}

TEST_F(LearnerTest, OneThatWaitedTooLongIsGivenUp) {
  pace_.age_max = std::chrono::hours(0);
  restart();
  append("Junk", "1");
  const test::CapturedLog log;
  see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {1}});
  loop_.until([&] { return log.count("event=lesson.dropped") == 1; });
  EXPECT_EQ(learner_->waiting(), 0U);
  EXPECT_THAT(queue_.seen, IsEmpty());
}

TEST_F(LearnerTest, WhatIsTooLongForTheFilterIsNotForItsLessons) {
  append("Junk", "1", std::string(1000, 'x'));
  append("Junk", "2");
  see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {1, 2, 77}});
  be_idle();
  EXPECT_THAT(queue_.seen, ElementsAre("spam alice@example.org:2"));
}

// Each step on the disk fails once: the client's command goes on, and whatever could be taken down
// is taught.
TEST_F(LearnerTest, ADiskThatFailsHindersNobody) {
  append("Junk", "1");
  for (int at = 1; at <= 8; ++at) {
    queue_.seen.clear();
    disk_.arm({.fault = FaultDisk::Fault::once, .at = at});
    see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {1}});
    be_idle();
    disk_.arm({});
    see({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {1}});
    be_idle();
    EXPECT_LE(queue_.seen.size(), 2U) << at;
    std::filesystem::remove(folder_.path() / "lessons/0/taught");
    restart();
  }
}

}  // namespace
}  // namespace posthorn::learn
