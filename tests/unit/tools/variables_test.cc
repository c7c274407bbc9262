// Proves what the environment's accounts become: lines that are right already stay byte for byte,
// a new password replaces the old one only, and common names mean nothing outside the test profile.
#include "tools/variables.h"

#include <gtest/gtest.h>

#include "auth/password.h"
#include "auth/user_file.h"
#include "tests/support/temp_folder.h"

namespace posthorn::tools {
namespace {

struct VariablesTest : testing::Test {
  VariablesTest() {
    config.paths.users = folder.write("users", "# mine\nalice@home.test:{PLAIN}a:extra\n");
    config.paths.smtp_users = folder.write("smtp_users", "");
    config.paths.maps = folder.path();
    (void)folder.write("mailboxes", "");
    (void)folder.write("vusers", "@ vmail\n");
    (void)folder.write("relay-sasl", "# logins\n[h]:25 old:old\n[x]:1 a:b");
    config.server.default_domain = "home.test";
    config.server.profile = "test";
    config.auth.any_user = config::AnyUser::one_password;
    config.route.by_local_part = true;
    config.auth.default_scheme = config::PasswordScheme::sha256_crypt;
  }
  std::string read(const std::string& name) const {
    return read_file(folder.path() / name)->value_or("none");
  }
  void apply(const config::Variables& variables) const {
    const auto done = apply_accounts(config, variables);
    EXPECT_TRUE(done) << (done ? "" : done.error().what);
  }
  bool is_password(const std::string& file, const std::string& user,
                   const std::string& what) const {
    const auto users = auth::parse_users(read(file), file);
    const auto found = users.hashes.find(user);
    return found != users.hashes.end() &&
           auth::verify_password(found->second, what).value_or(false);
  }

  test::TempFolder folder;
  config::Config config;
};

TEST_F(VariablesTest, AccountsOfTheTestProfile) {
  const config::Variables variables = {{"SMTP_USER", "Mailer"},
                                       {"SMTP_PASSWD", "send"},
                                       {"IMAP_USER1", "alice"},
                                       {"IMAP_USER2", "bob"},
                                       {"IMAP_PASSWD", "read"}};
  apply(variables);
  EXPECT_TRUE(is_password("smtp_users", "mailer@home.test", "send"));
  EXPECT_TRUE(is_password("users", "alice@home.test", "read"));
  EXPECT_TRUE(is_password("users", "bob@home.test", "read"));
  EXPECT_TRUE(is_password("users", "*", "read"));
  EXPECT_TRUE(read("users").starts_with("# mine\nalice@home.test:{SHA256-CRYPT}"));
  EXPECT_NE(read("users").find(":extra\n"), std::string::npos);
  EXPECT_EQ(read("vusers"), "@ vmail\nalice vmail\nbob vmail\n");
  const std::string before = read("users");
  apply(variables);
  EXPECT_EQ(read("users"), before);
  EXPECT_EQ(read("vusers"), "@ vmail\nalice vmail\nbob vmail\n");
}

TEST_F(VariablesTest, NamesThatCannotBe) {
  for (const std::string bad : {"a:b", "a b", "a\nb"})
    EXPECT_FALSE(apply_accounts(config, {{"SMTP_USER", bad}, {"SMTP_PASSWD", "x"}})) << bad;
  EXPECT_FALSE(apply_accounts(config, {{"IMAP_USER1", "a@b@c"}, {"IMAP_PASSWD", "x"}}));
}

TEST_F(VariablesTest, CommonNamesMeanNothingInOtherProfiles) {
  config.server.profile = "default";
  const std::string before = read("users");
  apply({{"SMTP_USER", "m"}, {"SMTP_PASSWD", "x"}, {"IMAP_USER1", "a"}, {"IMAP_PASSWD", "x"}});
  EXPECT_EQ(read("users"), before);
  EXPECT_EQ(read("smtp_users"), "");
}

TEST_F(VariablesTest, TheRelaysLogin) {
  config.relay.relayhost = "[H]:25";
  apply({{"RELAY_USER", "new"}, {"RELAY_PASSWORD", "p:w"}});
  EXPECT_EQ(read("relay-sasl"), "# logins\n[h]:25 new:p:w\n[x]:1 a:b");
  config.relay.relayhost = "[other]:587";
  apply({{"RELAY_USER", "new"}, {"RELAY_PASSWORD", "pw"}});
  EXPECT_EQ(read("relay-sasl"), "# logins\n[h]:25 new:p:w\n[x]:1 a:b\n[other]:587 new:pw\n");
  EXPECT_FALSE(apply_accounts(config, {{"RELAY_USER", "a"}, {"RELAY_PASSWORD", "b\n[z] c:d"}}));
}

TEST_F(VariablesTest, WhatIsToldHoldsNoSecret) {
  for (const std::string& line : describe_variables(
           config, {{"IMAP_PASSWD", "read"}, {"SMTP_USER_SECRET", "file"}, {"SA_TAG", "2.0"}})) {
    EXPECT_EQ(line.find("read "), std::string::npos) << line;
    EXPECT_EQ(line.find("file"), std::string::npos) << line;
  }
}

TEST_F(VariablesTest, TablesInPostgreSqlAreNotTheEnvironments) {
  config.relay.relayhost = "[h]:25";
  config.maps.relay_sasl = "pgsql:relay_sasl";
  EXPECT_TRUE(find_variable_faults(config, {{"IMAP_USER1", "alice"}}).empty());
  const auto faults = find_variable_faults(config, {{"RELAY_USER__FILE", "/x"}});
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_TRUE(faults.front().starts_with("RELAY_USER: maps.relay_sasl asks PostgreSQL"));
  const auto done = apply_accounts(config, {{"RELAY_USER", "u"}, {"RELAY_PASSWORD", "p"}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::config);
  EXPECT_EQ(read("relay-sasl"), "# logins\n[h]:25 old:old\n[x]:1 a:b");
  config.auth.users = config::UserSource::pgsql;
  config.maps.vusers = {"pgsql:vusers"};
  EXPECT_EQ(find_variable_faults(
                config, {{"SMTP_USER", "s"}, {"IMAP_PASSWD", "p"}, {"IMAP_USER1_SECRET", "a"}})
                .size(),
            2U);  // who sends stands in a file of its own
}

}  // namespace
}  // namespace posthorn::tools
