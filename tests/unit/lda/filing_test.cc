// Proves where copies of a message go (by name, by special use, by id, as other servers write
// names), that a version that a script has made is stored as it made it beside the one that came,
// and that all copies are there or none.
#include "lda/filing.h"

#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Texts = std::vector<std::string>;

struct FilingTest : DeliveryTest {
  FilingTest() {
    start();
    account = *loop.run(accounts->open("alice@example.org"));
    stage();
  }
  void stage() {
    delivery = *loop.run(account->begin_delivery());
    EXPECT_TRUE(loop.run(delivery->write(std::string(kOwn) + std::string(kMail))));
  }
  Result<std::vector<Filed>> file(const std::vector<sieve::Action>& actions) {
    return loop.run(file_all(&actions));
  }
  net::Task<std::vector<Filed>> file_all(const std::vector<sieve::Action>* actions) {
    Filing filing({config, *account, keys, {*delivery, kOwn, header}});
    for (const sieve::Action& action : *actions) CO_TRY_OK(co_await filing.add(action));
    co_return co_await filing.commit();
  }
  static sieve::Action into(std::string mailbox) { return {sieve::FileInto{{std::move(mailbox)}}}; }
  static constexpr std::string_view kOwn = "Return-Path: <f@e.test>\r\nDelivered-To: a@e.org\r\n";
  const std::string header =
      std::string(kOwn) + "From: friend@elsewhere.test\r\nSubject: hello\r\n";
  maps::AddressKeys keys;
  store::AccountPtr account;
  store::DeliveryPtr delivery;
};

TEST_F(FilingTest, NamesAsOtherServersWriteThem) {
  std::vector<sieve::Action> actions;
  for (const char* name : {"Test", "INBOX/Test", "INBOX.Test", "inbox/Test"})
    actions.push_back(into(name));
  actions.push_back(into("Work/2026"));
  actions.push_back(into("a..b"));
  actions.push_back(into("~x/.."));
  actions.push_back(into(std::string(300, 'x')));
  const auto filed = file(actions);
  ASSERT_TRUE(filed);
  EXPECT_EQ(count("alice", "Test"), 1U);
  EXPECT_EQ(count("alice", "Work.2026"), 1U);
  EXPECT_EQ(count("alice"), 1U);
  EXPECT_EQ(filed->size(), 3U);
}

TEST_F(FilingTest, AnIdGoesBeforeAUseAndAUseBeforeAName) {
  ASSERT_TRUE(loop.run(account->create("Named")));
  ASSERT_TRUE(loop.run(account->create("Old", store::SpecialUse::archive)));
  const auto id = loop.run(account->mailbox_id("Named"));
  ASSERT_TRUE(id && *id);
  const auto to = [](std::string use, std::string mailbox_id, sieve::Create create) {
    sieve::Action action = into("Fallback");
    auto& place = std::get<sieve::FileInto>(action.what).place;
    place.special_use = std::move(use);
    place.mailbox_id = std::move(mailbox_id);
    place.create = create;
    return action;
  };
  ASSERT_TRUE(file({to("\\Archive", **id, sieve::Create::no)}));
  EXPECT_EQ(count("alice", "Named"), 1U);
  stage();
  ASSERT_TRUE(file({to("\\archive", "Fnone", sieve::Create::no)}));
  EXPECT_EQ(count("alice", "Old"), 1U);
  stage();
  ASSERT_TRUE(file({to("\\Sent", "", sieve::Create::yes)}));
  EXPECT_EQ(count("alice", "Fallback"), 1U);
  const auto sent = loop.run(account->find_by_use(store::SpecialUse::sent));
  ASSERT_TRUE(sent && *sent);
  EXPECT_EQ(**sent, "Fallback");
}

TEST_F(FilingTest, AVersionIsStoredBesideWhatCame) {
  const auto edited =
      std::make_shared<const sieve::Version>(sieve::Version{"X-New: 1\r\n" + header, std::nullopt});
  const auto replaced =
      std::make_shared<const sieve::Version>(sieve::Version{"Subject: gone\r\n", "other body\r\n"});
  sieve::Action first = into("Edited"), second = into("Replaced"), third = into("Edited");
  first.version = third.version = edited;
  second.version = replaced;
  std::get<sieve::FileInto>(third.what).place.flags = {"\\Flagged"};
  sieve::Action keep{sieve::Keep{}};
  const auto filed = file({first, keep, second, third});
  ASSERT_TRUE(filed);
  const std::string came =
      "Return-Path: <f@e.test>\nDelivered-To: a@e.org\n"
      "From: friend@elsewhere.test\nSubject: hello\n\nbody\n";
  EXPECT_EQ(messages("alice"), Texts{"|" + came});
  EXPECT_EQ(messages("alice", "Edited"), Texts{"F|X-New: 1\n" + came});
  EXPECT_EQ(messages("alice", "Replaced"), Texts{"|Subject: gone\n\nother body\n"});
  EXPECT_EQ(test::names_in(place("alice") / "tmp"), Texts{});
}

TEST_F(FilingTest, AllVersionsOrNone) {
  sieve::Action edited = into("Edited");
  edited.version = std::make_shared<const sieve::Version>(sieve::Version{"X: 1\r\n", "x\r\n"});
  disk.arm({.fault = test::FaultDisk::Fault::for_good, .at = 4, .error = ENOSPC});
  EXPECT_FALSE(file({edited, sieve::Action{sieve::Keep{}}}));
  disk.arm({});
  delivery.reset();
  EXPECT_EQ(count("alice"), 0U);
  EXPECT_EQ(count("alice", "Edited"), 0U);
}

TEST_F(FilingTest, WhatIsSentOnIsWithoutOurFields) {
  std::string sent;
  const auto take = [&sent](std::string_view bytes) -> net::Task<> {
    sent += bytes;
    co_return Result<>{};
  };
  const auto copy = [&](sieve::VersionPtr version) {
    sent.clear();
    EXPECT_TRUE(loop.run(copy_message(loop.pool(), {*delivery, kOwn, header}, std::move(version),
                                      OwnFields::left_out, take)));
    return sent;
  };
  EXPECT_EQ(copy(nullptr), kMail);
  EXPECT_EQ(copy(std::make_shared<const sieve::Version>(
                sieve::Version{"X-New: 1\r\n" + header, std::nullopt})),
            "X-New: 1\r\n" + std::string(kMail));
  // One of the fields taken out by the script, and one of the same name that came with the mail.
  EXPECT_EQ(copy(std::make_shared<const sieve::Version>(sieve::Version{
                "Delivered-To: a@e.org\r\nX: 1\r\nDelivered-To: a@e.org\r\n", "b\r\n"})),
            "X: 1\r\nDelivered-To: a@e.org\r\n\r\nb\r\n");
}

}  // namespace
}  // namespace posthorn::lda
