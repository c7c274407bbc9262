// Proves that docker-mailserver's folder has a line for all that lies in it, and that what it opens
// only when told to is closed here without being told.
#include "tools/dms_takeover.h"

#include <filesystem>
#include <gtest/gtest.h>

#include "deliver/dkim_key.h"
#include "tests/support/temp_folder.h"

namespace posthorn::tools {
namespace {

using takeover::Fate;

class DmsTakeover : public testing::Test {
 protected:
  DmsTakeover() {
    for (const char* name : {"ssl", "rspamd", "rspamd/dkim"})
      std::filesystem::create_directory(folder.path() / name);
    (void)folder.write("postfix-accounts.cf", "anna@one.test|{PLAIN}x\n");
  }
  std::string value(const std::string& key) const {
    const auto found = plan.settings().find(key);
    return found == plan.settings().end() ? "not set" : found->second.value;
  }
  std::string told(std::string_view file, std::string_view name) const {
    for (const takeover::Line& line : report.lines())
      if (line.file == (folder.path() / file).native() && line.name == name)
        return std::string(to_string(line.fate)) + ": " + line.text;
    return "nothing";
  }

  const test::TempFolder folder;
  takeover::Plan plan;
  takeover::Report report;
};

TEST_F(DmsTakeover, WithoutItsVariablesTheDoorsStayClosed) {
  const auto files = take_over_dms(folder.path(), plan, report);
  ASSERT_TRUE(files) << files.error().what;
  EXPECT_EQ(files->users, "anna@one.test:{PLAIN}x\n");
  for (const char* key : {"listen.pop3", "listen.pop3s", "listen.managesieve"})
    EXPECT_EQ(value(key), "[]") << key;
  EXPECT_NE(told("mailserver.env", "").find("not possible"), std::string::npos);
}

TEST_F(DmsTakeover, VariablesBecomeSettings) {
  (void)folder.write("mailserver.env",
                     "# variables\r\nENABLE_POP3=1\r\nPOSTFIX_MESSAGE_SIZE_LIMIT=20480000\n"
                     "OVERRIDE_HOSTNAME=\"mail.one.test\"\nENABLE_CLAMAV=1\nSSL_TYPE=manual\n"
                     "SSL_CERT_PATH=/c.pem\nSSL_KEY_PATH=/k.pem\n");
  ASSERT_TRUE(take_over_dms(folder.path(), plan, report));
  EXPECT_EQ(value("listen.pop3"), "not set");
  EXPECT_EQ(value("listen.managesieve"), "[]");
  EXPECT_EQ(value("server.hostname"), "\"mail.one.test\"");
  EXPECT_NE(value("smtp.message_max"), "not set");
  EXPECT_EQ(value("paths.certificate"), "not set");
  EXPECT_NE(told("mailserver.env", "SSL_CERT_PATH").find("certificate install"), std::string::npos);
  EXPECT_NE(told("mailserver.env", "ENABLE_CLAMAV").find("not possible"), std::string::npos);
}

TEST_F(DmsTakeover, DovecotsOverridesAreReadAsWhatTheyAre) {
  (void)folder.write("dovecot.cf",
                     "mail_max_userip_connections = 50\nrecipient_delimiter = -\n"
                     "disable_plaintext_auth = no\n");
  ASSERT_TRUE(take_over_dms(folder.path(), plan, report));
  EXPECT_EQ(value("maps.recipient_delimiter"), "\"-\"");
  EXPECT_EQ(value("listen.imap"), "not set");
  EXPECT_EQ(value("auth.allow_plaintext"), "not set");
  EXPECT_NE(told("dovecot.cf", "disable_plaintext_auth").find("not possible"), std::string::npos);
  EXPECT_EQ(told("dovecot.cf", "protocols"), "nothing");
}

TEST_F(DmsTakeover, KeysAndPairsLieElsewhereHere) {
  const std::string pem = deliver::DkimKey::make_ed25519()->to_pem().value();
  (void)folder.write("rspamd/dkim/ed25519-mail-one.test.private.txt", pem);
  (void)folder.write("rspamd/dkim/rsa-2048-mail-two.test.private.txt", "none");
  (void)folder.write("ssl/mail.one.test-cert.pem", "c");
  (void)folder.write("ssl/mail.one.test-key.pem", "k");
  (void)folder.write("ssl/lost-cert.pem", "c");
  const auto files = take_over_dms(folder.path(), plan, report);
  ASSERT_TRUE(files);
  ASSERT_EQ(files->dkim_keys.size(), 1U);
  EXPECT_EQ(files->dkim_keys[0].domain, "one.test");
  EXPECT_EQ(files->dkim_keys[0].selector, "mail");
  ASSERT_EQ(plan.copies().size(), 2U);
  EXPECT_EQ(plan.copies()[1].to, "tls/names/mail.one.test/privkey.pem");
  EXPECT_NE(told("ssl/lost-cert.pem", "").find("not possible"), std::string::npos);
  EXPECT_NE(told("rspamd/dkim/rsa-2048-mail-two.test.private.txt", "").find("not possible"),
            std::string::npos);
}

TEST_F(DmsTakeover, EveryFileHasItsLine) {
  for (const char* name : {"postfix-main.cf", "postfix-master.cf", "dovecot-masters.cf",
                           "user-patches.sh", "whatever.txt"})
    (void)folder.write(name, "x\n");
  ASSERT_TRUE(take_over_dms(folder.path(), plan, report));
  for (const char* name : {"postfix-main.cf", "postfix-master.cf", "dovecot-masters.cf",
                           "user-patches.sh", "whatever.txt"})
    EXPECT_NE(told(name, "").find("not possible: "), std::string::npos) << name;
}

}  // namespace
}  // namespace posthorn::tools
