// Proves what Dovecot's settings become here, that each has its line in the report, and above all
// that nothing is opened that was closed there.
#include "takeover/dovecot_map.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace posthorn::takeover {
namespace {

class DovecotMap : public testing::Test {
 protected:
  DovecotMap() {
    for (const char* name : {"sieve", "sieve/after", "auth", "auth/one.test", "auth/two.test"})
      std::filesystem::create_directory(folder.path() / name);
  }
  // @ is the folder.
  std::string at(std::string text) const {
    for (std::size_t i = 0; (i = text.find('@', i)) != text.npos;)
      if (i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0)
        ++i;  // of an address
      else
        text.replace(i, 1, folder.path().native());
    return text;
  }
  void map(const std::string& text) {
    plan = {};
    report = {};
    const auto conf = read_dovecot_conf(folder.write("dovecot.conf", at(text)));
    ASSERT_TRUE(conf) << conf.error().what;
    map_dovecot(*conf, plan, report);
    for (const Line& line : report.lines()) EXPECT_FALSE(line.text.empty()) << line.name;
  }
  std::string told(std::string_view name) const {
    for (const Line& line : report.lines())
      if (line.name == name) return fmt::format("{}: {}", to_string(line.fate), line.text);
    return "nothing";
  }
  std::string fate(std::string_view name) const {
    const std::string text = told(name);
    return text.substr(0, text.find(':'));
  }
  // A text without its quotes.
  std::string text(const std::string& key) const {
    const auto found = plan.settings().find(key);
    if (found == plan.settings().end()) return "not set";
    std::string value = found->second.value;
    if (value.starts_with('[')) value = value.substr(1, value.size() - 2);
    std::erase(value, '"');
    return value;
  }
  std::string account(const std::string& name) const {
    for (const auto& [known, rest] : plan.accounts())
      if (known == name) return rest;
    return "none";
  }

  const test::TempFolder folder;
  Plan plan;
  Report report;
};

constexpr std::string_view kUsers = R"(# accounts
anna@one.test:{PLAIN}one:5000:5000::/var/vmail/one.test/anna::userdb_quota_rule=*:storage=1G allow_nets=10.0.0.0/8
ben@one.test:{SHA512-CRYPT}$6$abc:5000:5000::/var/vmail/one.test/ben::nologin=y proxy=y
Carl@one.test:{PLAIN}three:5000:5000::/var/vmail/one.test/carl::
dora+x@one.test:{PLAIN}four:5000:5000
anna@one.test:{PLAIN}again:5000:5000
emil@one.test:secret:5000:5000::/var/vmail/one.test/emil::userdb_mail=maildir:/elsewhere nopassword=y
:no name
line without colon
fritz@one.test::5000:5000::/var/vmail/one.test/fritz
)";
constexpr std::string_view kFileLogins = R"(
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u @/users
}
userdb {
  driver = passwd-file
  args = username_format=%u @/users
}
)";

TEST_F(DovecotMap, UsersBecomeAccountsAndNobodyGetsInWhoDidNot) {
  (void)folder.write("users", std::string(kUsers));
  map(std::string(kFileLogins));
  EXPECT_EQ(account("anna@one.test"),
            "{PLAIN}one::::::userdb_quota_rule=*:storage=1G "
            "allow_nets=10.0.0.0/8");
  EXPECT_EQ(account("ben@one.test"), "{SHA512-CRYPT}$6$abc::::::nologin=y");
  EXPECT_EQ(account("emil@one.test"), "{PLAIN}secret");
  EXPECT_EQ(account("fritz@one.test"), "!");
  EXPECT_EQ(plan.accounts().size(), 4U);
  EXPECT_NE(told("Carl@one.test").find("lower case"), std::string::npos);
  EXPECT_NE(told("dora+x@one.test").find("auth_username_chars"), std::string::npos);
  EXPECT_NE(told("nopassword").find("a password is asked for"), std::string::npos);
  EXPECT_NE(told("emil@one.test").find("/elsewhere"), std::string::npos);
  EXPECT_EQ(fate("passdb/args"), "taken");
  for (const Line& line : report.lines())
    for (const char* secret : {"secret", "{PLAIN}one", "again", "$6$"})
      EXPECT_EQ(line.text.find(secret), std::string::npos) << line.text;
}

TEST_F(DovecotMap, FieldsOfTheBlocksHoldForEachLine) {
  (void)folder.write("users",
                     "anna@one.test:{PLAIN}a:1:1::/h::allow_nets=10.0.0.0/8\n"
                     "ben@one.test:{PLAIN}b:1:1::/h\n");
  (void)folder.write("deny", "ben@one.test:\n");
  map(R"(passdb {
  driver = passwd-file
  deny = yes
  args = @/deny
}
passdb {
  driver = passwd-file
  args = @/users
  override_fields = allow_nets=192.0.2.0/24
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%d/%n
  default_fields = quota_rule=*:storage=5M
}
)");
  EXPECT_EQ(account("anna@one.test"),
            "{PLAIN}a::::::userdb_quota_rule=*:storage=5M "
            "allow_nets=192.0.2.0/24");
  EXPECT_EQ(account("ben@one.test"),
            "{PLAIN}b::::::userdb_quota_rule=*:storage=5M "
            "allow_nets=192.0.2.0/24 nologin");
}

TEST_F(DovecotMap, WhomNoUserdbKnowsStaysOut) {
  (void)folder.write("users",
                     "anna@one.test:{PLAIN}a\nben@one.test:{PLAIN}b\ncarl@one.test:{PLAIN}c\n");
  (void)folder.write("homes", "anna@one.test::5000:5000::/h\nben@one.test:::::/h\n");
  map(R"(passdb {
  driver = passwd-file
  args = @/users
}
userdb {
  driver = passwd-file
  args = @/homes
}
)");
  EXPECT_EQ(account("anna@one.test"), "{PLAIN}a");
  EXPECT_EQ(account("ben@one.test"), "{PLAIN}b::::::nologin");
  EXPECT_EQ(account("carl@one.test"), "{PLAIN}c::::::nologin");
}

TEST_F(DovecotMap, AFileForEachDomain) {
  (void)folder.write("auth/one.test/passwd", "anna:{PLAIN}a:5:5\n");
  (void)folder.write("auth/two.test/passwd", "anna:{PLAIN}b:5:5\nx@y.test:{PLAIN}c\n");
  map("passdb {\n driver = passwd-file\n args = username_format=%n @/auth/%d/passwd\n}");
  EXPECT_EQ(account("anna@one.test"), "{PLAIN}a");
  EXPECT_EQ(account("anna@two.test"), "{PLAIN}b");
  EXPECT_EQ(plan.accounts().size(), 2U);
}

// Each of these let in somebody there under conditions that cannot be said here, or lets in more.
TEST_F(DovecotMap, NeverOpensMore) {
  (void)folder.write("users", "anna@one.test:{PLAIN}a:5:5\n");
  for (const std::string_view condition :
       {"master = yes", "pass = yes", "result_success = continue", "skip = authenticated",
        "username_filter = *@one.test", "mechanisms = cram-md5", "driver = static", "driver = pam",
        "driver = lua"}) {
    map(fmt::format("passdb {{\n driver = passwd-file\n args = @/users\n {}\n}}\n", condition));
    EXPECT_TRUE(plan.accounts().empty()) << condition;
    EXPECT_EQ(fate("passdb/args"), "not possible") << condition;
  }
  map("passdb {\n driver = passwd-file\n deny = yes\n args = @/nowhere\n}\n" +
      std::string(kFileLogins));
  EXPECT_TRUE(plan.accounts().empty());
  map("protocol imap {\n" + std::string(kFileLogins) + "}\n");
  EXPECT_TRUE(plan.accounts().empty());
  map("protocol imap {\n passdb {\n  driver = passwd-file\n  deny = yes\n  args = @/users\n "
      "}\n}\n" +
      std::string(kFileLogins));
  EXPECT_TRUE(plan.accounts().empty());
  map("auth_username_format = %Lu.suffix\n" + std::string(kFileLogins));
  EXPECT_TRUE(plan.accounts().empty());
  map("disable_plaintext_auth = no\nlogin_trusted_networks = 10.0.0.0/8\n"
      "auth_mechanisms = plain anonymous cram-md5\n"
      "remote 10.0.0.0/8 {\n disable_plaintext_auth = no\n}\n");
  EXPECT_EQ(text("auth.allow_plaintext"), "not set");
  EXPECT_EQ(fate("disable_plaintext_auth"), "not possible");
  EXPECT_EQ(fate("remote/10.0.0.0/8/disable_plaintext_auth"), "not possible");
  EXPECT_EQ(fate("login_trusted_networks"), "not possible");
  EXPECT_NE(told("auth_mechanisms").find("anonymous, cram-md5"), std::string::npos);
  map("protocols = imap pop3 sieve\nauth_ssl_require_client_cert = yes\n");
  for (const char* key : {"listen.imap", "listen.imaps", "listen.pop3", "listen.managesieve"})
    EXPECT_EQ(text(key), "") << key;
}

TEST_F(DovecotMap, MaildirsServeWhereTheyAre) {
  const struct {
    std::string_view text, root, location;
  } rows[] = {
      {"mail_location = maildir:/var/vmail/%d/%n\nmail_uid = root\n", "/var/vmail",
       "{domain}/{user}"},
      {"mail_location = maildir:/var/vmail/%Ld/%Ln/Maildir:INDEX=/x/%u\n", "/var/vmail",
       "{domain}/{user}/Maildir"},
      {"mail_location = maildir:~/Maildir\nmail_home = /srv/mail/%u\n", "/srv/mail",
       "{address}/Maildir"},
      {"mail_location = maildir:~/mail\nuserdb {\n driver = static\n args = uid=root "
       "home=/var/vmail/%d/%n allow_all_users=yes\n}\n",
       "/var/vmail", "{domain}/{user}/mail"},
      {"dovecot_config_version = 2.4.1\nmail_driver = maildir\nmail_path = ~/Maildir\n"
       "mail_home = /var/vmail/%{user | domain}/%{user | username}\n",
       "/var/vmail", "{domain}/{user}/Maildir"},
      {"mail_location = maildir:/a/x-%{user}/m:LAYOUT=maildir++:INBOX=/a/x-%u/m\n", "/a",
       "x-{address}/m"},
  };
  for (const auto& row : rows) {
    map(std::string(row.text));
    EXPECT_EQ(text("paths.mail"), row.root) << row.text;
    EXPECT_EQ(text("store.location"), row.location) << row.text;
  }
  map("mail_location = maildir:/var/vmail/%d/%n\nmail_uid = root\n");
  EXPECT_EQ(text("users.store"), "root");
}

TEST_F(DovecotMap, HomesOfTheUsersFileMakeAForm) {
  (void)folder.write("users",
                     "anna@one.test:{PLAIN}a:0:0::/m/one.test/anna/home\n"
                     "ben@two.test:{PLAIN}b:0:0::/m/two.test/ben/home\n");
  map("mail_location = maildir:~/Maildir\n" + std::string(kFileLogins));
  EXPECT_EQ(text("paths.mail"), "/m");
  EXPECT_EQ(text("store.location"), "{domain}/{user}/home/Maildir");
  EXPECT_EQ(text("users.store"), "root");
}

TEST_F(DovecotMap, OtherMailIsToldHowToMove) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"mbox:~/mail:INBOX=/var/mail/%u", "posthorn import mbox"},
      {"mdbox:~/mdbox", "doveadm backup"},
      {"sdbox:/var/vmail/%d/%n", "doveadm backup"},
      {"maildir:/v/%d/%n:LAYOUT=fs", "LAYOUT=fs"},
      {"maildir:/v/%d/%n:CONTROL=/c/%u", "CONTROL"},
      {"maildir:/v/%d/%n:INBOX=/v/%d/%n/.INBOX", "INBOX"},
      {"maildir:/v/%1Ln/%n", "has variables"},
      {"maildir:/v/all", "no form"},
      {"maildir:~/Maildir", "home"},
      {"", "not told"},
  };
  for (const auto& [location, word] : rows) {
    map(fmt::format("mail_location = {}\n", location));
    EXPECT_EQ(text("paths.mail"), "not set") << location;
    EXPECT_NE(told("mail_location").find(word), std::string::npos) << told("mail_location");
  }
  for (const std::string_view plugin : {"zlib", "mail_crypt", "mail_compress"}) {
    map(fmt::format("mail_location = maildir:/v/%d/%n\nmail_plugins = {}\n", plugin));
    EXPECT_EQ(text("paths.mail"), "not set") << plugin;
    EXPECT_EQ(fate("mail_plugins"), "not possible");
  }
}

TEST_F(DovecotMap, FoldersAndTheirUses) {
  map(R"(namespace inbox {
  inbox = yes
  separator = /
  prefix =
  mailbox Drafts {
    special_use = \Drafts
    auto = subscribe
  }
  mailbox Sent {
    special_use = \Sent
  }
  mailbox "Sent Messages" {
    special_use = \Sent
    auto = create
  }
  mailbox Lists/Posthorn {
    auto = create
  }
  mailbox Trash {
    special_use = \Trash
    autoexpunge = 30d
  }
  mailbox All {
    special_use = \All
  }
}
namespace {
  type = shared
  prefix = shared/%%u/
}
)");
  EXPECT_EQ(text("imap.separator"), "/");
  EXPECT_EQ(text("store.drafts"), "Drafts");
  EXPECT_EQ(text("store.sent"), "Sent Messages");
  EXPECT_EQ(text("store.archive"), "");
  EXPECT_EQ(text("store.also_create"), "Lists.Posthorn");
  EXPECT_EQ(fate("namespace/inbox/mailbox/Sent/special_use"), "not possible");
  EXPECT_EQ(fate("namespace/inbox/mailbox/Trash/autoexpunge"), "not possible");
  EXPECT_EQ(fate("namespace/type"), "not possible");
}

TEST_F(DovecotMap, PortsAreOpenWhereTheyWere) {
  map("protocols = imap pop3\n");
  EXPECT_EQ(text("listen.imap"), "0.0.0.0:143, [::]:143");
  EXPECT_EQ(text("listen.pop3s"), "0.0.0.0:995, [::]:995");
  EXPECT_EQ(text("listen.managesieve"), "");
  map("mail_location = maildir:/v/%d/%n\n");  // nothing names the protocols
  EXPECT_EQ(text("listen.pop3"), "");
  EXPECT_NE(told("protocols").find("IMAP is open, and nothing else"), std::string::npos);
  map(R"(protocols = imap sieve lmtp
listen = 192.0.2.1, ::1, mail.example.org
service imap-login {
  process_limit = 5
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = 10993
    address = 127.0.0.1
  }
  inet_listener other {
    port = 20993
    ssl = yes
    haproxy = yes
  }
}
service lmtp {
  unix_listener /var/spool/postfix/private/lmtp {
    mode = 0600
  }
  inet_listener lmtp {
    address = 127.0.0.1 192.0.2.1
    port = 24
  }
}
service auth {
  inet_listener {
    port = 12345
  }
}
)");
  EXPECT_EQ(text("listen.imap"), "");
  EXPECT_EQ(text("listen.imaps"), "127.0.0.1:10993");
  EXPECT_EQ(text("listen.managesieve"), "192.0.2.1:4190, [::1]:4190");
  EXPECT_EQ(text("listen.lmtp"), "127.0.0.1:24");
  EXPECT_EQ(fate("listen"), "not possible");
  EXPECT_EQ(fate("service/imap-login/inet_listener/other/port"), "not possible");
  EXPECT_EQ(fate("service/auth/inet_listener/port"), "not possible");
  EXPECT_EQ(fate("service/lmtp/unix_listener//var/spool/postfix/private/lmtp/mode"), "not needed");
}

TEST_F(DovecotMap, PairsAreCopiedByName) {
  for (const char* name : {"cert", "key", "cert2", "key2"}) (void)folder.write(name, "pem");
  map(R"(ssl = required
ssl_cert = <@/cert
ssl_key = <@/key
ssl_min_protocol = TLSv1.3
local_name mail.two.test {
  ssl_cert = <@/cert2
  ssl_key = <@/key2
}
local_name ../evil {
  ssl_cert = <@/cert2
  ssl_key = <@/key2
}
local_name three.test {
  ssl_cert = <@/nowhere
  ssl_key = <@/key2
}
)");
  EXPECT_EQ(text("paths.certificate"), (folder.path() / "cert").native());
  EXPECT_EQ(text("paths.key"), (folder.path() / "key").native());
  ASSERT_EQ(plan.copies().size(), 2U);
  EXPECT_EQ(plan.copies()[0].to, "tls/names/mail.two.test/fullchain.pem");
  EXPECT_EQ(plan.copies()[1].to, "tls/names/mail.two.test/privkey.pem");
  EXPECT_EQ(plan.copies()[1].mode, 0640U);
  EXPECT_EQ(fate("local_name/three.test/ssl_cert"), "not possible");
  EXPECT_EQ(fate("ssl_min_protocol"), "not possible");
  EXPECT_EQ(fate("ssl"), "already so");
}

TEST_F(DovecotMap, QuotasOfThePluginThatIsLoaded) {
  constexpr std::string_view kRules =
      "plugin {\n quota = count:User quota\n quota_rule = *:storage=1G:messages=20\n"
      " quota_rule2 = Trash:storage=+100M\n quota_grace = 5%%\n"
      " quota_warning = storage=80%% x %u\n quota_warning2 = storage=95%% x %u\n"
      " quota_exceeded_message = full\n}\n";
  map("mail_plugins = quota\n" + std::string(kRules));
  EXPECT_EQ(text("store.quota"), "1073741824B");
  EXPECT_EQ(text("store.quota_messages"), "20");
  EXPECT_EQ(text("store.quota_rules"), "Trash:storage=+100M");
  EXPECT_EQ(text("store.quota_grace"), "5");
  EXPECT_EQ(text("store.quota_warning"), "95");
  EXPECT_EQ(fate("plugin/quota_exceeded_message"), "not possible");
  map(std::string(kRules));
  EXPECT_EQ(text("store.quotas"), "false");
  EXPECT_EQ(fate("plugin/quota_rule"), "not needed");
  map("dovecot_config_version = 2.4.0\nmail_plugins {\n quota = yes\n}\nquota \"User quota\" {\n"
      " driver = count\n quota_storage_size = 5G\n}\n");
  EXPECT_EQ(text("store.quota"), "5368709120B");
}

TEST_F(DovecotMap, ScriptsAreCompiledFirst) {
  (void)folder.write("sieve/a.sieve", "keep;\n");
  (void)folder.write("sieve/after/10.sieve", "keep;\n");
  (void)folder.write("sieve/after/20.sieve", "kep;\n");
  (void)folder.write("sieve/learn.sieve", "require \"vnd.dovecot.pipe\";\npipe \"sa-learn\";\n");
  (void)folder.write("sieve/default.sieve", "stop;\n");
  map(R"(protocol lmtp {
  mail_plugins = sieve
}
mail_home = /v/%d/%n
recipient_delimiter = -
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_before = @/sieve/a.sieve
  sieve_after = @/sieve/after
  sieve_default = @/sieve/default.sieve
  sieve_extensions = +vnd.dovecot.pipe
  sieve_max_script_size = 64k
  imapsieve_mailbox1_name = Junk
  imapsieve_mailbox1_causes = COPY
  imapsieve_mailbox1_before = file:@/sieve/learn.sieve
  imapsieve_mailbox2_name = *
  imapsieve_mailbox2_from = Junk
  imapsieve_mailbox2_causes = COPY
  imapsieve_mailbox2_before = file:@/sieve/a.sieve
}
)");
  EXPECT_EQ(text("sieve.before"), "a.sieve");
  EXPECT_EQ(text("sieve.after"), "10.sieve");
  EXPECT_EQ(plan.files().at("sieve/default.sieve").text, "stop;\n");
  EXPECT_EQ(text("sieve.imap"), "COPY Junk -> *: a.sieve");
  EXPECT_EQ(text("maps.recipient_delimiter"), "-");
  EXPECT_EQ(fate("plugin/sieve_after"), "not possible");  // one of its two
  EXPECT_NE(told("plugin/imapsieve_mailbox1_before").find("filter.learn"), std::string::npos);
  EXPECT_EQ(fate("plugin/sieve_extensions"), "not possible");
  EXPECT_FALSE(plan.files().contains("sieve/learn.sieve"));
}

// Whatever stands there, a line tells of it: of each setting exactly one.
TEST_F(DovecotMap, EverySettingHasItsLine) {
  const std::string text = R"(nothing_known = 1
imap_max_line_length = 64k
instance_name = x
protocol imap {
  imap_capability = X
  mail_max_userip_connections = 10
  mail_plugins = acl trash what
  strange = yes
}
postmaster_address = post@one.test
log_path = /dev/stderr
plugin {
  acl = vfile
  zlib_save = gz
  odd = 1
}
log_path = /var/log/x
broken line
replication_max_conns = 5
)";
  map(text);
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"nothing_known", "not possible"},
      {"imap_max_line_length", "not needed"},
      {"instance_name", "not needed"},
      {"protocol/imap/imap_capability", "not possible"},
      {"protocol/imap/mail_plugins", "not possible"},
      {"protocol/imap/strange", "not possible"},
      {"postmaster_address", "taken"},
      {"log_path", "not needed"},
      {"plugin/acl", "not possible"},
      {"plugin/zlib_save", "not possible"},
      {"plugin/odd", "not possible"},
      {"replication_max_conns", "not possible"},
  };
  for (const auto& [name, wanted] : rows) EXPECT_EQ(fate(name), wanted) << name;
  EXPECT_EQ(text.npos, text.find("\r"));
  // 13 settings with log_path twice, the broken line, and that nothing names the protocols.
  EXPECT_EQ(report.lines().size(), 16U);
  EXPECT_NE(report.lines().front().text.find("not understood"), std::string::npos);
}

TEST_F(DovecotMap, DebiansOwnFiles) {
  if (!std::filesystem::exists("/usr/share/dovecot/conf.d")) GTEST_SKIP() << "no dovecot-core";
  const auto conf = read_dovecot_conf("/usr/share/dovecot/dovecot.conf");
  ASSERT_TRUE(conf);
  EXPECT_TRUE(conf->faults.empty());
  map_dovecot(*conf, plan, report);
  EXPECT_EQ(text("listen.imap"), "0.0.0.0:143, [::]:143");
  EXPECT_EQ(text("listen.pop3"), "");
  EXPECT_NE(told("mail_location").find("posthorn import mbox"), std::string::npos);
  EXPECT_NE(told("passdb/driver").find("posthorn user add"), std::string::npos);
  for (const Line& line : report.lines())
    EXPECT_EQ(line.text.find("not known here"), std::string::npos) << line.name;
}

}  // namespace
}  // namespace posthorn::takeover
