// Proves that settings which work and are surely not meant so are told, as warnings that keep no
// server from starting, and that a usual configuration raises none.
#include "tools/doubts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace posthorn::tools {
namespace {

config::Config parsed(std::string_view text) {
  const std::string whole =
      "[server]\nhostname = \"mx.example.org\"\n[queue]\nfree_min = 0\n" + std::string(text);
  auto config = config::parse(whole, "/etc/posthorn/conf/posthorn.toml");
  EXPECT_TRUE(config) << text << config.error().what;
  return config ? *std::move(config) : config::Config();
}

TEST(SettingDoubts, AreWarningsThatNameTheKey) {
  for (const config::Finding& doubt : find_setting_doubts(parsed("")))
    ADD_FAILURE() << doubt.text();
  struct Row {
    const char* text;
    const char* key;
  };
  const Row rows[] = {
      {"[smtp]\nbanner = \"$myhostname ESMTP\"\n", "smtp.banner"},
      {"[smtp]\nbanner = \"mx.example.org ready\"\n", "smtp.banner"},
      {"[smtp]\nmessage_max = 500000\n", "smtp.message_max"},
      {"[listen]\nlmtp = [\"0.0.0.0:24\"]\n", "listen.lmtp"},
      {"[auth]\nallow_plaintext = true\n", "auth.allow_plaintext"},
      {"[store]\nquota = 1000\n", "store.quota"},
      {"[relay]\nrelayhost = \"[relay.test]:465\"\n", "relay.relayhost"},
      {"[relay]\nmx_port = 2525\n", "relay.mx_port"},
      {"[users]\nedge = \"root\"\n", "users.edge"},
      {"[maps]\nrecipient_delimiter = \"a\"\n", "maps.recipient_delimiter"},
      {"[log]\nfile = \"/no/such/folder/log\"\n", "log.file"},
      {"[paths]\nspool = \"/srv/spool\"\nmail = \"/srv/spool/mail\"\n", "paths.mail"},
  };
  for (const Row& row : rows) {
    const config::Findings doubts = find_setting_doubts(parsed(row.text));
    ASSERT_EQ(doubts.size(), 1U) << row.text;
    EXPECT_EQ(doubts[0].weight, config::Weight::warning);
    EXPECT_TRUE(doubts[0].reason.starts_with(std::string(row.key) + ": ")) << doubts[0].text();
  }
}

TEST(SettingDoubts, WhatOnlyThisMachineReachesIsNoDoubt) {
  for (const char* text : {"[listen]\nlmtp = [\"127.0.0.1:24\", \"unix:/run/lmtp\"]\n",
                           "[auth]\nallow_plaintext = true\n[listen]\nimap = [\"127.0.0.1:143\"]\n"
                           "pop3 = []\nmanagesieve = []\nsubmission = [\"[::1]:587\"]\n"})
    for (const config::Finding& doubt : find_setting_doubts(parsed(text)))
      ADD_FAILURE() << doubt.text();
}

struct PlaceDoubtsTest : testing::Test {
  PlaceDoubtsTest() {
    for (const char* name : {"spool", "mail/example.org", "state/lookup", "maps"})
      std::filesystem::create_directories(folder.path() / name);
    config.paths.spool = folder.path() / "spool";
    config.paths.mail = folder.path() / "mail";
    config.paths.state = folder.path() / "state";
    config.paths.maps = folder.path() / "maps";
  }
  test::TempFolder folder;
  config::Config config;
};

TEST_F(PlaceDoubtsTest, AFolderThatWasThereAndIsGoneIsTold) {
  std::filesystem::remove(config.paths.spool);
  EXPECT_TRUE(find_place_doubts(config).empty());  // it never ran: a start makes one
  test::write_text(config.paths.state / "lookup/kept", "");
  const config::Findings doubts = find_place_doubts(config);
  ASSERT_EQ(doubts.size(), 1U);
  EXPECT_EQ(doubts[0].where, config.paths.spool.native());
}

TEST_F(PlaceDoubtsTest, PasswordsThatLieOpenAreTold) {
  const Path path = config.paths.maps / "relay-sasl";
  test::write_text(path, "# none yet\n");
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(find_place_doubts(config).empty());
  test::write_text(path, "relay.test user:secret\n");
  const config::Findings doubts = find_place_doubts(config);
  ASSERT_EQ(doubts.size(), 1U);
  EXPECT_EQ(doubts[0].remedy, "chmod o-r " + path.native());
  EXPECT_EQ(doubts[0].text().find("secret"), std::string::npos);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_TRUE(find_place_doubts(config).empty());
}

TEST_F(PlaceDoubtsTest, AFileWhereAMaildirBelongsIsTold) {
  test::write_text(config.paths.mail / "example.org/bob", "From an mbox\n");
  test::write_text(config.paths.mail / "other.test", "");
  const config::Findings doubts =
      find_mailbox_doubts(config, {"alice@example.org", "bob@example.org", "carol@other.test"});
  ASSERT_EQ(doubts.size(), 2U);
  EXPECT_EQ(doubts[0].where, (config.paths.mail / "example.org/bob").native());
  EXPECT_EQ(doubts[1].where, (config.paths.mail / "other.test").native());
}

}  // namespace
}  // namespace posthorn::tools
