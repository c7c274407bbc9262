// Proves what is taken over from docker-mailserver's files, and that the rest is told, not guessed.
#include "tools/dms_files.h"

#include <gtest/gtest.h>

#include "deliver/dkim_key.h"
#include "tests/support/temp_folder.h"

namespace posthorn::tools {
namespace {

TEST(DmsFiles, BecomeTables) {
  const test::TempFolder folder;
  (void)folder.write("postfix-accounts.cf",
                     "# accounts\r\n"
                     "Anna@One.test|{SHA512-CRYPT}$6$abc$def\r\n"
                     "ben@two.test|{PLAIN}x|userdb_quota_rule=*:storage=5M home=/x "
                     "userdb_quota_rule2=Trash:ignore userdb_quota_rule3=oops\n"
                     "anna@one.test|{PLAIN}again\n"
                     "nothing\n"
                     "no-domain|{PLAIN}x\n"
                     "evil@one.test|{PLAIN}a\tb\x01\n");
  (void)folder.write(
      "postfix-virtual.cf",
      "info@one.test anna@one.test,ben@two.test\n@three.test anna@one.test\nbare x@y\n");
  (void)folder.write("postfix-sasl-password.cf",
                     "[smtp.relay.test]:587 me:pass\n@one.test other:pass\n");
  (void)folder.write("postfix-relaymap.cf",
                     "# who by which\n@one.test [smtp.relay.test]:587\r\n@two.test\n"
                     "two.test [smtp.relay.test]:587\n@two.test a b\n");
  (void)folder.write("postfix-regexp.cf",
                     "# patterns\n/^test/ anna@one.test\n/^(a/ x@y\n  more of it\n/^b/\n"
                     "if /@one/\n/^info-(.*)@/ $1@two.test\nendif\n/^c/ $1@two.test");
  (void)folder.write("dovecot-quotas.cf",
                     "# limits\nanna@one.test:5M\r\nnobody@one.test:1G\nben@two.test\n"
                     "anna@one.test:much\n");
  (void)folder.write("before.dovecot.sieve", "keep;\n");
  (void)folder.write("after.dovecot.sieve", "keep;\nkep;\n");
  (void)folder.write("Anna@One.test.dovecot.sieve", "discard;\n");
  (void)folder.write("nobody.dovecot.sieve.bak", "what\n");
  const auto files = read_dms_files(folder.path());
  ASSERT_TRUE(files) << files.error().what;
  EXPECT_EQ(files->domains, (std::vector<std::string>{"one.test", "two.test", "three.test"}));
  EXPECT_EQ(files->users,
            "anna@one.test:{SHA512-CRYPT}$6$abc$def::::::userdb_quota_rule=*:bytes=5M\n"
            "ben@two.test:{PLAIN}x::::::userdb_quota_rule=*:storage=5M "
            "userdb_quota_rule2=Trash:ignore\n");
  EXPECT_EQ(files->mailboxes, "anna@one.test anna\nben@two.test ben\n");
  EXPECT_EQ(files->aliases,
            "info@one.test anna@one.test,ben@two.test\n@three.test anna@one.test\n");
  EXPECT_EQ(files->relay_sasl, "[smtp.relay.test]:587 me:pass\n@one.test other:pass\n");
  EXPECT_EQ(files->sender_relays, "@one.test [smtp.relay.test]:587\n@two.test smtp:\n");
  EXPECT_EQ(files->scripts,
            (std::map<std::string, std::string>{{"before.sieve", "keep;\n"},
                                                {"users/anna@one.test.sieve", "discard;\n"}}));
  std::vector<std::string> places;
  for (const std::string& text : files->left_out) {
    const std::string rest = text.substr(folder.path().native().size() + 1);
    places.push_back(rest.substr(0, rest.find(": ")));
  }
  EXPECT_EQ(places, (std::vector<std::string>{
                        "after.dovecot.sieve:2", "postfix-accounts.cf:3", "postfix-accounts.cf:3",
                        "postfix-accounts.cf:4", "postfix-accounts.cf:5", "postfix-accounts.cf:6",
                        "postfix-accounts.cf:7", "dovecot-quotas.cf:3", "dovecot-quotas.cf:4",
                        "dovecot-quotas.cf:5", "postfix-virtual.cf:3", "postfix-relaymap.cf:4",
                        "postfix-relaymap.cf:5", "postfix-regexp.cf:3", "postfix-regexp.cf:5",
                        "postfix-regexp.cf:9", "nobody.dovecot.sieve.bak"}));
  EXPECT_EQ(files->alias_patterns,
            "# patterns\n/^test/ anna@one.test\n# left out: /^(a/ x@y\n# left out:   more of it\n"
            "# left out: /^b/\nif /@one/\n/^info-(.*)@/ $1@two.test\nendif\n"
            "# left out: /^c/ $1@two.test");
}

TEST(DmsFiles, EveryFileThatIsNotTakenIsNamed) {
  const test::TempFolder folder;
  folder.write("postfix-virtual.cf", "info@one.test anna@one.test\n");
  folder.write("postfix-aliases.cf", "# local\nroot: admin@one.test\nwww-data:root\n");
  for (const char* name : {"postfix-main.cf", "dovecot.cf", "user-patches.sh", "unheard-of.cf"})
    folder.write(name, "x\n");
  const auto files = read_dms_files(folder.path());
  ASSERT_TRUE(files);
  std::string told;
  for (const std::string& text : files->left_out)
    told += text.substr(folder.path().native().size() + 1) + "\n";
  EXPECT_EQ(told,
            "dovecot.cf: settings of Dovecot; [imap], [pop3], [store] of conf/posthorn.toml\n"
            "postfix-aliases.cf: names of the machine's accounts: `posthorn alias add root@DOMAIN "
            "…`\n"
            "postfix-aliases.cf:2: posthorn alias add root@DOMAIN admin@one.test\n"
            "postfix-aliases.cf:3: posthorn alias add www-data@DOMAIN root\n"
            "postfix-main.cf: settings of Postfix; conf/posthorn.toml has those of this server\n"
            "unheard-of.cf: no file that is known of docker-mailserver\n"
            "user-patches.sh: a script that patches docker-mailserver's container\n");
}

TEST(DmsFiles, PatternsWithNothingGoodInThemAreNone) {
  const test::TempFolder folder;
  (void)folder.write("postfix-regexp.cf", "# nothing\n\nif /x/\n");
  const auto files = read_dms_files(folder.path());
  ASSERT_TRUE(files) << files.error().what;
  EXPECT_EQ(files->alias_patterns, "");
  EXPECT_EQ(files->left_out.size(), 1U);
}

TEST(DmsFiles, TheKeysOfOpendkim) {
  const test::TempFolder folder;
  (void)folder.write("postfix-accounts.cf", "anna@one.test|{PLAIN}x\n");
  const std::string pem = *(*deliver::DkimKey::make_rsa(2048)).to_pem();
  for (const char* domain : {"One.test", "two.test"})
    std::filesystem::create_directories(folder.path() / "opendkim/keys" / domain);
  (void)folder.write("opendkim/keys/One.test/Mail.private", pem);
  (void)folder.write("opendkim/keys/One.test/Mail.txt", "Mail._domainkey IN TXT");
  (void)folder.write("opendkim/keys/two.test/mail.private", "nonsense");
  (void)folder.write("opendkim/KeyTable",
                     "mail._domainkey.one.test one.test:mail:/etc/opendkim/keys/x.private\n"
                     "a._domainkey.one.test one.test:a:/etc/opendkim/keys/a.private\n"
                     "odd odd\n");
  const auto files = read_dms_files(folder.path());
  ASSERT_TRUE(files) << files.error().what;
  ASSERT_EQ(files->dkim_keys.size(), 1U);
  EXPECT_EQ(files->dkim_keys[0].domain, "one.test");
  EXPECT_EQ(files->dkim_keys[0].selector, "mail");
  EXPECT_EQ(files->dkim_keys[0].pem, pem);
  ASSERT_EQ(files->left_out.size(), 3U);
  EXPECT_NE(files->left_out[0].find("two.test/mail.private: this is no"), std::string::npos);
  EXPECT_NE(files->left_out[1].find("KeyTable:2: there is no"), std::string::npos);
  EXPECT_NE(files->left_out[2].find("KeyTable:3: there is no"), std::string::npos);
}

TEST(DmsFiles, AFolderWithNoneOfThemIsAMistake) {
  const test::TempFolder folder;
  EXPECT_FALSE(read_dms_files(folder.path()));
  EXPECT_FALSE(read_dms_files(folder.path() / "nowhere"));
}

}  // namespace
}  // namespace posthorn::tools
