// What is done for a certificate whose time has come, with a directory in memory and a real folder.
#include "acme/renewals.h"

#include <gmock/gmock.h>

#include "tests/support/test_loop.h"
#include "tests/unit/acme/fake_authority.h"
#include "tests/unit/acme/signer.h"

namespace posthorn::acme {
namespace {

using test::TempFolder;
using test::TestLoop;
using ::testing::ElementsAre;
using testing::FakeAuthority;
using ::testing::HasSubstr;
using Result = Renewals::Result;

class RenewalsTest : public ::testing::Test {
 protected:
  RenewalsTest() {
    authority_.clock = Clock::system().now();
    authority_.sign = [this](const std::string& der) { return testing::sign_request(der, life_); };
    start();
  }
  ~RenewalsTest() override { EXPECT_THAT(authority_.faults, ElementsAre()); }

  // As a new process over the same folder.
  void start() {
    renewals_.reset();
    folder_ = Folder::open(temp_.path()).value();
    Renewals::Settings settings{
        .client = {.directory = FakeAuthority::kUrl, .email = email_, .challenges = {"http-01"}},
        .keep_key = keep_key_,
        .find_tlsa = [this](std::vector<std::string>)
            -> net::Awaitable<std::optional<std::vector<Tlsa>>> { co_return tlsa_; }};
    renewals_ = std::make_unique<Renewals>(
        Renewals::Parts{*folder_, loop_.pool(), authority_, authority_}, settings);
    ASSERT_TRUE(loop_.run(renewals_->load()));
  }
  void want(std::vector<std::string> names) {
    loop_.wait(renewals_->want({{names.front(), names}}));
  }
  Result attempt() { return loop_.wait(renewals_->attempt("mx.example.org")); }
  std::string pair() { return test::read_text(temp_.path() / "mx.example.org.pem"); }
  std::string key() { return read_key(pair()).value(); }
  std::string state() { return test::read_text(temp_.path() / "state.json"); }
  Path account() { return temp_.path() / account_file(FakeAuthority::kUrl); }
  Renewals::Shown shown() { return renewals_->all().at(0); }
  std::optional<std::string> next() { return renewals_->find_next(authority_.clock); }

  const TempFolder temp_;
  TestLoop loop_;
  FakeAuthority authority_;
  std::chrono::seconds life_ = std::chrono::hours(24 * 90);
  std::string email_ = "admin@example.org";
  config::KeepKey keep_key_ = config::KeepKey::published;
  std::optional<std::vector<Tlsa>> tlsa_ = std::vector<Tlsa>{};
  std::unique_ptr<Folder> folder_;
  std::unique_ptr<Renewals> renewals_;
};

TEST_F(RenewalsTest, IssuesOnceAndRenewsWhenTheTimeHasCome) {
  EXPECT_EQ(next(), std::nullopt);
  want({"mx.example.org", "mail.example.org"});
  EXPECT_EQ(next(), "mx.example.org");
  EXPECT_EQ(attempt(), Result::issued);
  const std::string first = pair();
  EXPECT_THAT(read_pair(first).value().names, ElementsAre("mx.example.org", "mail.example.org"));
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(shown().entry.error, "");
  EXPECT_GT(shown().due.at, authority_.clock + std::chrono::hours(24 * 50));
  start();  // nothing is asked for again
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_EQ(shown().entry.names.size(), 2U);
  authority_.clock += std::chrono::hours(24 * 61);
  EXPECT_EQ(next(), "mx.example.org");
  EXPECT_EQ(attempt(), Result::renewed);
  EXPECT_NE(pair(), first);
  EXPECT_EQ(test::read_text(temp_.path() / "retired/mx.example.org.pem"), first);
  EXPECT_EQ(authority_.accounts, 1);
}

TEST_F(RenewalsTest, AFailureKeepsThePairAndWaitsOverARestart) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  const std::string before = pair();
  authority_.clock += std::chrono::hours(24 * 61);
  authority_.says["/order"] = FakeAuthority::problem(403, "rejectedIdentifier", "not here");
  EXPECT_EQ(attempt(), Result::failed);
  EXPECT_EQ(pair(), before);
  EXPECT_THAT(shown().entry.error, HasSubstr("not here"));
  EXPECT_THAT(shown().entry.remedy, HasSubstr("acme.names"));
  EXPECT_EQ(next(), std::nullopt);
  start();
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_THAT(shown().entry.error, HasSubstr("not here"));
  authority_.clock += std::chrono::minutes(13);
  EXPECT_EQ(next(), "mx.example.org");
  authority_.says.clear();
  EXPECT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(shown().entry.failures, 0U);
}

TEST_F(RenewalsTest, AnAttemptThatIsCutOffIsNotBegunAgainAtOnce) {
  want({"mx.example.org"});
  std::string meanwhile;
  authority_.sign = [&](const std::string&) {
    meanwhile = state();
    return std::string();
  };
  EXPECT_EQ(attempt(), Result::failed);
  EXPECT_THAT(meanwhile, HasSubstr("cut off"));
  // What a process that was killed then has left:
  temp_.write("state.json", meanwhile);
  start();
  EXPECT_EQ(next(), std::nullopt);
  EXPECT_GE(shown().due.at, authority_.clock + std::chrono::minutes(9));
}

TEST_F(RenewalsTest, TheAccountsKeyIsOnDiskBeforeTheAuthoritySeesIt) {
  want({"mx.example.org"});
  authority_.says["/account"] = {.status = 500};
  EXPECT_EQ(attempt(), Result::failed);
  const auto left = read_account_record(test::read_text(account())).value();
  EXPECT_EQ(left.account, "");
  authority_.says.clear();
  start();
  EXPECT_EQ(attempt(), Result::issued);
  const auto made = read_account_record(test::read_text(account())).value();
  EXPECT_EQ(made.key_pem, left.key_pem);
  EXPECT_EQ(made.account, "https://ca.test/acct/1");
}

TEST_F(RenewalsTest, AnAccountThatTheAuthorityForgotIsMadeAgainWithItsKey) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  const auto before = read_account_record(test::read_text(account())).value();
  authority_.says["/order"] = FakeAuthority::problem(400, "accountDoesNotExist", "who");
  authority_.says_times["/order"] = 1;
  EXPECT_EQ(attempt(), Result::renewed);
  const auto after = read_account_record(test::read_text(account())).value();
  EXPECT_EQ(after.key_pem, before.key_pem);
  EXPECT_NE(after.account, before.account);
}

TEST_F(RenewalsTest, ADeactivatedAccountIsLeftForAnotherOnce) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  const auto before = read_account_record(test::read_text(account())).value();
  authority_.says["/order"] = FakeAuthority::problem(403, "unauthorized", "deactivated");
  authority_.says_times["/order"] = 1;
  authority_.says["/acct/1"] = {.status = 200, .body = R"({"status":"deactivated"})"};
  EXPECT_EQ(attempt(), Result::renewed);
  EXPECT_NE(read_account_record(test::read_text(account())).value().key_pem, before.key_pem);
  EXPECT_EQ(authority_.accounts, 2);
  // Not for ever another.
  authority_.account_status = "deactivated";
  authority_.says["/order"] = FakeAuthority::problem(403, "unauthorized", "deactivated");
  authority_.says_times.clear();
  EXPECT_EQ(attempt(), Result::failed);
  EXPECT_EQ(authority_.accounts, 3);
}

TEST_F(RenewalsTest, AnotherAddressIsToldToTheAuthority) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  email_ = "other@example.org";
  start();
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(read_account_record(test::read_text(account())).value().email, email_);
  EXPECT_EQ(authority_.accounts, 1);
  EXPECT_EQ(authority_.count("/acct/1"), 1U);
}

TEST_F(RenewalsTest, TheKeyIsKeptWhereItIsPublishedOrNobodyCanSay) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  std::string before = key();
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_NE(key(), before);
  before = key();
  tlsa_ = std::nullopt;
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(key(), before);
  tlsa_ = {{3, 1, 0, read_pair(pair()).value().spki}};
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(key(), before);
  keep_key_ = config::KeepKey::never;
  start();
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_NE(key(), before);
  before = key();
  keep_key_ = config::KeepKey::always;
  tlsa_ = std::vector<Tlsa>{};
  start();
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(key(), before);
}

TEST_F(RenewalsTest, OneThatIsRevokedIsGotAnewWithAnotherKey) {
  keep_key_ = config::KeepKey::always;
  start();
  EXPECT_FALSE(loop_.wait(renewals_->revoke("mx.example.org", Reason::key_compromise)));
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  const std::string before = key();
  ASSERT_TRUE(loop_.wait(renewals_->revoke("mx.example.org", Reason::key_compromise)));
  EXPECT_EQ(next(), "mx.example.org");
  start();  // over a restart, too
  EXPECT_EQ(next(), "mx.example.org");
  EXPECT_EQ(shown().due.reason, "it is revoked");
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_NE(key(), before);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(RenewalsTest, WhatIsForAnotherKeyOrNamesIsNotTaken) {
  want({"mx.example.org"});
  const std::string other = make_key(config::KeyType::ecdsa_p256).value();
  authority_.sign = [&](const std::string&) {
    return testing::sign_request(make_request(other, {"mx.example.org"}).value());
  };
  EXPECT_EQ(attempt(), Result::failed);
  EXPECT_EQ(pair(), "");
  EXPECT_THAT(shown().entry.error, HasSubstr("another key"));
}

TEST_F(RenewalsTest, TheAuthoritysWindowMovesTheTime) {
  want({"mx.example.org"});
  authority_.has_renewal_info = true;
  ASSERT_EQ(attempt(), Result::issued);
  const std::string id = read_pair(pair()).value().renewal_id;
  authority_.says["/ari/" + id] = {
      .status = 200,
      .body =
          R"({"suggestedWindow":{"start":"2025-01-02T04:00:00Z","end":"2025-01-03T04:00:00Z"}})"};
  loop_.wait(renewals_->ask_windows());
  EXPECT_EQ(next(), "mx.example.org");  // it is in the past: now
  loop_.wait(renewals_->ask_windows());
  EXPECT_EQ(authority_.count("/ari/" + id), 1U);  // not before the six hours are over
  authority_.payloads.clear();
  ASSERT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(authority_.payloads[0]["replaces"], id);
  EXPECT_EQ(next(), std::nullopt);
}

TEST_F(RenewalsTest, WhatIsNotWantedAnyMoreServesUntilItsEnd) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  want({"other.example.org"});
  EXPECT_NE(pair(), "");
  EXPECT_EQ(renewals_->all().size(), 1U);
  authority_.clock += std::chrono::hours(24 * 91);
  want({"other.example.org", "more.example.org"});
  EXPECT_EQ(pair(), "");
  EXPECT_NE(test::read_text(temp_.path() / "retired/mx.example.org.pem"), "");
}

TEST_F(RenewalsTest, APairOrStateThatIsDamagedIsGotAnew) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  temp_.write("state.json", "{ damaged");
  start();
  want({"mx.example.org"});
  EXPECT_EQ(next(), std::nullopt);  // the pair says it all
  temp_.write("mx.example.org.pem", "damaged");
  start();
  EXPECT_EQ(next(), "mx.example.org");
  EXPECT_EQ(attempt(), Result::issued);
}

TEST_F(RenewalsTest, WhoAsksForItNowGetsItNow) {
  want({"mx.example.org"});
  ASSERT_EQ(attempt(), Result::issued);
  EXPECT_TRUE(renewals_->hasten("mx.example.org"));
  EXPECT_FALSE(renewals_->hasten("mail.example.org"));
  EXPECT_EQ(next(), "mx.example.org");
  EXPECT_EQ(attempt(), Result::renewed);
  EXPECT_EQ(next(), std::nullopt);
}

}  // namespace
}  // namespace posthorn::acme
