// The maildrop of a session: what it sees, what it marks, and that nothing goes but by update().
#include "pop3/server/maildrop.h"

#include "tests/unit/store/harness.h"

namespace posthorn::pop3 {
namespace {

using Retrieved = Maildrop::Retrieved;

class MaildropTest : public ::testing::Test {
 protected:
  MaildropTest() {
    for (const char* text : {"one\r\n", "three\r\n", "seven\r\n"}) store_.deliver("INBOX", text);
  }
  std::optional<Maildrop> open() {
    auto opened = store_.task(Maildrop::open(store_.account()));
    if (!opened) return std::nullopt;
    return *std::move(opened);
  }
  // What IMAP sees of INBOX: flags in the order of its messages.
  std::vector<store::Flags> flags() {
    std::vector<store::Flags> all;
    const store::ViewPtr view = store_.view();
    for (const store::Entry& entry : view->mailbox().entries()) all.push_back(entry.flags);
    return all;
  }

  test::TempFolder folder_;
  store::Process store_{folder_.path()};
};

TEST_F(MaildropTest, NumbersAreForTheWholeSession) {
  auto maildrop = open();
  ASSERT_TRUE(maildrop);
  store_.deliver("INBOX", "later\r\n");
  maildrop->pass_over_changes();
  EXPECT_EQ(maildrop->items().size(), 3U);
  EXPECT_EQ(maildrop->total().octets, 19U);
  for (const std::uint64_t number : {0U, 4U}) EXPECT_FALSE(maildrop->find(number)) << number;
  const auto second = maildrop->find(2);
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->size, 7U);
  (*second)->is_deleted = true;
  EXPECT_FALSE(maildrop->find(2));
  EXPECT_EQ((*maildrop->find(3))->size, 7U);
  EXPECT_EQ(maildrop->total().messages, 2U);
  maildrop->unmark_all();
  EXPECT_TRUE(maildrop->find(2));
}

TEST_F(MaildropTest, WithoutUpdateAllStays) {
  {
    auto maildrop = open();
    ASSERT_TRUE(maildrop);
    (*maildrop->find(1))->is_deleted = true;
    maildrop->note_retrieved(**maildrop->find(2));
  }
  EXPECT_EQ(flags(), (std::vector<store::Flags>{0, 0, 0}));
}

TEST_F(MaildropTest, UpdateRemovesWhatIsMarkedAndMarksWhatWasRead) {
  auto maildrop = open();
  ASSERT_TRUE(maildrop);
  (*maildrop->find(1))->is_deleted = true;
  maildrop->note_retrieved(**maildrop->find(2));
  EXPECT_TRUE(store_.task(maildrop->update(Retrieved::mark_seen, log::Logger())));
  EXPECT_EQ(maildrop->removed(), 1U);
  EXPECT_EQ(maildrop->retrieved(), 1U);
  EXPECT_EQ(flags(), (std::vector<store::Flags>{store::flag::seen, 0}));
}

TEST_F(MaildropTest, WhatAnotherRemovedIsNoFault) {
  auto maildrop = open();
  ASSERT_TRUE(maildrop);
  const store::Uid first = maildrop->items().front().uid;
  {
    const store::ViewPtr other = store_.view();
    store_.get(other->mailbox().store_flags({.uids = {first}, .flags = store::flag::deleted}));
    store_.get(other->mailbox().expunge());
  }
  EXPECT_FALSE(store_.get(maildrop->open_message(**maildrop->find(1))));
  (*maildrop->find(1))->is_deleted = true;
  maildrop->note_retrieved(**maildrop->find(3));
  EXPECT_TRUE(store_.task(maildrop->update(Retrieved::left_unseen, log::Logger())));
  EXPECT_EQ(maildrop->removed(), 0U);
  EXPECT_EQ(flags(), (std::vector<store::Flags>{0, 0}));
}

}  // namespace
}  // namespace posthorn::pop3
