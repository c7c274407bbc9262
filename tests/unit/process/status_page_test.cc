// Proves that the page holds what the supervisor knows of the roles beside what they tell: one that
// lives and does not answer is silent, one that died is told with its end.
#include "process/status_page.h"

#include <gtest/gtest.h>

#include "process/roster.h"
#include "process/running.h"
#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

struct StatusPageTest : testing::Test {
  StatusPageTest() {
    config.paths.run = folder.path();
    config.file = folder.write("posthorn.toml", "[server]\n");
    config.listen.smtp = {"127.0.0.1:2525"};
    config.listen.https = {"127.0.0.1:4443"};
  }
  test::TempFolder folder;
  config::Config config;
};

TEST_F(StatusPageTest, TheRosterComesBackAsItWasKept) {
  EXPECT_TRUE(find_roster(config).empty());
  ASSERT_TRUE(keep_running_config(config));
  const health::Role edge{.role = "edge",
                          .worker = 1,
                          .state = "down",
                          .pid = 0,
                          .restarts = 3,
                          .since = WallTime(1'795'900'000'123ms),
                          .last_end = "signal 11"};
  const health::Role store{.role = "store", .state = "up", .pid = 4711};
  ASSERT_TRUE(keep_roster(config, {edge, store}));
  const auto found = find_roster(config);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].role, "edge");
  EXPECT_EQ(found[0].worker, 1U);
  EXPECT_EQ(found[0].state, "down");
  EXPECT_EQ(found[0].restarts, 3U);
  EXPECT_EQ(found[0].since, edge.since);
  EXPECT_EQ(found[0].last_end, "signal 11");
  EXPECT_EQ(found[1].pid, 4711U);
  EXPECT_EQ(found[1].last_end, "");
}

TEST_F(StatusPageTest, WhoLivesAndDoesNotAnswerIsSilent) {
  ASSERT_TRUE(keep_running_config(config));
  ASSERT_TRUE(keep_roster(config, {{.role = "queue", .state = "up", .pid = 7},
                                   {.role = "edge", .state = "down", .last_end = "status 1"},
                                   {.role = "lookup", .state = "up", .pid = 8}}));
  const health::Page page = make_page(config, {{.role = RoleKind::queue},
                                               {.role = RoleKind::edge},
                                               {.role = RoleKind::lookup, .told = Told{}}});
  ASSERT_EQ(page.roles.size(), 3U);
  EXPECT_EQ(page.roles[0].state, "silent");
  EXPECT_EQ(page.roles[1].state, "down");
  EXPECT_EQ(page.roles[2].state, "up");
  EXPECT_EQ(page.version, POSTHORN_VERSION);
  EXPECT_NE(page.pid, 0U);
}

TEST_F(StatusPageTest, ACertificateIsShownWhereItsRoleServes) {
  ASSERT_TRUE(keep_running_config(config));
  Told told;
  health::add(told.facts, health::Certificate{.name = "certificate", .file = "cert.pem"});
  const health::Page page = make_page(config, {{.role = RoleKind::edge, .told = told},
                                               {.role = RoleKind::web, .told = told},
                                               {.role = RoleKind::queue, .told = told}});
  ASSERT_EQ(page.certificates.size(), 1U);  // the queue has none, whatever it says
  const auto& shown = page.certificates[0].shown_on;
  EXPECT_NE(std::ranges::find(shown, "smtp"), shown.end());
  EXPECT_NE(std::ranges::find(shown, "https"), shown.end());
}

}  // namespace
}  // namespace posthorn::process
