// Proves what auth.any_user and paths.smtp_users change: who has no line gets in by the rule and by
// nothing else, who has one never by the rule, and who may send is asked apart from who may read.
#include <gtest/gtest.h>

#include "auth/service.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::auth {
namespace {

struct AnyUserTest : testing::Test {
  AnyUserTest() {
    config.paths.users = folder.write("users", "alice@home.test:{PLAIN}good\n");
    config.auth.failures_max = 100;
    config.limits.exempt = {};
  }
  ~AnyUserTest() override {
    if (service) service->stop();
    if (files) files->files().stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  void start() {
    service = std::make_unique<AuthService>(loop.scope(), loop.pool(), config,
                                            *net::Networks::parse({"192.0.2.0/24"}),
                                            [] { return std::vector<std::string>{"home.test"}; });
    const auto started = loop.run(service->start());
    ASSERT_TRUE(started) << started.error().what;
    files = std::make_unique<test::Watched>(loop, 1h, *service);
    for (const config::Finding& fault : files->start()) ADD_FAILURE() << fault.text();
  }
  std::string login(const std::string& user, const std::string& password,
                    const std::string& which = "imap") {
    const auto verdict = loop.run(service->authenticate({.service = which,
                                                         .mechanism = "PLAIN",
                                                         .user = user,
                                                         .authorization = {},
                                                         .password = password,
                                                         .address = "192.0.2.1",
                                                         .session = "S",
                                                         .tls = true}));
    EXPECT_TRUE(verdict);
    return verdict ? verdict->account : "";
  }

  test::TempFolder folder;
  test::TestLoop loop;
  config::Config config;
  std::unique_ptr<AuthService> service;
  std::unique_ptr<test::Watched> files;
};

TEST_F(AnyUserTest, ThePartBeforeTheAt) {
  config.auth.any_user = config::AnyUser::local_part;
  start();
  EXPECT_EQ(login("bob@home.test", "bob"), "bob@home.test");
  EXPECT_EQ(login("bob", "bob"), "bob@home.test");
  EXPECT_EQ(login("BOB@HOME.test", "Bob"), "bob@home.test");
  EXPECT_EQ(login("bob@home.test", "bo"), "");
  EXPECT_EQ(login("bob@home.test", "bobb"), "");
  EXPECT_EQ(login("bob@home.test", ""), "");
  EXPECT_EQ(login("@home.test", ""), "");
  EXPECT_EQ(login("alice@home.test", "alice"), "");  // who has a line has that password
  EXPECT_EQ(login("alice@home.test", "good"), "alice@home.test");
  EXPECT_EQ(login("bob@any.where", "bob"), "");  // no domain of ours
  config.route.any_domain = config::AnyDomain::users;
  EXPECT_EQ(login("bob@any.where", "bob"), "bob@any.where");
}

TEST_F(AnyUserTest, NobodyByItself) {
  start();
  EXPECT_EQ(login("bob@home.test", "bob"), "");
}

TEST_F(AnyUserTest, OnePasswordForAll) {
  (void)folder.write("users", "alice@home.test:{PLAIN}good\n*:{PLAIN}common\n");
  start();
  EXPECT_EQ(login("bob@home.test", "common"), "");  // the line means nothing by itself
  config.auth.any_user = config::AnyUser::one_password;
  EXPECT_EQ(login("bob@home.test", "common"), "bob@home.test");
  EXPECT_EQ(login("bob@home.test", "other"), "");
  EXPECT_EQ(login("alice@home.test", "common"), "");
  EXPECT_EQ(login("alice@home.test", "good"), "alice@home.test");
}

TEST_F(AnyUserTest, WhoSendsIsNotWhoReads) {
  config.paths.smtp_users =
      folder.write("smtp_users", "mailer:{PLAIN}send\nalice@home.test:{PLAIN}other\n");
  (void)folder.write("users", "alice@home.test:{PLAIN}good\n*:{PLAIN}common\n");
  config.auth.any_user = config::AnyUser::one_password;
  start();
  for (const std::string which : {"smtp", "submission"}) {
    EXPECT_EQ(login("mailer", "send", which), "mailer@home.test");
    EXPECT_EQ(login("alice", "other", which), "alice@home.test");
    EXPECT_EQ(login("alice", "good", which), "");
    EXPECT_EQ(login("bob", "common", which), "");  // the line of * is for readers
  }
  EXPECT_EQ(login("mailer", "send"), "");
  EXPECT_EQ(login("alice", "good"), "alice@home.test");
  // What was found right for one is not remembered for the other.
  EXPECT_EQ(login("alice", "other"), "");
}

TEST_F(AnyUserTest, AFaultInOneFileKeepsThatOne) {
  config.paths.smtp_users = folder.write("smtp_users", "mailer:{PLAIN}send\n");
  start();
  (void)folder.write("smtp_users", "a fault\n");
  (void)folder.write("users", "alice@home.test:{PLAIN}new\n");
  EXPECT_EQ(files->reload().size(), 1U);
  EXPECT_EQ(login("mailer", "send", "smtp"), "mailer@home.test");
  EXPECT_EQ(login("alice", "good"), "");
  EXPECT_EQ(login("alice", "new"), "alice@home.test");
  (void)folder.write("smtp_users", "mailer:{PLAIN}send2\n");
  EXPECT_TRUE(files->reload().empty());
  EXPECT_EQ(login("mailer", "send2", "smtp"), "mailer@home.test");
  EXPECT_EQ(login("alice", "new"), "alice@home.test");
}

}  // namespace
}  // namespace posthorn::auth
