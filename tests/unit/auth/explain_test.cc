// Proves that an explanation of a login is its answer: over many logins of many users, with
// failures, bans, schemes, services and addresses, what explain() foresees is what authenticate()
// then says, and with the same reason; that asking counts for nothing; and that the step which
// decides names the line or setting, and no step a hash or a password.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

#include "auth/service.h"
#include "base/ascii.h"
#include "tests/support/manual_clock.h"
#include "tests/support/tables.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::auth {
namespace {

using Outcome = LoginOutlook::Outcome;

std::string last_reason;  // of auth.failed
void take_line(std::string_view line) {
  if (line.find("event=auth.failed") == std::string_view::npos) return;
  std::string_view reason = line.substr(line.find(" reason=") + 8);
  if (reason.starts_with('"')) reason = reason.substr(1, reason.rfind('"') - 1);
  last_reason = reason;
}

struct ExplainTest : testing::Test {
  ExplainTest() {
    log::capture(take_line);
    config.paths.users = folder.path() / "users";
    config.paths.smtp_users = folder.path() / "smtp-users";
    config.auth.failures_max = 3;  // banned before it begins to wait
    config.auth.known_failures_max = 3;
    write("users", users);
    write("smtp-users", "alice@example.test:{PLAIN}other\nrobot@example.test:{PLAIN}right\n");
  }
  ~ExplainTest() override {
    if (service) service->stop();
    if (files) files->files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
    log::capture(nullptr);
  }
  void write(const std::string& name, std::string_view text) const {
    (void)folder.write(name, text);
  }
  void start(Sources sources = {}) {
    service = std::make_unique<AuthService>(
        loop.scope(), loop.pool(), config, *net::Networks::parse({"203.0.113.0/24"}),
        [this] { return domains; }, clock, std::move(sources));
    ASSERT_TRUE(loop.run(service->start()));
    files = std::make_unique<test::Watched>(loop, 1h, *service);
    (void)files->start();  // some lines are warned of
  }
  static net::Task<LoginOutlook> ask(AuthService* service, LoginQuestion question) {
    co_return co_await service->explain(std::move(question));
  }
  LoginOutlook explain(LoginQuestion question) {
    return *loop.run(ask(service.get(), std::move(question)));
  }
  // As the log has it, and as explain() would have said it.
  std::pair<Outcome, std::string> login(const LoginQuestion& question) {
    last_reason.clear();
    const auto verdict = loop.run(service->authenticate({.service = question.service,
                                                         .mechanism = "PLAIN",
                                                         .user = question.user,
                                                         .authorization = {},
                                                         .password = *question.password,
                                                         .address = question.address,
                                                         .session = "S1",
                                                         .tls = true}));
    if (!verdict) return {Outcome::unavailable, verdict.error().what};
    return {verdict->outcome == Verdict::Outcome::ok       ? Outcome::ok
            : verdict->outcome == Verdict::Outcome::banned ? Outcome::banned
                                                           : Outcome::refused,
            last_reason};
  }
  static const Step* find(const LoginOutlook& outlook, Bearing bearing) {
    const auto found = std::ranges::find(outlook.steps, bearing, &Step::bearing);
    return found == outlook.steps.end() ? nullptr : &*found;
  }

  // The right password of each is "right".
  std::string users =
      "alice@example.test:{PLAIN}right\n"
      "bare:{SHA256}JwQvTm7KfQsqfuQCbfLs+lHTM55tEiqgmRGOzYVjutk=\n"
      "crypt@example.test:{MD5-CRYPT}$1$abcdefgh$vdBSIIpG7R8DPkuUogsqU0\n"
      "locked@example.test:!{PLAIN}right\n"
      "star@example.test:{CRYPT}*\n"
      "empty@example.test:\n"
      "cram@example.test:{CRAM-MD5}cd3ba7deaad6e5ca\n"
      "cut@example.test:{SHA512-CRYPT}$6$salt$cut\n"
      "gone@example.test:{PLAIN}right::::::nologin\n"
      "inner@example.test:{PLAIN}right::::::allow_nets=10.0.0.0/8\n"
      "odd@example.test:{PLAIN}right::::::allow_nets=nowhere\n"
      "carol@other.test:{PLAIN}right\n";
  test::TempFolder folder;
  test::TestLoop loop;
  test::ManualClock clock;
  config::Config config;
  std::vector<std::string> domains = {"example.test"};
  std::unique_ptr<AuthService> service;
  std::unique_ptr<test::Watched> files;
};

TEST_F(ExplainTest, TheDeedIsAsItWasForetold) {
  start();
  std::mt19937 random(4711);
  const auto pick = [&](const auto& of) { return of[random() % std::size(of)]; };
  const std::string names[] = {"alice",
                               "Alice@Example.TEST",
                               "bare",
                               "bare@example.test",
                               "crypt",
                               "locked",
                               "star",
                               "empty",
                               "cram",
                               "cut",
                               "gone",
                               "inner",
                               "odd",
                               "carol",
                               "carol@other.test",
                               "nobody",
                               "robot",
                               "",
                               "a b",
                               "@",
                               "*"};
  const std::string services[] = {"imap", "pop3", "smtp", "submission", "managesieve"};
  const std::string addresses[] = {"192.0.2.1",   "192.0.2.2",   "10.0.0.1",
                                   "203.0.113.5", "2001:db8::1", "2001:db8::2"};
  std::map<Outcome, int> seen;
  std::map<std::string, int> failures;
  const auto network_of = [](const std::string& address) {
    return address.substr(0, address.find_last_of(".:"));
  };
  std::set<std::string> reasons;
  for (int i = 0; i < 1500; ++i) {
    LoginQuestion question{.service = pick(services),
                           .user = pick(names),
                           .address = pick(addresses),
                           .password = random() % 3 == 0 ? "wrong" : "right"};
    if (question.password == "right" &&
        (question.service == "smtp" || question.service == "submission") &&
        question.user.size() > 4 && to_lower(question.user).starts_with("alice"))
      question.password = "other";
    if (random() % 10 == 0) clock.advance(std::chrono::minutes(random() % 8));
    if (random() % 50 == 0) (void)service->ban(question.address, 3min);
    const bool is_right = question.password != "wrong";
    LoginQuestion without = question;
    without.password.reset();
    const LoginOutlook of_right = explain(without);
    const LoginOutlook foretold = explain(question);
    // Beyond the third failure the answer takes its time, which no clock of a test moves.
    int& failed = failures[network_of(question.address)];
    if (foretold.outcome == Outcome::refused && ++failed > 3) {
      clock.advance(11min);
      failures.clear();
      continue;
    }
    const auto [outcome, reason] = login(question);
    const std::string what = fmt::format("{} {} {} {} ({})", i, question.service, question.user,
                                         question.address, *question.password);
    ASSERT_EQ(foretold.outcome, outcome) << what << ": " << foretold.reason << " / " << reason;
    ASSERT_EQ(foretold.reason, reason) << what;
    if (is_right) {
      ASSERT_EQ(of_right.outcome, outcome) << what << ": " << of_right.reason << " / " << reason;
      ASSERT_EQ(of_right.reason, reason) << what;
    }
    // Who cannot log in is told why, and who can is told of nothing that hinders.
    ASSERT_EQ(find(foretold, Bearing::refuses) != nullptr, outcome != Outcome::ok) << what;
    for (const Step& step : foretold.steps) {
      ASSERT_EQ(step.text.find("right password"), std::string::npos);
      ASSERT_EQ(step.text.find("$1$"), std::string::npos) << step.text;
      ASSERT_EQ(step.text.find("JwQv"), std::string::npos) << step.text;
    }
    ++seen[outcome];
    reasons.insert(reason);
  }
  EXPECT_GT(seen[Outcome::ok], 100);
  EXPECT_GT(seen[Outcome::refused], 100);
  EXPECT_GT(seen[Outcome::banned], 100);
  for (const std::string reason : {"unknown user", "wrong password", "allow_nets", "banned"})
    EXPECT_TRUE(reasons.contains(reason)) << reason;
}

TEST_F(ExplainTest, TheLineOrSettingIsNamed) {
  start();
  const std::string file = (folder.path() / "users").native();
  const struct {
    std::string service, user, address;
    Point point;
    std::string basis, text, remedy;  // parts of them
  } rows[] = {
      {"imap", "nobody", "", Point::credential, file, "does not stand there",
       "posthorn user add nobody@example.test"},
      {"imap", "cram", "", Point::hash, file + ":7", "{CRAM-MD5}", "posthorn user passwd cram@"},
      {"imap", "cut", "", Point::hash, file + ":8", "cut or damaged", "posthorn user passwd cut@"},
      {"imap", "locked", "", Point::hash, file + ":4", "locked", "posthorn user passwd locked@"},
      {"imap", "gone", "", Point::networks, file + ":9", "nologin", "take the word away"},
      {"imap", "odd", "", Point::networks, file + ":11", "allow_nets=nowhere",
       "take the word away"},
      {"imap", "inner", "192.0.2.1", Point::networks, file + ":10",
       "192.0.2.1 is not in allow_nets=10.0.0.0/8", "add its network"},
      {"imap", "a b", "", Point::name, "", "no account has such a name", "without blanks"},
      {"smtp", "bare", "", Point::credential, (folder.path() / "smtp-users").native(),
       "does not stand there", "add a line"},
  };
  for (const auto& row : rows) {
    const LoginOutlook outlook =
        explain({.service = row.service, .user = row.user, .address = row.address});
    EXPECT_EQ(outlook.outcome, Outcome::refused) << row.user;
    const Step* step = find(outlook, Bearing::refuses);
    ASSERT_NE(step, nullptr) << row.user;
    EXPECT_EQ(step->point, row.point) << row.user << ": " << step->text;
    EXPECT_EQ(step->basis, row.basis) << row.user;
    EXPECT_NE(step->text.find(row.text), std::string::npos) << row.user << ": " << step->text;
    EXPECT_NE(step->remedy.find(row.remedy), std::string::npos) << row.user << ": " << step->remedy;
  }
  const LoginOutlook bare = explain({.service = "imap", .user = "Bare"});
  EXPECT_EQ(bare.outcome, Outcome::ok);
  EXPECT_EQ(bare.account, "bare@example.test");
  EXPECT_TRUE(std::ranges::any_of(bare.steps, [&](const Step& step) {
    return step.point == Point::credential && step.basis == file + ":2";
  }));
  EXPECT_TRUE(std::ranges::any_of(bare.steps, [](const Step& step) {
    return step.point == Point::hash && step.text.find("SHA256") != std::string::npos;
  }));
}

TEST_F(ExplainTest, ABanIsTold) {
  start();
  const LoginQuestion wrong{
      .service = "imap", .user = "alice", .address = "192.0.2.1", .password = "wrong"};
  for (int i = 0; i < 3; ++i) (void)login(wrong);
  for (int i = 0; i < 20; ++i)  // not counted
    (void)explain({.service = "imap", .user = "bare", .address = "198.51.100.1", .password = "no"});
  const LoginOutlook banned = explain({.service = "imap", .user = "alice", .address = "192.0.2.1"});
  EXPECT_EQ(banned.outcome, Outcome::banned);
  const Step* step = find(banned, Bearing::refuses);
  ASSERT_NE(step, nullptr);
  EXPECT_EQ(step->text,
            "192.0.2.1 is banned until 2026-01-01T00:10:00.000Z: 3 failed logins of at "
            "most 3");
  EXPECT_EQ(step->basis, "auth.failures_max");
  EXPECT_EQ(step->remedy, "posthorn ban remove 192.0.2.1");
  // Without an address: from where it would not work.
  const LoginOutlook anywhere = explain({.service = "imap", .user = "alice"});
  EXPECT_EQ(anywhere.outcome, Outcome::ok);
  const Step* warning = find(anywhere, Bearing::warns);
  ASSERT_NE(warning, nullptr);
  EXPECT_NE(warning->text.find("192.0.2.0/24"), std::string::npos) << warning->text;
  EXPECT_EQ(login({"imap", "bare", "198.51.100.1", "right"}).first, Outcome::ok);
}

TEST_F(ExplainTest, WhatPortsAskForFirst) {
  config.listen.pop3 = config.listen.pop3s = {};
  start();
  const auto text_of = [](const LoginOutlook& outlook) {
    std::string all;
    for (const Step& step : outlook.steps)
      all += fmt::format("{} [{}] {}\n", step.text, step.basis, step.remedy);
    return all;
  };
  const std::string pop3 = text_of(explain({.service = "pop3", .user = "alice"}));
  EXPECT_NE(pop3.find("nothing listens for pop3 [listen.pop3, listen.pop3s]"), std::string::npos);
  EXPECT_NE(pop3.find("without TLS every login is refused [auth.allow_plaintext]"),
            std::string::npos);
  EXPECT_NE(pop3.find("the mechanisms are PLAIN and LOGIN; CRAM-MD5, "), std::string::npos);
  const std::string smtp = text_of(explain({.service = "smtp", .user = "alice"}));
  EXPECT_NE(smtp.find("port 25 takes no logins"), std::string::npos);
}

TEST_F(ExplainTest, ATableThatCannotBeAskedIsNoRefusal) {
  test::FakeTable table;
  table.values = {{"alice@example.test", "{PLAIN}right"}};
  start({&table, {}});
  LoginOutlook outlook = explain({.service = "imap", .user = "alice"});
  EXPECT_EQ(outlook.outcome, Outcome::ok);
  EXPECT_TRUE(
      std::ranges::any_of(outlook.steps, [](const Step& step) { return step.basis == "fake:1"; }));
  table.broken = true;
  outlook = explain({.service = "imap", .user = "alice"});
  EXPECT_EQ(outlook.outcome, Outcome::unavailable);
  ASSERT_NE(find(outlook, Bearing::unasked), nullptr);
  EXPECT_EQ(find(outlook, Bearing::refuses), nullptr);
}

}  // namespace
}  // namespace posthorn::auth
