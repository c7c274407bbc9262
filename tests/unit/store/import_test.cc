// Many messages staged, then committed together; the UIDs that they had elsewhere.
#include "tests/unit/store/harness.h"

namespace posthorn::store {
namespace {

class Import : public ::testing::Test {
 protected:
  DeliveryPtr stage(std::string_view wire, std::optional<WallTime> date = std::nullopt) {
    auto delivery = process_.get(process_.account().begin_delivery());
    process_.get(delivery->write(wire));
    process_.get(delivery->settle(date));
    return delivery;
  }
  std::vector<Uid> uids(const std::string& mailbox = "INBOX") {
    return process_.view(mailbox)->uids();
  }

  TempFolder folder_;
  Process process_{folder_.path()};
};

TEST_F(Import, StagedMessagesShowTogether) {
  std::vector<DeliveryPtr> staged;
  for (int i = 0; i < 3; ++i)
    staged.push_back(stage(kMail, WallTime(std::chrono::seconds(1'000'000'000))));
  EXPECT_EQ(names_in(folder_.path() / kAlice / "tmp").size(), 3U);
  EXPECT_TRUE(uids().empty());
  // A settled one takes no more bytes and settles once.
  EXPECT_FALSE(process_.task(staged[0]->write("more\r\n")));
  EXPECT_FALSE(process_.task(staged[0]->settle(std::nullopt)));
  std::vector<Account::Append> appends;
  for (const DeliveryPtr& delivery : staged)
    appends.push_back({delivery.get(),
                       {.mailbox = "INBOX",
                        .flags = flag::seen,
                        .keywords = {},
                        .internal_date = WallTime(std::chrono::seconds(1'000'000'000))}});
  const auto placed = process_.get(process_.account().commit(std::move(appends)));
  ASSERT_EQ(placed.size(), 3U);
  EXPECT_EQ(uids(), (std::vector<Uid>{1, 2, 3}));
  EXPECT_TRUE(names_in(folder_.path() / kAlice / "tmp").empty());
  auto view = process_.view();
  EXPECT_EQ(view->mailbox().find(2)->internal_date, 1'000'000'000);
  EXPECT_EQ(process_.wire_text(view->mailbox(), 3), kMail);
}

TEST_F(Import, AStagedOneThatIsLeftGoes) {
  stage(kMail).reset();
  EXPECT_TRUE(names_in(folder_.path() / kAlice / "tmp").empty());
}

TEST_F(Import, AWishForAUidIsHeardOnlyAboveAllOfBefore) {
  const auto put = [&](Uid wish) {
    auto delivery = stage(kMail);
    std::vector<Account::Append> appends;
    appends.push_back({delivery.get(),
                       {.mailbox = "INBOX",
                        .flags = 0,
                        .keywords = {},
                        .internal_date = {},
                        .create = false,
                        .uid = wish}});
    return process_.get(process_.account().commit(std::move(appends))).front().uid;
  };
  EXPECT_EQ(put(7), 7U);
  EXPECT_EQ(put(7), 8U);
  EXPECT_EQ(put(3), 9U);
  EXPECT_EQ(put(900), 900U);  // behind the leased block
  EXPECT_EQ(put(0), 901U);
  EXPECT_EQ(put(0xFFFF'FFFFU), 902U);
  // A copy has the UID of its new place.
  process_.get(process_.account().create("Work"));
  {
    auto view = process_.view();
    process_.get(view->mailbox().copy({900}, "Work"));
  }
  EXPECT_EQ(uids("Work"), (std::vector<Uid>{1}));
  process_.close();
  Process again(folder_.path());
  EXPECT_EQ(again.view()->uids(), (std::vector<Uid>{7, 8, 9, 900, 901, 902}));
}

TEST_F(Import, UidvalidityIsTakenOnlyByWhatNeverHeldAMessage) {
  process_.get(process_.account().create("Full"));
  process_.deliver("Full", kMail);
  auto open = process_.view();
  const auto own = open->mailbox().uidvalidity();
  const auto taken = process_.get(process_.account().take_uidvalidity(
      {{"INBOX", 1000, 41}, {"Full", 1001, 50}, {"New", 1002, 60}, {"Later", own + 100, 5}}));
  EXPECT_EQ(taken, (std::vector<bool>{true, false, true, false}));
  EXPECT_TRUE(open->mailbox().is_gone());  // its session begins anew
  open.reset();
  process_.get(process_.account().raise_uidnext({{"INBOX", 1000, 41}, {"New", 1002, 60}}));
  EXPECT_EQ(process_.deliver("INBOX", kMail).uidvalidity, 1000U);
  EXPECT_EQ(uids(), (std::vector<Uid>{41}));
  process_.close();
  Process again(folder_.path());
  EXPECT_EQ(again.view("New")->mailbox().uidvalidity(), 1002U);
  EXPECT_EQ(again.view("New")->mailbox().uidnext(), 60U);
  EXPECT_EQ(again.view()->mailbox().uidvalidity(), 1000U);
  // Once there is a lower one, nothing tells any more what was given out before.
  EXPECT_EQ(again.get(again.account().take_uidvalidity({{"Other", 1001, 1}})),
            std::vector<bool>{false});
}

}  // namespace
}  // namespace posthorn::store
