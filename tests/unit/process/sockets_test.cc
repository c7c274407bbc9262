// Proves that each process of the server has the sockets it is asked by, and that an account is
// looked for where one of the store's processes listens.
#include "process/sockets.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>

#include "tests/support/test_loop.h"

namespace posthorn::process {
namespace {

struct SocketsTest : testing::Test {
  SocketsTest() {
    config.paths.run = "/run/x";
    config.store.workers = 3;
    config.edge.workers = 2;
    config.listen.http = {"127.0.0.1:8080"};
  }
  config::Config config;
  test::TestLoop loop;
};

TEST_F(SocketsTest, WorkersStandInTheOrderOfTheirStart) {
  std::string all;
  for (const auto& [role, number] : list_workers(config))
    all += fmt::format("{}-{} ", to_string(role), number);
  EXPECT_EQ(all, "trail-0 lookup-0 store-0 store-1 store-2 queue-0 edge-0 edge-1 web-0 ");
  config.listen.http.clear();
  config.listen.https.clear();
  EXPECT_NE(list_workers(config).back().role, RoleKind::web);
}

TEST_F(SocketsTest, EachIsAskedByItsOwn) {
  const auto specs = list_sockets(config);
  ASSERT_TRUE(specs) << specs.error().what;
  std::set<std::string> names;
  for (const SocketSpec& spec : *specs)
    if (spec.worker != kAllWorkers) EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
  for (const auto& [role, number] : list_workers(config)) {
    const std::string own = fmt::format("{}-{}", to_string(role), number);
    EXPECT_TRUE(names.contains(own + ".reload.sock")) << own;
    EXPECT_EQ(names.contains(own + ".web.sock"), role != RoleKind::web) << own;
    EXPECT_EQ(names.contains(own + ".lmtp.sock"), role == RoleKind::store) << own;
  }
}

TEST_F(SocketsTest, AnAccountLivesInOneWorkerForEveryService) {
  const auto specs = list_sockets(config);
  ASSERT_TRUE(specs);
  const LocalPlacement placement(config);
  std::set<std::string> used;
  for (int i = 0; i < 100; ++i) {
    const std::string account = fmt::format("user{}@example.test", i);
    std::set<std::size_t> workers;
    for (const auto service : {net::AccountService::lmtp, net::AccountService::imap,
                               net::AccountService::pop3, net::AccountService::managesieve,
                               net::AccountService::quota, net::AccountService::control}) {
      const auto place = loop.run(placement.find_address(account, service));
      ASSERT_TRUE(place);
      const auto there = std::ranges::find_if(*specs, [&](const SocketSpec& spec) {
        return net::to_string(spec.address) == net::to_string(*place);
      });
      ASSERT_NE(there, specs->end()) << net::to_string(*place);
      EXPECT_EQ(there->role, RoleKind::store);
      workers.insert(there->worker);
      used.insert(there->name);
    }
    EXPECT_EQ(workers.size(), 1U) << account;
  }
  EXPECT_EQ(used.size(), 18U);  // six services of three workers
}

}  // namespace
}  // namespace posthorn::process
