// Proves what the one place that checks passwords promises: the same answer and the same work for
// a wrong password and for nobody's name, a ban that a known pair does not feel, tokens that open
// one door once, a remembered password only as long as it is right, and a users file that is never
// half read.
#include "auth/service.h"

#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <thread>

#include "tests/support/leased.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::auth {
namespace {

using Outcome = Verdict::Outcome;

struct ServiceTest : testing::Test {
  ServiceTest() {
    config.paths.users = folder.path() / "users";
    config.maps.poll_interval = 100ms;
    config.auth.failures_max = 3;  // banned before it begins to wait
    write("alice@example.test:{PLAIN}good\nbare:{PLAIN}good\ncarol@other.test:{PLAIN}good\n");
  }
  ~ServiceTest() override {
    if (service) service->stop();
    if (files) files->files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }

  void write(std::string_view text) const {
    (void)folder.write("users.new", text);
    std::filesystem::rename(folder.path() / "users.new", folder.path() / "users");
  }
  AuthService& start(const std::vector<std::string>& exempt = {}) {
    service = std::make_unique<AuthService>(
        loop.scope(), loop.pool(), config, *net::Networks::parse(exempt),
        [this] { return domains; }, clock);
    const auto started = loop.run(service->start());
    EXPECT_TRUE(started) << (started ? "" : started.error().what);
    files = std::make_unique<test::Watched>(loop, config.maps.poll_interval, *service);
    for (const config::Finding& fault : files->start()) ADD_FAILURE() << fault.text();
    return *service;
  }
  static Attempt attempt(const std::string& user, const std::string& password,
                         const std::string& address = "192.0.2.1") {
    return {.service = "imap",
            .mechanism = "PLAIN",
            .user = user,
            .authorization = {},
            .password = password,
            .address = address,
            .session = "S1",
            .tls = true};
  }
  Verdict login(Attempt what) {
    auto verdict = loop.run(service->authenticate(std::move(what)));
    EXPECT_TRUE(verdict) << (verdict ? "" : verdict.error().what);
    return verdict.value_or(Verdict{});
  }

  test::TempFolder folder;
  test::TestLoop loop;
  test::ManualClock clock;
  config::Config config;
  std::vector<std::string> domains = {"example.test"};
  std::unique_ptr<AuthService> service;
  std::unique_ptr<test::Watched> files;
};

TEST_F(ServiceTest, Names) {
  start({"192.0.2.0/24"});
  const struct {
    std::string user, account;  // empty: refused
  } rows[] = {
      {"alice@example.test", "alice@example.test"},
      {"ALICE@Example.TEST", "alice@example.test"},
      {"alice", "alice@example.test"},  // the only domain there is
      {"bare", "bare@example.test"},
      {"bare@example.test", "bare@example.test"},
      {"carol@other.test", "carol@other.test"},
      {"carol", ""},
      {"bare@other.test", ""},
      {"", ""},
      {"alice@example.test ", ""},
      {" alice", ""},
      {"alice@example.test\n", ""},
      {"@example.test", ""},
      {"alice@", ""},
      {"alice@@example.test", ""},
      {"'; DROP TABLE users;--", ""},
      {"../alice", ""},
      {"alice%", ""},
      {std::string(1U << 20U, 'a'), ""},
  };
  for (const auto& row : rows) {
    const Verdict verdict = login(attempt(row.user, "good"));
    EXPECT_EQ(verdict.outcome, row.account.empty() ? Outcome::refused : Outcome::ok)
        << row.user.substr(0, 60);
    EXPECT_EQ(verdict.account, row.account);
  }
  domains.push_back("other.test");  // now a name alone could be either's
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::refused);
  config.server.default_domain = "example.test";
  EXPECT_EQ(login(attempt("alice", "good")).account, "alice@example.test");
}

TEST_F(ServiceTest, Passwords) {
  start({"192.0.2.0/24"});
  for (const std::string wrong : {"", "Good", "good ", "goo", "goodx", "{PLAIN}good"})
    EXPECT_EQ(login(attempt("alice", wrong)).outcome, Outcome::refused) << wrong;
  EXPECT_EQ(login(attempt("alice", std::string("good\0x", 6))).outcome, Outcome::refused);
  EXPECT_EQ(login(attempt("alice", std::string(5000, 'x'))).outcome, Outcome::refused);
}

// Dovecot's fields of an account's line.
TEST_F(ServiceTest, WhoIsShutOut) {
  write(
      "gone@example.test:{PLAIN}good::::::nologin\n"
      "inner@example.test:{PLAIN}good::::::allow_nets=10.0.0.0/8\n"
      "bare:{PLAIN}good::::::allow_nets=10.0.0.0/8\n");
  start({"192.0.2.0/24", "10.0.0.0/8"});
  for (const std::string user : {"gone", "inner", "bare", "bare@example.test"})
    EXPECT_EQ(login(attempt(user, "good")).outcome, Outcome::refused) << user;
  EXPECT_EQ(login(attempt("gone", "good", "10.1.1.1")).outcome, Outcome::refused);
  for (const std::string user : {"inner", "bare", "bare@example.test"})
    EXPECT_EQ(login(attempt(user, "good", "10.1.1.1")).outcome, Outcome::ok) << user;
}

TEST_F(ServiceTest, AuthorizationId) {
  start({"192.0.2.0/24"});
  const struct {
    std::string authorization;
    Outcome outcome;
  } rows[] = {{"", Outcome::ok},
              {"alice@example.test", Outcome::ok},
              {"ALICE@example.test", Outcome::ok},
              {"alice", Outcome::ok},
              {"bare@example.test", Outcome::refused},
              {"carol@other.test", Outcome::refused},
              {"root", Outcome::refused},
              {"\n", Outcome::refused}};
  for (const auto& row : rows) {
    Attempt what = attempt("alice@example.test", "good");
    what.authorization = row.authorization;
    EXPECT_EQ(login(what).outcome, row.outcome) << row.authorization;
  }
}

TEST_F(ServiceTest, BanAndTheKnownPair) {
  start();
  EXPECT_EQ(login(attempt("alice", "good", "192.0.2.7")).outcome, Outcome::ok);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(login(attempt("bare", "wrong", "192.0.2.7")).outcome, Outcome::refused);
  EXPECT_EQ(login(attempt("bare", "good", "192.0.2.7")).outcome, Outcome::banned);
  EXPECT_EQ(login(attempt("nobody", "x", "::ffff:192.0.2.7")).outcome, Outcome::banned);
  EXPECT_EQ(login(attempt("alice", "good", "192.0.2.7")).outcome, Outcome::ok);
  EXPECT_EQ(login(attempt("bare", "good", "198.51.100.7")).outcome, Outcome::ok);
  clock.advance(10min + 1s);
  EXPECT_EQ(login(attempt("bare", "good", "192.0.2.7")).outcome, Outcome::ok);
}

struct Burst {
  int ok = 0, refused = 0, banned = 0, failed = 0, done = 0;
  static net::Awaitable<void> one(AuthService* self, Attempt what, Burst* tally) {
    const auto verdict = co_await self->authenticate(std::move(what));
    if (!verdict)
      ++tally->failed;
    else if (verdict->outcome == Outcome::ok)
      ++tally->ok;
    else
      ++(verdict->outcome == Outcome::banned ? tally->banned : tally->refused);
    ++tally->done;
  }
};

// A hash that takes its time, so that all of a burst are there before the first is judged.
constexpr std::string_view kSlowHash =
    "{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/OvQMSygY1pWEVn72t6na";

TEST_F(ServiceTest, ABurstGetsNoMoreGuessesThanTheLimit) {
  write(fmt::format("alice@example.test:{0}\nbob@example.test:{0}\n", kSlowHash));
  start();
  const auto burst = [&](int count, const std::function<Attempt(int)>& make) {
    Burst tally;
    for (int i = 0; i < count; ++i) loop.scope().spawn(Burst::one(service.get(), make(i), &tally));
    loop.until([&] { return tally.done == count; });
    EXPECT_EQ(tally.failed, 0);
    return tally;
  };
  // One address, many accounts.
  Burst tally =
      burst(50, [](int i) { return attempt("user" + std::to_string(i), "wrong", "192.0.2.9"); });
  EXPECT_EQ(tally.refused, 3);
  EXPECT_EQ(tally.banned, 47);
  // One account, the addresses of one network; and one IPv6 network's.
  tally = burst(50, [](int i) {
    return attempt("alice", "wrong" + std::to_string(i), fmt::format("198.51.100.{}", i));
  });
  EXPECT_EQ(tally.refused, 3);
  tally = burst(50, [](int i) { return attempt("bob", "x", fmt::format("2001:db8::{:x}", i)); });
  EXPECT_EQ(tally.refused, 3);
  EXPECT_EQ(tally.banned, 47);
  // The right password at the end of a burst of wrong ones does not get in.
  clock.advance(10min + 1s);
  tally = burst(30, [](int i) { return attempt("alice", i < 29 ? "no" : "secret", "192.0.2.9"); });
  EXPECT_EQ(tally.ok, 0);
}

TEST_F(ServiceTest, ABurstOfGoodLoginsGetsIn) {
  config.auth.cache = 0ms;
  std::string users;
  for (int i = 0; i < 60; ++i) users += fmt::format("user{}@example.test:{}\n", i, kSlowHash);
  write(users);
  start();
  Burst tally;
  for (int i = 0; i < 60; ++i)  // a whole office behind one address
    loop.scope().spawn(
        Burst::one(service.get(), attempt(fmt::format("user{}", i), "secret"), &tally));
  loop.until([&] { return tally.done == 60; });
  EXPECT_EQ(tally.ok, 60);
}

TEST_F(ServiceTest, ExemptAddressesAreNeverBanned) {
  start({"127.0.0.0/8"});
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(login(attempt("alice", "wrong", "127.0.0.1")).outcome, Outcome::refused);
  EXPECT_EQ(login(attempt("alice", "good", "127.0.0.1")).outcome, Outcome::ok);
}

TEST_F(ServiceTest, Tokens) {
  start();
  const auto redeem = [&](const std::string& token, const std::string& to_service,
                          const std::string& session) {
    const auto account = loop.run(service->redeem(token, to_service, session));
    EXPECT_TRUE(account);
    return account.value_or(std::nullopt).value_or("-");
  };
  const auto token = [&] { return login(attempt("alice", "good")).token; };

  const std::string first = token();
  EXPECT_EQ(first.size(), 32U);  // 128 bits
  EXPECT_EQ(first.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(first, token());
  EXPECT_EQ(redeem(first, "imap", "S1"), "alice@example.test");
  EXPECT_EQ(redeem(first, "imap", "S1"), "-");  // once

  const std::string elsewhere = token();
  EXPECT_EQ(redeem(elsewhere, "pop3", "S1"), "-");
  EXPECT_EQ(redeem(elsewhere, "imap", "S1"), "-");  // whoever tried it has spent it
  const std::string others = token();
  EXPECT_EQ(redeem(others, "imap", "S2"), "-");
  EXPECT_EQ(redeem(others, "imap", "S1"), "-");

  const std::string old = token();
  clock.advance(10s + 1ms);
  EXPECT_EQ(redeem(old, "imap", "S1"), "-");
  const std::string just = token();
  clock.advance(10s - 1ms);
  EXPECT_EQ(redeem(just, "imap", "S1"), "alice@example.test");
  for (const std::string none : {"", "0", "00000000000000000000000000000000"})
    EXPECT_EQ(redeem(none, "imap", "S1"), "-");
}

// A login on a submission port proves itself with each message, and each message to the queue:
// once, for its session, to as many recipients as were counted.
TEST_F(ServiceTest, ASubmissionIsProved) {
  config.submission.messages_per_hour_max = 1000;
  start();
  SubmissionLimits bounds(config.submission, clock);
  Attempt submission = attempt("alice", "good");
  submission.service = "submission";
  const std::string proof = login(submission).token;
  EXPECT_FALSE(proof.contains("good"));
  const auto permit = [&](std::string with, std::string session = "S1",
                          std::string to_service = "submission") {
    const auto given = loop.run(service->permit(bounds, {.account = "carol@other.test",
                                                         .proof = std::move(with),
                                                         .service = std::move(to_service),
                                                         .session = std::move(session),
                                                         .recipients = 2}));
    EXPECT_TRUE(given);
    return given.value_or(Permit{});
  };
  const auto redeem = [&](const std::string& token, const std::string& session = "S1",
                          std::size_t recipients = 2) {
    return service->redeem_mail({token, session, "alice@example.test", recipients}).value_or("-");
  };
  // Of a proof nothing may be changed, and it is of no use elsewhere.
  for (std::size_t i = 0; i < proof.size(); ++i) {
    std::string forged = proof;
    forged[i] = forged[i] == '7' ? '8' : '7';
    EXPECT_EQ(permit(forged).outcome, Permit::Outcome::unproved) << i;
    EXPECT_EQ(permit(proof.substr(0, i)).outcome, Permit::Outcome::unproved) << i;
  }
  EXPECT_EQ(permit(proof + "x").outcome, Permit::Outcome::unproved);
  EXPECT_EQ(permit(proof, "S2").outcome, Permit::Outcome::unproved);
  EXPECT_EQ(permit(proof, "S1", "smtp").outcome, Permit::Outcome::unproved);
  EXPECT_EQ(permit("").outcome, Permit::Outcome::unproved);

  const Permit first = permit(proof), second = permit(proof);
  ASSERT_EQ(first.outcome, Permit::Outcome::ok);
  EXPECT_EQ(first.token.size(), 32U);
  EXPECT_NE(first.token, second.token);
  EXPECT_EQ(redeem(first.token), "alice@example.test");  // whatever account was named
  EXPECT_EQ(redeem(first.token), "-");                   // once
  EXPECT_EQ(redeem(second.token, "S2"), "-");
  EXPECT_EQ(redeem(second.token), "-");  // whoever tried it has spent it
  EXPECT_EQ(redeem(permit(proof).token, "S1", 3), "-");
  EXPECT_EQ(redeem(permit(proof).token, "S1", 1), "alice@example.test");
  // It opens no mailbox, and a mailbox's token sends no mail.
  EXPECT_EQ(loop.run(service->redeem(permit(proof).token, "mail", "S1")).value(), std::nullopt);
  EXPECT_EQ(loop.run(service->redeem(permit(proof).token, "imap", "S1")).value(), std::nullopt);
  EXPECT_EQ(redeem(login(attempt("alice", "good")).token), "-");

  const std::string late = permit(proof).token;
  clock.advance(config.auth.token_life + 1ms);
  EXPECT_EQ(redeem(late), "-");
  // Each message renews the session's proof; one that nobody used for an hour is over.
  std::string living = proof;
  for (int i = 0; i < 10; ++i) {
    clock.advance(59min);
    living = permit(living).proof;
    EXPECT_NE(living, "");
  }
  EXPECT_EQ(permit(proof).outcome, Permit::Outcome::unproved);
  clock.advance(61min);
  EXPECT_EQ(permit(living).outcome, Permit::Outcome::unproved);
}

// The bounds are those of the account that was proved.
TEST_F(ServiceTest, ASubmissionCountsForWhoProvedIt) {
  config.submission.messages_per_hour_max = 2;
  start();
  SubmissionLimits bounds(config.submission, clock);
  LoginLimiter limiter(*service, bounds);
  Attempt submission = attempt("alice", "good");
  submission.service = "submission";
  const auto outcome = [&](const std::string& account) {
    return loop
        .run(limiter.take({.account = account,
                           .proof = login(submission).token,
                           .service = "submission",
                           .session = "S1",
                           .recipients = 1}))
        .value_or(Permit{})
        .outcome;
  };
  EXPECT_EQ(outcome(""), Permit::Outcome::ok);
  EXPECT_EQ(outcome("carol@other.test"), Permit::Outcome::ok);
  EXPECT_EQ(outcome("bare@example.test"), Permit::Outcome::too_many);
}

TEST_F(ServiceTest, ProgramsOfAnAccountHaveABoundAndRootHasNone) {
  config.submission.programs_per_hour_max = 3;
  SubmissionLimits users(config.submission, clock);
  ProgramLimiter limiter(config.submission, users, clock);
  const auto sent = [&](const std::string& account, int times, bool is_of_root = false) {
    int sent = 0;
    for (int i = 0; i < times; ++i)
      sent +=
          loop.run(limiter.take({.account = account, .recipients = 1, .is_of_root = is_of_root}))
                      .value_or(Permit{})
                      .outcome == Permit::Outcome::ok
              ? 1
              : 0;
    return sent;
  };
  EXPECT_EQ(sent("www-data@example.test", 10), 3);
  EXPECT_EQ(sent("backup@example.test", 10), 3);  // a bound each
  EXPECT_EQ(sent("root@example.test", 10, true), 10);
  clock.advance(61min);
  EXPECT_EQ(sent("www-data@example.test", 10), 3);
  // What the account may as a user counts for all.
  config.submission.messages_per_hour_max = 2;
  clock.advance(61min);
  EXPECT_EQ(sent("www-data@example.test", 10), 2);
  EXPECT_EQ(sent("root@example.test", 10, true), 2);
  config.submission.programs_per_hour_max = config.submission.messages_per_hour_max = 0;
  SubmissionLimits none(config.submission, clock);
  ProgramLimiter unbounded(config.submission, none, clock);
  EXPECT_EQ(
      loop.run(unbounded.take({.account = "www-data@example.test"})).value_or(Permit{}).outcome,
      Permit::Outcome::ok);
}

TEST_F(ServiceTest, ARememberedPasswordLastsAsLongAsItIsRight) {
  config.auth.failures_max = 1000;
  start({"192.0.2.0/24"});
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
  EXPECT_EQ(login(attempt("alice", "other")).outcome, Outcome::refused);
  EXPECT_EQ(login(attempt("carol@other.test", "other")).outcome, Outcome::refused);
  write("alice@example.test:{PLAIN}changed\n");
  EXPECT_TRUE(files->reload().empty());
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::refused);
  EXPECT_EQ(login(attempt("alice", "changed")).outcome, Outcome::ok);
}

TEST_F(ServiceTest, AFaultyFileKeepsTheUsersOfBefore) {
  start({"192.0.2.0/24"});
  const std::string path = config.paths.users.native();
  for (const std::string text :
       {"alice@example.test:{PLAIN}new\nnonsense\n", "", "a@x:p\na@x:q\n"}) {
    write(text);
    const auto faults = files->reload();
    ASSERT_EQ(faults.size(), 1U) << text;
    EXPECT_TRUE(faults.front().where.starts_with(path + ":")) << faults.front().text();
    EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok) << text;
  }
  std::filesystem::remove(path);
  EXPECT_EQ(files->reload().size(), 1U);
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
  std::filesystem::create_directory(path);
  EXPECT_EQ(files->reload().size(), 1U);
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
  std::filesystem::remove(path);
}

TEST_F(ServiceTest, AnEditedFileIsLiveSoon) {
  config.auth.failures_max = 1000;
  start({"192.0.2.0/24"});
  write("dora@example.test:{PLAIN}good\n");
  const SteadyTime end = test::soon(2s);
  while (login(attempt("dora", "good")).outcome != Outcome::ok) {
    ASSERT_LT(Clock::system().steady_now(), end);
    loop.idle(20ms);
  }
}

TEST_F(ServiceTest, WhatCouldNotBeReadIsTriedAgain) {
  config.auth.failures_max = 1000;
  start({"192.0.2.0/24"});
  write("dora@example.test:{PLAIN}good\n");
  {
    const test::Leased leased(config.paths.users);
    if (!leased.is_held()) GTEST_SKIP() << "no leases on this file system";
    EXPECT_FALSE(files->reload().empty());
    EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
  }
  loop.until([this] { return login(attempt("dora", "good")).outcome == Outcome::ok; });
}

// Without a form of before: who stands on a good line gets in, who stands on a faulty one is told
// to come again, and so is everybody when there is no file.
TEST_F(ServiceTest, AStartWithAFaultyFileServesWhatItCan) {
  const auto may = [&](const std::string& user) {
    const auto verdict = loop.run(service->authenticate(attempt(user, "good")));
    return !verdict ? "later" : verdict->outcome == Outcome::ok ? "in" : "refused";
  };
  const auto begin = [&] {
    service = std::make_unique<AuthService>(
        loop.scope(), loop.pool(), config, *net::Networks::parse({"192.0.2.0/24"}),
        [this] { return domains; }, clock);
    EXPECT_TRUE(loop.run(service->start()));
    files = std::make_unique<test::Watched>(loop, config.maps.poll_interval, *service);
    return files->start();
  };
  write("alice@example.test:{PLAIN}good\ncarol@other.test\n");
  const auto faults = begin();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults.front().where, config.paths.users.native() + ":2");
  EXPECT_STREQ(may("alice@example.test"), "in");
  EXPECT_STREQ(may("carol@other.test"), "later");
  EXPECT_STREQ(may("nobody@example.test"), "refused");
  service->stop();
  std::filesystem::remove(config.paths.users);
  files->files().stop();
  loop.until([this] { return loop.scope().running() == 0; });
  ASSERT_EQ(begin().size(), 1U);
  EXPECT_STREQ(may("alice@example.test"), "later");
  write("alice@example.test:{PLAIN}good\n");
  loop.until([&] { return std::string_view(may("alice@example.test")) == "in"; });
}

TEST_F(ServiceTest, AStartWithAFaultyFileUsesTheUsersOfBefore) {
  config.paths.state = folder.path() / "state";
  std::filesystem::create_directories(config.paths.state / "lookup");
  start({"192.0.2.0/24"});
  loop.until(
      [&] { return LastGood(config.paths.state / "lookup").read(config.paths.users).has_value(); });
  const auto copy = *std::filesystem::directory_iterator(config.paths.state / "lookup");
  EXPECT_EQ(std::filesystem::status(copy).permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
  write("nonsense\n");
  service->stop();
  files->files().stop();
  loop.until([this] { return loop.scope().running() == 0; });
  service = std::make_unique<AuthService>(
      loop.scope(), loop.pool(), config, *net::Networks::parse({"192.0.2.0/24"}),
      [this] { return domains; }, clock);
  EXPECT_TRUE(loop.run(service->start()));
  files = std::make_unique<test::Watched>(loop, config.maps.poll_interval, *service);
  EXPECT_EQ(files->start().size(), 1U);
  EXPECT_EQ(login(attempt("alice", "good")).outcome, Outcome::ok);
}

// A stranger's name costs what a user's costs, whatever the users' scheme is. The median of many,
// taken in turns, so that a busy machine slows both.
TEST_F(ServiceTest, TimeDoesNotTellWhoExists) {
  config.auth.failures_max = 100'000;
  write(
      "alice@example.test:{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/"
      "OvQMSygY1pWEVn72t6na\n");
  start({"192.0.2.0/24"});
  const auto time = [&](const std::string& user) {
    const SteadyTime begin = Clock::system().steady_now();
    EXPECT_EQ(login(attempt(user, "wrong")).outcome, Outcome::refused);
    return Clock::system().steady_now() - begin;
  };
  std::vector<std::chrono::nanoseconds> known, unknown;
  for (int i = 0; i < 60; ++i) {
    known.push_back(time("alice"));
    unknown.push_back(time("nobody" + std::to_string(i)));
  }
  std::ranges::nth_element(known, known.begin() + 30);
  std::ranges::nth_element(unknown, unknown.begin() + 30);
  const double ratio =
      static_cast<double>(unknown[30].count()) / static_cast<double>(known[30].count());
  EXPECT_GT(ratio, 0.7);
  EXPECT_LT(ratio, 1.4);
}

TEST_F(ServiceTest, TooManyAtOnceIsTemporary) {
  config.auth.failures_max = 100'000;
  write(
      "alice@example.test:{BLF-CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC.pIKrLVkBX9/"
      "OvQMSygY1pWEVn72t6na\n");
  start({"192.0.2.0/24"});
  int refused = 0, temporary = 0, done = 0;
  constexpr int kLogins = 300;
  struct Tally {
    static net::Awaitable<void> one(AuthService* self, Attempt what, int* no, int* later,
                                    int* all) {
      const auto verdict = co_await self->authenticate(std::move(what));
      if (verdict && verdict->outcome == Outcome::refused) ++*no;
      if (!verdict && verdict.error().kind == ErrorKind::temporary) ++*later;
      ++*all;
    }
  };
  for (int i = 0; i < kLogins; ++i)
    loop.scope().spawn(Tally::one(service.get(), attempt("alice", "wrong" + std::to_string(i)),
                                  &refused, &temporary, &done));
  EXPECT_LE(loop.pool().waiting(), 64 * loop.pool().threads());
  loop.until([&] { return done == kLogins; });
  EXPECT_EQ(refused, static_cast<int>(64 * loop.pool().threads()));
  EXPECT_EQ(temporary, kLogins - refused);
  EXPECT_EQ(login(attempt("alice", "secret")).outcome, Outcome::ok);
}

}  // namespace
}  // namespace posthorn::auth
