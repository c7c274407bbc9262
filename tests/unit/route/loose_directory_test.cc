// Proves what the settings of [route] loosen, and that they loosen no more: domains that stand in
// no table, mailboxes that nobody made, names that count without their domain, and mail that is
// taken to be sent back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "route/local_directory.h"
#include "tests/support/tables.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::route {
namespace {

struct LooseTest : testing::Test {
  LooseTest() {
    files.write("domains", "home.test ok\n");
    files.write("mailboxes", "alice@home.test ok\n");
    files.write("aliases", "info@home.test alice@home.test\n");
    files.write("transport",
                "bad-domain.com error:5.1.1 No mail there\n"
                "slow.test error:4.7.1 Not now\n"
                ".outside.test smtp:[relay.test]\n");
    files.write("vusers", "bob vmail\nsales alice\nmany bob, dora@home.test\ndora vmail\n");
    files.config().server.default_domain = "home.test";
  }
  void start() {
    tables = std::make_unique<maps::Reloader>(loop.scope(), loop.pool(), files.config());
    test::Watched watched(loop, 1h, *tables);
    for (const maps::Finding& finding : watched.reload()) ADD_FAILURE() << finding.text();
    directory = std::make_unique<LocalDirectory>(files.config(), *tables);
  }
  std::string recipient(const std::string& address, const std::string& account = "") {
    const auto answer = loop.run(directory->recipient({address, !account.empty()}));
    if (!answer) return "cannot be asked";
    if (!*answer) return fmt::format("{} {}", answer->error().code, answer->error().enhanced);
    return fmt::format("{}", fmt::join((*answer)->recipients, " "));
  }
  std::string plan(const std::string& address) {
    const auto answer = loop.run(directory->plan({address, ""}));
    if (!answer) return "cannot be asked";
    if (!*answer) {
      after = answer->error().after;
      return fmt::format("{} {} {}", answer->error().code, answer->error().enhanced,
                         answer->error().text);
    }
    if (const auto* local = std::get_if<LocalPlan>(&**answer))
      return fmt::format("local {} '{}'", local->account, local->tag);
    if (const auto* mx = std::get_if<MxPlan>(&**answer)) return "mx " + mx->domain;
    return "relay " + std::get<RelayPlan>(**answer).host;
  }

  test::TableFiles files;
  test::TestLoop loop;
  std::unique_ptr<maps::Reloader> tables;
  std::unique_ptr<LocalDirectory> directory;
  std::chrono::milliseconds after{0};
};

TEST_F(LooseTest, AnyDomainForUsersOnly) {
  files.config().route.any_domain = config::AnyDomain::users;
  files.config().route.any_mailbox = true;
  start();
  const std::string denied = "554 5.7.1";
  const struct {
    std::string address, stranger, user, plan;
  } rows[] = {
      {"x@home.test", "x@home.test", "x@home.test", "local x@home.test ''"},
      {"info@home.test", "alice@home.test", "alice@home.test", ""},
      {"Ivan@Any.Where", denied, "Ivan@any.where", "local ivan@any.where ''"},
      {"ivan+tag@any.where", denied, "ivan+tag@any.where", "local ivan@any.where 'tag'"},
      {"x@bad-domain.com", denied, "x@bad-domain.com", "550 5.1.1 No mail there"},
      {"x@slow.test", denied, "x@slow.test", "450 4.7.1 Not now"},
      {"x@far.outside.test", denied, "x@far.outside.test", "relay relay.test"},
      {"x@outside.test", denied, "x@outside.test", "local x@outside.test ''"},
      {"x@[192.0.2.1]", denied, "x@[192.0.2.1]", "mx [192.0.2.1]"},
      {"x@b\xc3\xbc.test", denied, "x@b\xc3\xbc.test", "local x@xn--b-eha.test ''"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(recipient(row.address), row.stranger) << row.address;
    EXPECT_EQ(recipient(row.address, "me@any.where"), row.user) << row.address;
    if (!row.plan.empty()) EXPECT_EQ(plan(row.address), row.plan) << row.address;
  }
}

TEST_F(LooseTest, AnyDomainForAnyone) {
  files.config().route.any_domain = config::AnyDomain::anyone;
  start();
  EXPECT_EQ(recipient("x@any.where"), "550 5.1.1");  // a domain is not yet a mailbox
  files.config().route.any_mailbox = true;
  EXPECT_EQ(recipient("x@any.where"), "x@any.where");
  EXPECT_EQ(recipient("x@bad-domain.com"), "554 5.7.1");  // what leaves needs a login
  EXPECT_EQ(recipient("x@[192.0.2.1]"), "554 5.7.1");
}

TEST_F(LooseTest, AStarInTransportMeansEveryOtherDomainLeaves) {
  files.write("transport", "* smtp:[relay.test]\n");
  files.config().route.any_domain = config::AnyDomain::anyone;
  files.config().route.any_mailbox = true;
  start();
  EXPECT_EQ(recipient("x@any.where"), "554 5.7.1");
  EXPECT_EQ(plan("x@any.where"), "relay relay.test");
  EXPECT_EQ(plan("x@home.test"), "local x@home.test ''");
}

TEST_F(LooseTest, NothingIsLooseByItself) {
  start();
  EXPECT_EQ(recipient("x@any.where"), "554 5.7.1");
  EXPECT_EQ(recipient("x@home.test"), "550 5.1.1");
  EXPECT_EQ(recipient("bob@home.test"), "550 5.1.1");  // vusers is not asked
  EXPECT_EQ(recipient("alice"), "550 5.1.2");
  EXPECT_EQ(plan("bob@home.test"), "550 5.1.1 <bob@home.test>: User unknown");
}

TEST_F(LooseTest, ByTheLocalPartAlone) {
  files.config().route.any_domain = config::AnyDomain::anyone;
  files.config().route.by_local_part = true;
  start();
  EXPECT_EQ(recipient("Bob@any.where"), "Bob@home.test");
  EXPECT_EQ(recipient("bob@home.test"), "bob@home.test");
  EXPECT_EQ(recipient("bob+tag@x.y"), "bob+tag@home.test");
  EXPECT_EQ(recipient("sales@any.where"), "alice@home.test");
  EXPECT_EQ(recipient("many@any.where"), "bob@home.test dora@home.test");
  EXPECT_EQ(recipient("info@any.where"), "alice@home.test");  // aliases count, too
  EXPECT_EQ(recipient("nobody@any.where"), "550 5.1.1");
  EXPECT_EQ(plan("bob@any.where"), "local bob@home.test ''");
  EXPECT_EQ(plan("Bob+Work@home.test"), "local bob@home.test 'Work'");
  EXPECT_EQ(plan("nobody@any.where"), "550 5.1.1 <nobody@any.where>: User unknown");
  files.write("vusers", "@\tvmail\n");
  start();
  EXPECT_EQ(recipient("nobody@any.where"), "nobody@home.test");
  EXPECT_EQ(plan("nobody@any.where"), "local nobody@home.test ''");
  files.write("vusers", "loop loop2\nloop2 loop\n");
  start();
  EXPECT_EQ(recipient("loop@any.where"), "554 5.4.6");
}

TEST_F(LooseTest, BareNames) {
  files.config().route.bare_names = true;
  start();
  EXPECT_EQ(recipient("alice"), "alice@home.test");
  EXPECT_EQ(recipient("nobody"), "550 5.1.1");
}

TEST_F(LooseTest, AnErrorTransportWaitsAsLongAsItIsTold) {
  files.config().queue.error_delay = 10s;
  start();
  EXPECT_EQ(plan("x@bad-domain.com"), "550 5.1.1 No mail there");
  EXPECT_EQ(after, 10s);
  EXPECT_EQ(plan("nobody@home.test"), "550 5.1.1 <nobody@home.test>: User unknown");
  EXPECT_EQ(after, 0s);
}

}  // namespace
}  // namespace posthorn::route
