// What is kept is found: by queue id with the part of its session that is about it, by whoever it
// names, and with its kin. What is old goes, and nothing of it is left.
#include "trail/book.h"

#include <gmock/gmock.h>

#include "base/events.h"
#include "tests/support/temp_folder.h"

namespace posthorn::trail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

WallTime at(std::int64_t seconds) {
  return WallTime(std::chrono::seconds(1'000'000 + seconds));
}

class BookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(book_.open(file_, Book::Access::keep));
    ASSERT_TRUE(reader_.open(file_, Book::Access::read));
  }
  void keep(std::int64_t seconds, std::string_view source, const log::Event& event,
            std::string_view session, std::string_view queue_id, log::Fields fields) {
    Record record = *parse_record(format_record(at(seconds), event, session, queue_id, fields));
    record.source = source;
    const auto kept = book_.keep(std::span(&record, 1));
    ASSERT_TRUE(kept) << kept.error().what;
  }
  std::vector<std::string> events(const Result<Life>& life) {
    EXPECT_TRUE(life) << life.error().what;
    std::vector<std::string> names;
    for (const Record& record : life->records) names.push_back(record.event);
    return names;
  }
  std::vector<std::string> find(const Search& search) {
    const auto found = reader_.find(search);
    EXPECT_TRUE(found) << found.error().what;
    std::vector<std::string> ids;
    for (const Match& match : *found)
      ids.push_back(match.queue_id.empty() ? match.session : match.queue_id);
    return ids;
  }
  // One mail of session s, accepted a second after its RCPT.
  void mail(std::int64_t seconds, const std::string& session, const std::string& id,
            const std::string& from, const std::string& to) {
    keep(seconds, "edge", event::smtp_rcpt_accepted, session, "-", {{"rcpt", to}, {"from", from}});
    keep(seconds + 1, "queue", event::queue_accepted, session, id,
         {{"from", from}, {"to", to}, {"sent_by", "stranger"}, {"message_id", "<" + id + "@m>"}});
    keep(seconds + 2, "queue", event::queue_delivered, session, id, {{"to", to}});
  }

  test::TempFolder folder_;
  const Path file_ = folder_.path() / "trail.db";
  Book book_, reader_;
};

TEST_F(BookTest, AMailHasThePartOfItsSessionThatIsAboutIt) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  keep(5, "edge", event::smtp_rcpt_refused, "s1", "-", {{"rcpt", "no@y"}, {"from", "a@x"}});
  mail(10, "s1", "Q2", "a@x", "c@y");
  EXPECT_THAT(events(reader_.life_of_mail("Q1")),
              ElementsAre("smtp.rcpt.accepted", "queue.accepted", "queue.delivered"));
  EXPECT_THAT(
      events(reader_.life_of_mail("Q2")),
      ElementsAre("smtp.rcpt.refused", "smtp.rcpt.accepted", "queue.accepted", "queue.delivered"));
  EXPECT_THAT(events(reader_.life_of_mail("Q3")), IsEmpty());
  EXPECT_THAT(events(reader_.life_of_mail("")), IsEmpty());
}

// Whoever took edge over can put its words into no other session's mail than the queue says.
TEST_F(BookTest, EdgeCannotGiveAMailItsSession) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  keep(3, "edge", event::smtp_accepted, "s2", "Q1", {{"from", "a@x"}});
  keep(3, "edge", event::smtp_rcpt_refused, "s2", "-", {{"rcpt", "made@up"}});
  for (const Record& record : reader_.life_of_mail("Q1")->records)
    EXPECT_NE(record.get("rcpt"), "made@up");
}

TEST_F(BookTest, MailsAreFoundByWhoTheyName) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  mail(10, "s2", "Q2", "B@y", "c@y");
  keep(20, "edge", event::smtp_rcpt_refused, "s3", "-", {{"rcpt", "no@y"}, {"from", "a@x"}});
  EXPECT_THAT(find({.address = "b@Y"}), ElementsAre("Q2", "Q1"));
  EXPECT_THAT(find({.sender = "a@x"}), ElementsAre("s3", "Q1"));
  EXPECT_THAT(find({.sender = "a@x", .recipient = "b@y"}), ElementsAre("Q1"));
  EXPECT_THAT(find({.message_id = "Q2@m"}), ElementsAre("Q2"));
  EXPECT_THAT(find({.message_id = "q2@m"}), IsEmpty());
  EXPECT_THAT(find({.address = "a@x", .since = at(15)}), ElementsAre("s3"));
  EXPECT_THAT(find({.refused_only = true}), ElementsAre("s3"));
  EXPECT_THAT(find({}), ElementsAre("s3", "Q2", "Q1"));
  EXPECT_THAT(find({.max = 1}), ElementsAre("s3"));
  EXPECT_THAT(find({.address = "nobody@y"}), IsEmpty());
}

TEST_F(BookTest, NoticesAreFoundByTheirNullSender) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  mail(10, "s2", "Q2", "", "b@y");
  mail(20, "s3", "Q3", "", "c@y");
  EXPECT_THAT(find({.sender = "<>"}), ElementsAre("Q3", "Q2"));
  EXPECT_THAT(find({.sender = "<>", .recipient = "b@y"}), ElementsAre("Q2"));
  EXPECT_THAT(find({.address = "a@x", .sender = "<>"}), IsEmpty());
}

TEST_F(BookTest, AnAccountsLoginsAreFound) {
  keep(1, "lookup", event::auth_succeeded, "S1", "-", {{"account", "alice@x"}});
  keep(2, "lookup", event::auth_failed, "S2", "-",
       {{"user", "Alice"}, {"account", "alice@x"}, {"reason", "wrong password"}});
  keep(3, "lookup", event::auth_failed, "S3", "-", {{"user", "bob"}, {"account", "bob@x"}});
  keep(4, "edge", event::auth_succeeded, "S4", "-", {{"account", "alice@x"}});  // not its to say
  mail(5, "S5", "Q1", "alice@x", "bob@y");
  const auto logins = reader_.logins_of("Alice@x", 10);
  ASSERT_TRUE(logins) << logins.error().what;
  ASSERT_THAT(*logins, SizeIs(2));
  EXPECT_EQ(logins->front().get("reason"), "wrong password");
  EXPECT_EQ(logins->back().event, "auth.succeeded");
  EXPECT_THAT(*reader_.logins_of("alice@x", 1), SizeIs(1));
  EXPECT_THAT(*reader_.logins_of("carol@x", 10), IsEmpty());
}

TEST_F(BookTest, AMailKnowsItsKin) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  keep(3, "store", event::sieve_redirected, "s1", "Q1", {{"rcpt", "far@z"}, {"child", "Q2"}});
  keep(4, "queue", event::queue_accepted, "s1", "Q2", {{"to", "far@z"}, {"sent_by", "sent-on"}});
  keep(5, "edge", event::smtp_accepted, "s1", "Q1", {{"child", "Q9"}});
  EXPECT_THAT(reader_.life_of_mail("Q1")->children, ElementsAre("Q2"));
  EXPECT_EQ(reader_.life_of_mail("Q2")->parent, "Q1");
  EXPECT_EQ(reader_.life_of_mail("Q9")->parent, "");
  EXPECT_THAT(events(reader_.life_of_mail("Q2")), ElementsAre("queue.accepted"));
}

TEST_F(BookTest, WhatIsOldGoesWithItsNames) {
  for (int i = 0; i < 50; ++i) mail(i * 10, "s", "Q" + std::to_string(i), "a@x", "b@y");
  keep(300, "store", event::sieve_redirected, "s", "Q30", {{"child", "K"}});
  const std::uint64_t before = book_.measure()->records;
  EXPECT_EQ(before, 151U);
  const auto pruned = book_.prune(at(250), 1U << 30U);
  ASSERT_TRUE(pruned);
  EXPECT_TRUE(pruned->is_done);
  EXPECT_EQ(book_.measure()->records, before - pruned->records);
  EXPECT_EQ(book_.measure()->first, at(250));
  EXPECT_THAT(find({.address = "b@y", .max = 200}), SizeIs(25));
  EXPECT_EQ(reader_.life_of_mail("K")->parent, "Q30");
  ASSERT_TRUE(book_.prune(at(10'000), 1U << 30U));
  EXPECT_EQ(book_.measure()->records, 0U);
  EXPECT_THAT(find({.address = "b@y"}), IsEmpty());
  EXPECT_EQ(reader_.life_of_mail("K")->parent, "");
  EXPECT_TRUE(book_.prune(at(10'000), 1U << 30U)->is_done);
}

TEST_F(BookTest, ItGrowsNoFurtherThanItMay) {
  const std::string padding(900, 'x');
  for (int i = 0; i < 3000; ++i)
    keep(i, "queue", event::queue_deferred, "s", "Q" + std::to_string(i), {{"reply", padding}});
  const std::uint64_t size = book_.measure()->size;
  for (int turn = 0; turn < 10; ++turn)
    if (book_.prune(at(-1), size / 2)->is_done) break;
  EXPECT_LE(book_.measure()->size, size / 2);
  EXPECT_GT(book_.measure()->records, 500U);
  EXPECT_EQ(book_.measure()->last, at(2999));
}

TEST_F(BookTest, WhatWasKeptIsThereAgain) {
  mail(0, "s1", "Q1", "a@x", "b@y");
  book_.close();
  reader_.close();
  ASSERT_TRUE(book_.open(file_, Book::Access::keep));
  ASSERT_TRUE(reader_.open(file_, Book::Access::read));
  EXPECT_THAT(find({.address = "b@y"}), ElementsAre("Q1"));
}

}  // namespace
}  // namespace posthorn::trail
