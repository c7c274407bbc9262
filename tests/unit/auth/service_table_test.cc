// Proves what holds when logins come from a table that is asked each time: a changed or removed
// password counts at once, in spite of what is remembered, and a table that cannot be asked is
// never a wrong password.
#include <gtest/gtest.h>

#include "auth/service.h"
#include "tests/support/manual_clock.h"
#include "tests/support/tables.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::auth {
namespace {

using Outcome = Verdict::Outcome;

struct TableTest : testing::Test {
  TableTest() {
    config.auth.cache = 1h;
    table.values = {{"alice@example.test", "{PLAIN}good"}, {"bare", "{PLAIN}good"}};
    service = std::make_unique<AuthService>(
        loop.scope(), loop.pool(), config, *net::Networks::parse({"0.0.0.0/0"}),
        [] { return std::vector<std::string>{"example.test"}; }, clock,
        Sources{&table, [this](std::string domain) { return has_domain(this, domain); }});
  }
  void start() {
    const auto started = loop.run(service->start());
    EXPECT_TRUE(started) << (started ? "" : started.error().what);
    files = std::make_unique<test::Watched>(loop, 1h, *service);
    for (const config::Finding& fault : files->start()) ADD_FAILURE() << fault.text();
  }
  ~TableTest() override {
    service->stop();
    if (files) files->files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  Result<Verdict> login(const std::string& user, const std::string& password,
                        const std::string& service_name = "imap") {
    return loop.run(service->authenticate({.service = service_name,
                                           .mechanism = "PLAIN",
                                           .user = user,
                                           .authorization = {},
                                           .password = password,
                                           .address = "192.0.2.1",
                                           .session = "S1",
                                           .tls = true}));
  }
  static net::Task<bool> has_domain(TableTest* self, std::string domain) {
    if (self->domains_lost) co_return fail(ErrorKind::temporary, "cannot be asked");
    co_return domain == "example.test" || domain == "third.test";
  }
  bool enters(const std::string& user, const std::string& password) {
    const auto verdict = login(user, password);
    EXPECT_TRUE(verdict) << (verdict ? "" : verdict.error().what);
    return verdict && verdict->outcome == Outcome::ok;
  }

  test::TestLoop loop;
  test::ManualClock clock;
  config::Config config;
  bool domains_lost = false;
  test::FakeTable table;
  std::unique_ptr<AuthService> service;
  std::unique_ptr<test::Watched> files;
};

TEST_F(TableTest, Logins) {
  start();
  EXPECT_TRUE(enters("Alice@Example.test", "good"));
  EXPECT_TRUE(enters("alice", "good"));
  EXPECT_TRUE(enters("bare", "good"));
  EXPECT_TRUE(enters("bare@example.test", "good"));
  EXPECT_FALSE(enters("bare@other.test", "good"));
  table.values["karl@m\xc3\xbcller.test"] = "{PLAIN}good";  // the same domain in both forms
  EXPECT_TRUE(enters("karl@m\xc3\xbcller.test", "good"));
  EXPECT_TRUE(enters("karl@xn--mller-kva.test", "good"));
  EXPECT_FALSE(enters("karl@mueller.test", "good"));
  EXPECT_FALSE(enters("alice@example.test", "Good"));
  EXPECT_FALSE(enters("nobody@example.test", "good"));
  EXPECT_FALSE(enters("nobody@example.test", ""));
  EXPECT_FALSE(enters("'; DROP TABLE users;--", "good"));
}

TEST_F(TableTest, AChangeCountsAtOnce) {
  start();
  EXPECT_TRUE(enters("alice@example.test", "good"));
  table.values["alice@example.test"] = "{PLAIN}better";
  EXPECT_FALSE(enters("alice@example.test", "good"));
  EXPECT_TRUE(enters("alice@example.test", "better"));
  table.values.erase("alice@example.test");
  EXPECT_FALSE(enters("alice@example.test", "better"));
}

TEST_F(TableTest, BrokenIsNotWrong) {
  start();
  EXPECT_TRUE(enters("alice@example.test", "good"));
  table.broken = true;
  for (const char* user : {"alice@example.test", "nobody@example.test"}) {
    const auto verdict = login(user, "good");
    ASSERT_FALSE(verdict) << user;
    EXPECT_EQ(verdict.error().kind, ErrorKind::temporary);
  }
  table.broken = false;
  EXPECT_TRUE(enters("alice@example.test", "good"));
}

TEST_F(TableTest, TheRuleForAnyUserAsksForTheDomain) {
  config.auth.any_user = config::AnyUser::local_part;
  start();
  EXPECT_TRUE(enters("alice@example.test", "good"));
  EXPECT_FALSE(enters("alice@example.test", "alice"));
  EXPECT_TRUE(enters("bob@third.test", "bob"));  // not among the names that are listed
  EXPECT_FALSE(enters("bob@other.test", "bob"));
  domains_lost = true;
  EXPECT_TRUE(enters("alice@example.test", "good"));
  const auto verdict = login("bob@third.test", "bob");
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().kind, ErrorKind::temporary);
}

TEST_F(TableTest, OnePasswordForAll) {
  config.auth.any_user = config::AnyUser::one_password;
  table.values["*"] = "{PLAIN}all";
  start();
  EXPECT_TRUE(enters("bob@example.test", "all"));
  EXPECT_TRUE(enters("alice@example.test", "good"));
  EXPECT_FALSE(enters("alice@example.test", "all"));
}

// Who sends stands in a file of its own, who reads in the table.
TEST_F(TableTest, SendersInAFile) {
  test::TempFolder folder;
  config.paths.smtp_users = folder.write("smtp_users", "mailer:{PLAIN}send\n");
  start();
  const auto may_send = [this](const std::string& user, const std::string& password) {
    const auto verdict = login(user, password, "submission");
    EXPECT_TRUE(verdict) << (verdict ? "" : verdict.error().what);
    return verdict && verdict->outcome == Outcome::ok;
  };
  EXPECT_TRUE(may_send("mailer", "send"));
  EXPECT_FALSE(may_send("alice@example.test", "good"));
  EXPECT_TRUE(enters("alice@example.test", "good"));
  EXPECT_FALSE(enters("mailer", "send"));
  table.broken = true;
  EXPECT_TRUE(may_send("mailer", "send"));
  (void)folder.write("smtp_users", "mailer:{PLAIN}changed\n");
  EXPECT_TRUE(files->reload().empty());
  EXPECT_TRUE(may_send("mailer", "changed"));
}

}  // namespace
}  // namespace posthorn::auth
