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
#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::lda {
namespace {

constexpr const char* kFault = "fileinto \"Broken\";";  // without its require

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
    return run(scripts->order(account), account);
  }
  static std::string run(const Scripts& order, const std::string& account) {
    sieve::WorldForTests world;
    const sieve::Settings settings;
    const sieve::Mail mail{.header = "Subject: hello\r\n",
                           .size = 100,
                           .sender = "friend@elsewhere.test",
                           .recipient = account};
    const sieve::Outcome outcome =
        run_scripts(order, {mail, world, settings, std::chrono::system_clock::now()});
    std::vector<std::string> words;
    for (const sieve::Action& action : outcome.actions) {
      if (const auto* filed = std::get_if<sieve::FileInto>(&action.what))
        words.push_back(filed->place.mailbox);
      else
        words.emplace_back(std::holds_alternative<sieve::Keep>(action.what) ? "keep" : "?");
    }
    return outcome.actions.empty() ? "discard" : fmt::format("{}", fmt::join(words, " "));
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

// domains/ stands behind those of before and in front of the users'; an administrator's script of a
// user in front of the user's own, which takes the place of default.sieve alone.
TEST_F(SiteScriptsTest, ADomainsThenAUsersOfTheAdministratorThenTheUsersOwn) {
  config.sieve.before = {"first.sieve"};
  config.sieve.after = {"last.sieve"};
  std::filesystem::create_directories(config.paths.sieve / "domains");
  for (const char* name : {"first", "last", "default", "users/bob@example.org",
                           "domains/Example.ORG", "domains/other.test"})
    write(fmt::format("{}.sieve", name), into(Path(name).filename().native()) + "keep;\n");
  start();
  const Script own{.name = "own", .program = sieve::compile(into("Own") + "keep;\n", {}).program};
  EXPECT_EQ(run(scripts->order("alice@example.org"), ""), "first Example.ORG default last keep");
  EXPECT_EQ(run(scripts->order("alice@example.org", own), ""), "first Example.ORG Own last keep");
  EXPECT_EQ(run(scripts->order("bob@example.org"), ""),
            "first Example.ORG bob@example.org last keep");
  EXPECT_EQ(run(scripts->order("bob@example.org", own), ""),
            "first Example.ORG bob@example.org Own last keep");
  EXPECT_EQ(run(scripts->order("carol@third.test"), ""), "first default last keep");
}

TEST_F(SiteScriptsTest, AllFaultsAreToldWithLineAndColumn) {
  write("default.sieve", "fileinot \"a\";\nkeep;\n  discard \"b\";\n");
  start();
  ASSERT_EQ(faults.size(), 2U);
  const std::string place = (config.paths.sieve / "default.sieve").native();
  EXPECT_EQ(faults[0].where, place + ":1");
  EXPECT_TRUE(faults[0].reason.starts_with("column 1: ")) << faults[0].reason;
  EXPECT_NE(faults[0].reason.find("did you mean `fileinto`"), std::string::npos);
  EXPECT_EQ(faults[1].where, place + ":3");
  EXPECT_TRUE(faults[1].reason.starts_with("column ")) << faults[1].reason;
}

// The library of before: the same order and the same last good form; it goes with ours.
TEST_F(SiteScriptsTest, LibsieveRunsThemWhereTheSettingSaysSo) {
  config.sieve.engine = config::SieveEngine::libsieve;
  config.sieve.before = {"first.sieve"};
  config.sieve.after = {"last.sieve"};
  write("first.sieve", "require \"imap4flags\"; setflag \"\\\\Seen\"; keep;\n");
  write("last.sieve", into("Last") + "keep;\n");
  start();
  EXPECT_TRUE(faults.empty());  // it is a warning
  const config::Findings told = SiteScripts::check(config);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].weight, config::Weight::warning);
  EXPECT_TRUE(told[0].reason.starts_with("sieve.engine: libsieve ")) << told[0].reason;
  EXPECT_EQ(decide(), "Default");
  const auto order = scripts->order("alice@example.org");
  ASSERT_EQ(order.size(), 3U);
  EXPECT_TRUE(order[0].foreign && order[1].foreign && order[2].foreign);
  const Script own{.name = "own",
                   .program = sieve::compile("require \"copy\"; require \"fileinto\";"
                                             "fileinto :copy \"Own\";",
                                             {})
                                  .program};
  EXPECT_EQ(run(scripts->order("alice@example.org", own), ""), "Own Last keep");
  write("last.sieve", kFault);
  reload();
  EXPECT_EQ(faults.size(), 1U);
  EXPECT_EQ(run(scripts->order("alice@example.org", own), ""), "Own Last keep");
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
