// Proves in which order the site's scripts run, and that a script with a fault keeps its last good
// form, over a restart too; one that never had any is left out.
#include "lda/site_scripts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::lda {
namespace {

constexpr const char* kFault = "fileinto \"Broken\"";  // without its require, without an end

std::string into(std::string_view folder) {
  return fmt::format("require \"fileinto\"; fileinto \"{}\";\n", folder);
}

struct SiteScriptsTest : testing::Test {
  SiteScriptsTest() {
    config.paths.sieve = folder.path() / "sieve";
    config.paths.state = folder.path() / "state";
    std::filesystem::create_directories(config.paths.sieve / "users");
    std::filesystem::create_directories(config.paths.state / "store");
    write("default.sieve", into("Default"));
  }
  // Replaces it in one step, as an editor does.
  void write(const std::string& name, std::string_view text) const {
    const Path place = config.paths.sieve / name;
    test::write_text(Path(place) += ".made", text);
    std::filesystem::rename(Path(place) += ".made", place);
  }
  // A process begins: it knows of nothing but the disk.
  void start() {
    loop.until([this] { return loop.scope().running() == 0; });
    scripts = std::make_unique<SiteScripts>(loop.scope(), loop.pool(), config);
    reload();
  }
  void reload() {
    test::Watched watched(loop, 1h, *scripts);
    faults = watched.reload();
    // The copies are written.
    loop.until([this] { return loop.scope().running() == 0; });
  }
  std::string decide(const std::string& account = "alice@example.org") const {
    const message::Headers headers("Subject: hello\r\n\r\n");
    std::vector<std::string> words;
    for (const sieve::libsieve::Action& action :
         scripts->decide({headers, 100, "friend@elsewhere.test", account}, account)) {
      if (const auto* filed = std::get_if<sieve::libsieve::FileInto>(&action))
        words.push_back(filed->mailbox);
      else
        words.emplace_back(std::holds_alternative<sieve::libsieve::Keep>(action)      ? "keep"
                           : std::holds_alternative<sieve::libsieve::Discard>(action) ? "discard"
                                                                                      : "?");
    }
    return fmt::format("{}", fmt::join(words, " "));
  }

  test::TestLoop loop;
  test::TempFolder folder;
  config::Config config;
  std::unique_ptr<SiteScripts> scripts;
  config::Findings faults;
};

TEST_F(SiteScriptsTest, RunBeforeThenTheUsersOrTheDefaultThenAfter) {
  config.sieve.before = {"first.sieve", "second.sieve"};
  config.sieve.after = {"last.sieve"};
  write("first.sieve", into("First") + "keep;\n");
  write("second.sieve", into("Second") + "keep;\n");
  write("default.sieve", into("Default") + "keep;\n");
  write("users/Bob@Example.org.sieve", into("Bob") + "keep;\n");
  write("last.sieve", into("Last"));
  start();
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(decide(), "First Second Default Last");
  EXPECT_EQ(decide("bob@example.org"), "First Second Bob Last");
  // Who files it without a keep has ended it.
  write("second.sieve", into("Second"));
  reload();
  EXPECT_EQ(decide(), "First Second");
}

TEST_F(SiteScriptsTest, AUsersOwnComesAndGoes) {
  start();
  EXPECT_EQ(decide(), "Default");
  write("users/alice@example.org.sieve", into("Alice"));
  reload();
  EXPECT_EQ(decide(), "Alice");
  EXPECT_EQ(decide("bob@example.org"), "Default");
  std::filesystem::remove(config.paths.sieve / "users/alice@example.org.sieve");
  reload();
  EXPECT_EQ(decide(), "Default");
}

TEST_F(SiteScriptsTest, WithAFaultTheLastGoodFormServesOverARestartToo) {
  start();
  write("default.sieve", kFault);
  reload();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_TRUE(faults[0].where.starts_with((config.paths.sieve / "default.sieve").native() + ":"))
      << faults[0].where;
  EXPECT_EQ(decide(), "Default");
  for (int restart = 0; restart < 2; ++restart) {
    const test::CapturedLog log;
    start();
    EXPECT_EQ(faults.size(), 1U);
    EXPECT_EQ(decide(), "Default");
    EXPECT_EQ(log.count("event=files.stale"), 1);
  }
  write("default.sieve", into("Mended"));
  reload();
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(decide(), "Mended");
}

TEST_F(SiteScriptsTest, OneThatWasNeverGoodIsLeftOutAndTheOthersRun) {
  config.sieve.before = {"first.sieve"};
  write("first.sieve", kFault);
  write("users/bob@example.org.sieve", kFault);
  start();
  EXPECT_EQ(faults.size(), 2U);
  EXPECT_EQ(decide(), "Default");
  EXPECT_EQ(decide("bob@example.org"), "Default");
}

TEST_F(SiteScriptsTest, WithoutAnyMailIsKept) {
  std::filesystem::remove(config.paths.sieve / "default.sieve");
  start();
  EXPECT_TRUE(faults.empty());  // it is a warning
  EXPECT_EQ(decide(), "keep");
}

TEST_F(SiteScriptsTest, AListedOneThatIsGoneIsAFaultAndServesOn) {
  config.sieve.after = {"last.sieve"};
  write("default.sieve", into("Default") + "keep;\n");
  write("last.sieve", into("Last"));
  start();
  std::filesystem::remove(config.paths.sieve / "last.sieve");
  reload();
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(decide(), "Default Last");
}

TEST_F(SiteScriptsTest, WhatNobodyHasPutToUseChangesNothing) {
  start();
  write("default.sieve", into("Next"));
  const net::Prepared prepared = loop.wait(scripts->prepare());
  EXPECT_TRUE(prepared.is_usable);
  EXPECT_EQ(decide(), "Default");
  scripts->commit();
  loop.until([this] { return loop.scope().running() == 0; });
  EXPECT_EQ(decide(), "Next");
}

}  // namespace
}  // namespace posthorn::lda
