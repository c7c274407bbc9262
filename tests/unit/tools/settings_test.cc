// Proves which file is the configuration, and that a setting or a mode which a start would end on
// later, or which would be unsafe, is named with its key before anything runs.
#include "tools/settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace posthorn::tools {
namespace {

class FindConfigTest : public testing::Test {
 protected:
  FindConfigTest() {
    for (const char* name : {"POSTHORN_CONFIG", "POSTHORN_CONF"}) ::unsetenv(name);
  }
  ~FindConfigTest() override {
    for (const char* name : {"POSTHORN_CONFIG", "POSTHORN_CONF"}) ::unsetenv(name);
  }
  Path write(const std::string& hostname) const {
    return folder_.write(hostname + ".toml", "[server]\nhostname = \"" + hostname + "\"\n");
  }
  static std::string found(const std::string& given) {
    const auto config = find_config(given);
    return config ? config->server.hostname : "error";
  }
  test::TempFolder folder_;
};

TEST_F(FindConfigTest, TheOneThatIsGivenThenTheEnvironments) {
  const Path given = write("given.test"), config = write("config.test"), conf = write("conf.test");
  ::setenv("POSTHORN_CONF", conf.c_str(), 1);
  EXPECT_EQ(found(""), "conf.test");
  ::setenv("POSTHORN_CONFIG", config.c_str(), 1);
  EXPECT_EQ(found(""), "config.test");
  EXPECT_EQ(found(given), "given.test");
  ::setenv("POSTHORN_CONFIG", "", 1);
  EXPECT_EQ(found(""), "conf.test");
}

TEST_F(FindConfigTest, OneThatIsNamedAndNotThereIsNoReasonToTakeAnother) {
  const Path conf = write("conf.test");
  ::setenv("POSTHORN_CONF", conf.c_str(), 1);
  EXPECT_EQ(found((folder_.path() / "none.toml").native()), "error");
  ::setenv("POSTHORN_CONFIG", (folder_.path() / "none.toml").c_str(), 1);
  EXPECT_EQ(found(""), "error");
}

config::Config parsed(std::string_view text) {
  const std::string whole = "[server]\nhostname = \"mx.example.org\"\n" + std::string(text);
  auto config = config::parse(whole, "/etc/posthorn/conf/posthorn.toml");
  EXPECT_TRUE(config) << text << config.error().what;
  return config ? *std::move(config) : config::Config();
}

TEST(SettingFaults, AreNamedByTheirKeys) {
  EXPECT_TRUE(find_setting_faults(parsed("")).empty());
  struct Row {
    const char* text;
    const char* key;
  };
  const Row rows[] = {
      {"default_domain = \"not a domain\"\n", "server.default_domain"},
      {"postmaster = \"no one@example.org\"\n", "server.postmaster"},
      {"[store]\njunk = \"a..b\"\n", "store.junk"},
      {"[store]\nsent = \"Inbox\"\n", "store.sent"},
      {"[store]\nalso_create = [\"\"]\n", "store.also_create"},
      {"[store]\nlocation = \"{domain}\"\n", "store.location"},
      {"[listen]\nimap = [\"127.0.0.1:2525\"]\nsmtp = [\"127.0.0.1:2525\"]\n", "listen.imap"},
      {"[listen]\nsmtp = [\"nowhere\"]\n", "listen.smtp"},
      {"[limits]\nexempt = [\"10.0.0.0/40\"]\n", "limits.exempt"},
      {"[smtp]\nrelay_from = [\"0.0.0.0/0\"]\n", "smtp.relay_from"},
      {"[smtp]\nrelay_from = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\n", "smtp.relay_from"},
      {"[maps]\naliases = [\"mysql:aliases\"]\n", "maps.aliases"},
      {"[filter]\nspamd = \"nowhere\"\n", "filter.spamd"},
      {"[relay]\nsource_address = \"mx.example.org\"\n", "relay.source_address"},
      {"[srs]\ndomain = \"not a domain\"\n", "srs.domain"},
      {"[route]\nby_local_part = true\n", "server.default_domain"},
  };
  for (const Row& row : rows) {
    const auto faults = find_setting_faults(parsed(row.text));
    EXPECT_EQ(faults.size(), 1U) << row.text;
    if (faults.empty()) continue;
    EXPECT_NE(faults[0].find(std::string(row.key) + ": "), std::string::npos) << faults[0];
  }
}

struct PermissionsTest : testing::Test {
  PermissionsTest() {
    for (const char* name : {"maps", "spool", "mail", "run", "state", "sieve"})
      std::filesystem::create_directory(folder.path() / name);
    config.file = folder.write("posthorn.toml", "");
    config.paths.users = folder.write("users", "");
    config.paths.maps = folder.path() / "maps";
    config.paths.spool = folder.path() / "spool";
    config.paths.mail = folder.path() / "mail";
    config.paths.run = folder.path() / "run";
    config.paths.state = folder.path() / "state";
    config.paths.sieve = folder.path() / "sieve";
    config.paths.certificate = folder.write("cert.pem", "");
    config.paths.key = folder.write_secret("key.pem", "");
    config.tls.folder = folder.path() / "names";
    config.tls.authority = folder.path() / "authority";
    config.dkim.folder = folder.path() / "dkim";
    config.srs.secret_file = folder.path() / "srs";
  }
  // Those with this mode, and none any more with the mode of before.
  std::vector<std::string> faults_with(const Path& path, mode_t mode) const {
    struct stat before{};
    EXPECT_EQ(::stat(path.c_str(), &before), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    auto faults = find_permission_faults(config);
    EXPECT_EQ(::chmod(path.c_str(), before.st_mode & 07777U), 0);
    EXPECT_TRUE(find_permission_faults(config).empty());
    return faults;
  }
  test::TempFolder folder;
  config::Config config;
};

TEST_F(PermissionsTest, WhatOthersCouldReadOrChangeIsNamedWithItsRemedy) {
  EXPECT_TRUE(find_permission_faults(config).empty());
  struct Row {
    Path path;
    mode_t mode;
    const char* mend;
  };
  const Row rows[] = {{config.file, 0666, "o-w"},       {config.paths.users, 0646, "o-w"},
                      {config.paths.maps, 0777, "o-w"}, {config.paths.spool, 0777, "o-w"},
                      {config.paths.key, 0644, "o-r"},  {folder.path(), 0777, "o-w"}};
  for (const Row& row : rows) {
    const auto faults = faults_with(row.path, row.mode);
    ASSERT_EQ(faults.size(), 1U) << row.path;
    EXPECT_TRUE(faults[0].starts_with(row.path.native() + ": ")) << faults[0];
    EXPECT_TRUE(faults[0].ends_with("chmod " + std::string(row.mend) + " " + row.path.native()))
        << faults[0];
  }
}

TEST_F(PermissionsTest, AFileWhereAFolderBelongsIsNamed) {
  std::filesystem::remove(config.paths.spool);
  test::write_text(config.paths.spool, "");
  const auto faults = find_permission_faults(config);
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_TRUE(faults[0].starts_with(config.paths.spool.native() + ": "));
}

}  // namespace
}  // namespace posthorn::tools
