// Proves that what a script wants sent is sent by a delivery, and in an order that a failure between
// any two steps bears: no answer twice, no mail lost to `duplicate`.
#include "lda/replies.h"

#include "store/away.h"
#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Words = std::vector<std::string>;

struct RepliesTest : DeliveryTest {
  RepliesTest() {
    directory.recipients["friend@elsewhere.test"] =
        route::Expansion{.recipients = {"friend@elsewhere.test"}};
  }
  static std::string mail(std::string_view more = "") {
    return fmt::format("To: alice@example.org\r\n{}{}", more, kMail);
  }
  std::size_t answers() const { return queue.committed().size(); }
};

TEST_F(RepliesTest, AVacationAnswersAndTheMailIsKept) {
  script("default.sieve", "require \"vacation\";\nvacation \"away\";\n");
  start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  EXPECT_EQ(answers(), 1U);
  EXPECT_EQ(count("alice"), 3U);
}

// The mail cannot be stored: it comes again, and is answered no second time.
TEST_F(RepliesTest, HandedOverAgainItIsNotAnsweredTwice) {
  script("default.sieve", "require \"vacation\";\nvacation \"away\";\n");
  start();
  queue.after_commit = [this] {
    disk.arm({.fault = test::FaultDisk::Fault::for_good, .at = 1, .error = ENOSPC});
  };
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"451 4.2.0"});
  disk.arm({});
  queue.after_commit = [] {};
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  EXPECT_EQ(answers(), 1U);
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(RepliesTest, AQueueThatIsAwayHoldsUpNoMail) {
  script("default.sieve", "require \"vacation\";\nvacation \"away\";\n");
  start();
  queue.is_down = true;
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  queue.is_down = false;
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  EXPECT_EQ(answers(), 1U);
  EXPECT_EQ(count("alice"), 2U);
}

TEST_F(RepliesTest, WhatPosthornVacationHasSetAnswersBesideTheScript) {
  script("default.sieve",
         "require \"fileinto\";\n"
         "if header :is \"X\" \"drop\" { discard; } else { fileinto \"Work\"; }\n");
  start();
  ASSERT_TRUE(loop.run(accounts->open("alice@example.org")));
  ASSERT_TRUE(store::write_away(Disk::real(), place("alice"), {.text = "Bin weg."}));
  EXPECT_EQ(deliver({"alice@example.org"}, mail("X: drop\r\n")), Words{"250 2.0.0"});
  EXPECT_EQ(answers(), 0U);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  ASSERT_EQ(answers(), 1U);
  EXPECT_TRUE(queue.committed()[0].text.ends_with("\r\n\r\nBin weg.\r\n"));
  EXPECT_EQ(count("alice", "Work"), 2U);
  ASSERT_TRUE(store::remove_away(Disk::real(), place("alice")));
  directory.recipients["other@elsewhere.test"] =
      route::Expansion{.recipients = {"other@elsewhere.test"}};
  deliver({"alice@example.org"}, mail());
  EXPECT_EQ(answers(), 1U);
}

TEST_F(RepliesTest, AwayOnAnotherDayIsSilent) {
  start();
  ASSERT_TRUE(loop.run(accounts->open("alice@example.org")));
  ASSERT_TRUE(store::write_away(Disk::real(), place("alice"),
                                {.text = "x", .to = std::chrono::year{2001} / 1 / 1}));
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  EXPECT_EQ(answers(), 0U);
  test::write_text(place("alice") / store::kAwayFile, "rubbish\n");
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 2U);
}

TEST_F(RepliesTest, ARefusalIsInTheScriptsWords) {
  script("default.sieve", "require \"reject\";\nreject \"Keine Grüße\";\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org"}, mail()), Words{"550 5.7.1"});
  EXPECT_EQ(last_text, "Keine Grüße");
  EXPECT_EQ(deliver({"alice@example.org"}, mail("X-Spam-Flag: YES\r\n")), Words{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 0U);
}

}  // namespace
}  // namespace posthorn::lda
