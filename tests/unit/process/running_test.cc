// Proves what is known of the server that runs, and that a key which was edited since its start is
// named: one whose value is another, not one that is only written otherwise.
#include "process/running.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::process {
namespace {

using Keys = std::vector<std::string>;

struct RunningTest : testing::Test {
  RunningTest() {
    config.file = folder.write("posthorn.toml", "[server]\nhostname = \"mx.example.org\"\n");
    config.paths.run = folder.path();
  }
  Keys changed_by(std::string_view text) const {
    (void)folder.write("posthorn.toml", text);
    return find_changed_keys(config);
  }
  test::TempFolder folder;
  config::Config config;
};

TEST_F(RunningTest, WhatWasEditedSinceTheStartIsNamed) {
  EXPECT_EQ(changed_by("[server]\nhostname = \"mx.example.org\"\n"), Keys{});  // nothing runs
  ASSERT_TRUE(keep_running_config(config));
  struct Row {
    std::string_view text;
    Keys keys;
  };
  const Row rows[] = {
      {"[server]\nhostname = \"mx.example.org\"\n", {}},
      {"# a comment\n[server]\nhostname='mx.example.org'\n", {}},
      {"[server]\nhostname = \"mx.other.test\"\n", {"server.hostname"}},
      {"[server]\nhostname = \"mx.example.org\"\n[store]\nworkers = 2\n", {"store.workers"}},
      {"[server]\nhostname = \"mx.example.org\"\n[store]\nworkers = 1\n", {}},  // the default
      {"[server\n", {}},  // with a fault: it is told elsewhere
  };
  for (const Row& row : rows) EXPECT_EQ(changed_by(row.text), row.keys) << row.text;
}

TEST_F(RunningTest, TheProgramThatRunsIsKnownWithItsPorts) {
  EXPECT_FALSE(find_running(config));
  config.listen = {};
  config.listen.smtp = {"127.0.0.1:2525", "[::1]:2525"};
  const WallTime before = Clock::system().now();
  ASSERT_TRUE(keep_running_config(config));
  const auto running = find_running(config);
  ASSERT_TRUE(running);
  EXPECT_FALSE(running->version.empty());
  EXPECT_GE(running->since, before);
  EXPECT_LE(running->since, Clock::system().now());
  std::vector<std::string> smtp;
  for (const auto& [name, address] : running->listens)
    if (name == "smtp") smtp.push_back(address);
  EXPECT_EQ(smtp, (Keys{"127.0.0.1:2525", "[::1]:2525"}));
}

TEST(Differences, AreTheKeysWhoseValuesDiffer) {
  config::Config before, now;
  EXPECT_EQ(find_differences(before, now), Keys{});
  now.store.junk = "Spam";
  now.listen.smtp = {"127.0.0.1:25"};
  now.filter.timeout = 61s;
  Keys keys = find_differences(before, now);
  std::ranges::sort(keys);
  EXPECT_EQ(keys, (Keys{"filter.timeout", "listen.smtp", "store.junk"}));
}

}  // namespace
}  // namespace posthorn::process
