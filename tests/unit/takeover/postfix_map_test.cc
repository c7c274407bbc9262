// Postfix's settings as this server's. What counts most: nobody gets in who did not before.
#include "takeover/postfix_map.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "takeover/postfix_names.h"
#include "tests/support/temp_folder.h"

namespace posthorn::takeover {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::string_view kPlainMaster = "smtp inet n - y - - smtpd\n";

class PostfixMap : public ::testing::Test {
 protected:
  // {folder} in the texts is where the tables lie.
  void map(std::string main, std::string_view master = kPlainMaster) {
    for (std::size_t at; (at = main.find("{folder}")) != std::string::npos;)
      main.replace(at, 8, folder_.path().native());
    const PostfixFiles files{
        .main = parse_main_cf("myhostname = mx.example.org\n" + main, "main.cf"),
        .master = parse_master_cf(master, "master.cf"),
        .passwd = folder_.path() / "passwd",
        .hostname = "host.test"};
    plan_ = Plan();
    report_ = Report();
    map_postfix(files, plan_, report_);
  }
  void write(const std::string& name, std::string_view text) {
    test::write_text(folder_.path() / name, text);
  }
  // "" where it is not set.
  std::string setting(const std::string& key) const {
    const auto found = plan_.settings().find(key);
    return found == plan_.settings().end() ? "" : found->second.value;
  }
  // "" where there is no such line.
  std::string line(const std::string& table, const std::string& key) const {
    const auto found = plan_.tables().find(table);
    if (found == plan_.tables().end()) return "";
    const auto entry = std::ranges::find(found->second, key, &Entry::key);
    return entry == found->second.end() ? "" : entry->value.empty() ? "OK" : entry->value;
  }
  Fate fate(const std::string& name) const {
    const auto found = std::ranges::find(report_.lines(), name, &Line::name);
    EXPECT_NE(found, report_.lines().end()) << name;
    return found == report_.lines().end() ? Fate::taken : found->fate;
  }

  test::TempFolder folder_;
  Plan plan_;
  Report report_;
};

TEST_F(PostfixMap, EverySettingOfPostfixsIsTold) {
  std::string main;
  for (const std::string_view name : postfix_names())
    if (name != "myhostname") main += std::string(name) + " = x\n";
  map(main);
  for (const std::string_view name : postfix_names()) {
    const auto found = std::ranges::find(report_.lines(), name, &Line::name);
    ASSERT_NE(found, report_.lines().end()) << name;
    EXPECT_NE(found->text, "") << name;
  }
}

TEST_F(PostfixMap, AMisspelledNameIsToldWithTheNearOne) {
  map("smtpd_recipient_restriction = permit\nmy_own = 1\nbanner = $my_own\n");
  const auto found = std::ranges::find(report_.lines(), "smtpd_recipient_restriction", &Line::name);
  ASSERT_NE(found, report_.lines().end());
  EXPECT_EQ(found->fate, Fate::not_possible);
  EXPECT_THAT(found->text, HasSubstr("smtpd_recipient_restrictions"));
  EXPECT_EQ(fate("my_own"), Fate::taken);
}

TEST_F(PostfixMap, NetworksThatMaySendAreThoseThatMightBefore) {
  map("mynetworks = 127.0.0.0/8 [::1]/128 10.1.0.0/16\n");
  EXPECT_EQ(setting("smtp.relay_from"), "[\"10.1.0.0/16\"]");
  for (const char* main :
       {"mynetworks = 127.0.0.0/8\n", "mynetworks = !10.1.0.5 10.1.0.0/16\n",
        "mynetworks = /etc/networks.txt hash:/x\n",
        "mynetworks = 10.1.0.0/16\nsmtpd_relay_restrictions = permit_sasl_authenticated reject\n",
        "mynetworks = 10.1.0.0/16\nsmtpd_relay_restrictions =\n"
        "smtpd_recipient_restrictions = reject_unauth_destination permit_mynetworks\n",
        "mynetworks = 10.1.0.0/16\nsmtpd_relay_restrictions = check_client_access hash:/x, "
        "permit_mynetworks, reject\n",
        "mynetworks = 10.1.0.0/16\nsmtpd_client_restrictions = reject_rbl_client a.test, permit\n",
        "mynetworks = 10.1.0.0/16\nsmtpd_recipient_restrictions = check_policy_service "
        "inet:127.0.0.1:10023, permit_mynetworks\n",
        "mynetworks_style = subnet\n"}) {
    map(main);
    EXPECT_EQ(setting("smtp.relay_from"), "") << main;
  }
}

TEST_F(PostfixMap, AServiceOfItsOwnNarrowsTheNetworks) {
  map("mynetworks = 10.1.0.0/16\n", "smtp inet n - y - - smtpd -o mynetworks=127.0.0.0/8\n");
  EXPECT_EQ(setting("smtp.relay_from"), "");
  map("mynetworks = 10.1.0.0/16\n",
      "10.1.0.1:25 inet n - y - - smtpd\n192.0.2.1:25 inet n - y - - smtpd -o mynetworks=\n");
  EXPECT_EQ(setting("smtp.relay_from"), "");
  EXPECT_EQ(setting("listen.smtp"), "[\"10.1.0.1:25\", \"192.0.2.1:25\"]");
}

TEST_F(PostfixMap, WhereStrangersWereKeptOutTheyStayOut) {
  for (const char* main :
       {"smtpd_client_restrictions = permit_mynetworks, reject\n",
        "smtpd_recipient_restrictions = permit_mynetworks permit_sasl_authenticated reject\n",
        "smtpd_recipient_restrictions = check_recipient_access hash:/not/there\n",
        "smtpd_recipient_restrictions = check_recipient_access mysql:/etc/postfix/x.cf\n",
        "smtpd_recipient_restrictions = check_recipient_access static:REJECT\n"}) {
    map(main);
    EXPECT_EQ(setting("smtp.require_auth"), "true") << main;
  }
  for (const char* main :
       {"", "smtpd_recipient_restrictions = permit_mynetworks reject_unauth_destination permit\n",
        "smtpd_relay_restrictions = permit_mynetworks, permit_auth_destination, reject\n",
        "smtpd_client_restrictions = warn_if_reject reject\n"}) {
    map(main);
    EXPECT_EQ(setting("smtp.require_auth"), "") << main;
  }
}

TEST_F(PostfixMap, ClosedRecipientsStayClosed) {
  write("access",
        "all@example.org insiders_only\nboss@example.org REJECT\nok@closed.test OK\n"
        "closed.test 554 closed\nnoreply@ REJECT\nnote@example.org WARN seen\n");
  write("patterns", "/^secret-/ REJECT\n/./ DUNNO\n");
  write("virtual",
        "all@example.org a@example.org\nteam@example.org a@example.org\n"
        "secret-x@example.org a@example.org\nx@closed.test a@example.org\n"
        "ok@closed.test a@example.org\n@example.org a@example.org\n"
        "noreply@example.org a@example.org\n");
  write("mailboxes", "a@example.org a/\nboss@example.org boss/\nnote@example.org note/\n");
  map("smtpd_recipient_restrictions = check_recipient_access hash:{folder}/access, "
      "check_recipient_access regexp:{folder}/patterns\n"
      "virtual_mailbox_domains = example.org closed.test\n"
      "virtual_mailbox_maps = hash:{folder}/mailboxes\nvirtual_alias_maps = "
      "hash:{folder}/virtual\n");
  for (const char* address :
       {"all@example.org", "secret-x@example.org", "x@closed.test", "noreply@example.org"})
    EXPECT_EQ(line("aliases", address), "") << address;
  EXPECT_EQ(line("mailboxes", "boss@example.org"), "");
  EXPECT_EQ(line("mailboxes", "note@example.org"), "OK");
  EXPECT_EQ(line("aliases", "team@example.org"), "a@example.org");
  EXPECT_EQ(line("aliases", "ok@closed.test"), "a@example.org");
  // The catch-all would take them.
  for (const char* address : {"all@example.org", "boss@example.org", "noreply@example.org"})
    EXPECT_THAT(line("transport", address), HasSubstr("error:5.7.1")) << address;
  EXPECT_EQ(setting("smtp.require_auth"), "");
}

TEST_F(PostfixMap, NothingListensWhereNothingDid) {
  map("");
  EXPECT_EQ(setting("listen.submission"), "[]");
  EXPECT_EQ(setting("listen.submissions"), "[]");
  EXPECT_EQ(setting("listen.smtp"), "");
  map("inet_protocols = ipv4\n");
  EXPECT_EQ(setting("listen.smtp"), "[\"0.0.0.0:25\"]");
  map("inet_interfaces = loopback-only\ninet_protocols = all\n");
  EXPECT_EQ(setting("listen.smtp"), "[\"127.0.0.1:25\", \"[::1]:25\"]");
  map("inet_interfaces = 192.0.2.1, localhost, 2001:db8::1\n");
  EXPECT_THAT(setting("listen.smtp"), HasSubstr("\"192.0.2.1:25\""));
  EXPECT_THAT(setting("listen.smtp"), HasSubstr("\"[2001:db8::1]:25\""));
  map("", "127.0.0.1:smtp inet n - y - - smtpd\n127.0.0.1:submission inet n - y - - smtpd\n");
  EXPECT_EQ(setting("listen.smtp"), "[\"127.0.0.1:25\"]");
  EXPECT_EQ(setting("listen.submission"), "[\"127.0.0.1:587\"]");
  map("", "submission inet n - y - - smtpd\nsmtps inet n - y - - smtpd\n");
  EXPECT_EQ(setting("listen.smtp"), "[]");
  EXPECT_EQ(setting("listen.submission"), "");
  EXPECT_EQ(setting("listen.submissions"), "");
}

TEST_F(PostfixMap, MailLeavesAsItDid) {
  write("transport",
        "a.test relay:[relay.test]\nb.test smtp:[b.test]:587\nc.test error:5.7.1 closed\n"
        "d.test discard:\ne.test mailman:\nf.test :\ng.test smtp:\nh.test lmtp:unix:private/x\n"
        "example.org virtual:\ni.test retry:later\nj.test relay:[j.test]:submission\n");
  write("sasl", "[smtp.relay.test]:587 user:secret\n");
  write("senders", "a@example.org [other.test]:587\n");
  map("relayhost = [smtp.relay.test]:587, [second.test]:587\nvirtual_mailbox_domains = "
      "example.org\n"
      "transport_maps = hash:{folder}/transport\nsmtp_sasl_auth_enable = yes\n"
      "smtp_sasl_password_maps = hash:{folder}/sasl\n"
      "sender_dependent_relayhost_maps = hash:{folder}/senders\n");
  EXPECT_EQ(setting("relay.relayhost"), "\"[smtp.relay.test]:587\"");
  EXPECT_EQ(setting("relay.fallback"), "[\"[second.test]:587\"]");
  EXPECT_EQ(setting("relay.tls"), "") << "the password needs the name verified";
  EXPECT_EQ(line("relay-sasl", "[smtp.relay.test]:587"), "user:secret");
  EXPECT_EQ(line("sender-relays", "a@example.org"), "[other.test]:587");
  EXPECT_EQ(line("transport", "a.test"), "smtp:[relay.test]");
  EXPECT_EQ(line("transport", "b.test"), "smtp:[b.test]:587");
  EXPECT_EQ(line("transport", "c.test"), "error:5.7.1 closed");
  EXPECT_THAT(line("transport", "d.test"), HasSubstr("error:5.7.1"));
  EXPECT_THAT(line("transport", "e.test"), HasSubstr("error:4.3.5"));
  EXPECT_EQ(line("transport", "f.test"), "smtp:[smtp.relay.test]:587");
  EXPECT_EQ(line("transport", "g.test"), "smtp:");
  EXPECT_THAT(line("transport", "h.test"), HasSubstr("error:4.3.5"));
  EXPECT_EQ(line("transport", "example.org"), "");
  EXPECT_EQ(line("transport", "i.test"), "error:4.0.0 later");
  EXPECT_EQ(line("transport", "j.test"), "smtp:[j.test]:587");
  for (const Line& told : report_.lines()) EXPECT_THAT(told.value, Not(HasSubstr("secret")));
}

TEST_F(PostfixMap, MailThatNeededTlsNeedsIt) {
  write("policy", "partner.test encrypt\nloose.test none\nbank.test secure match=nexthop\n");
  map("smtp_tls_security_level = may\nsmtp_tls_policy_maps = hash:{folder}/policy\n");
  EXPECT_EQ(setting("relay.mx_tls"), "\"may\"");
  EXPECT_THAT(line("transport", "partner.test"), HasSubstr("error:4.7.5"));
  EXPECT_THAT(line("transport", "bank.test"), HasSubstr("error:4.7.5"));
  EXPECT_EQ(line("transport", "loose.test"), "");
  map("smtp_tls_security_level = dane-only\nsmtp_tls_policy_maps = hash:{folder}/policy\n");
  EXPECT_EQ(setting("relay.mx_tls"), "\"verify\"");
  EXPECT_EQ(line("transport", "partner.test"), "");
  map("relayhost = [inside.test]\n");  // no password goes there
  EXPECT_EQ(setting("relay.tls"), "\"may\"");
  map("relayhost = [inside.test]\nsmtp_tls_security_level = encrypt\n");
  EXPECT_EQ(setting("relay.tls"), "\"encrypt\"");
}

TEST_F(PostfixMap, TablesKeepTheirOrder) {
  write("a", "x@example.org a@example.org\n");
  write("b", "x@example.org b@example.org\ny@example.org b@example.org\n");
  write("r", "/^z@/ r@example.org\n");
  map("virtual_alias_domains = example.org\nvirtual_alias_maps = hash:{folder}/a "
      "hash:{folder}/b\n");
  EXPECT_EQ(setting("maps.aliases"), "");
  EXPECT_EQ(line("aliases", "x@example.org"), "a@example.org");
  EXPECT_EQ(line("aliases", "y@example.org"), "b@example.org");
  map("virtual_alias_domains = example.org\n"
      "virtual_alias_maps = hash:{folder}/a regexp:{folder}/r hash:{folder}/b\n");
  EXPECT_EQ(setting("maps.aliases"),
            "[\"text:aliases\", \"regexp:aliases-1.regexp\", \"text:aliases-1\"]");
  EXPECT_EQ(line("aliases-1", "x@example.org"), "b@example.org");
  map("virtual_alias_domains = example.org\nvirtual_alias_maps = pcre:{folder}/r\n");
  EXPECT_EQ(setting("maps.aliases"), "[\"text:aliases\", \"pcre:aliases-0.pcre\"]");
}

TEST_F(PostfixMap, LocalAccountsAndTheirAliases) {
  write("passwd",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"
        "alice:x:1000:1000::/home/alice:/bin/bash\nsvc:x:1001:1001::/:/usr/sbin/nologin\n");
  write("aliases",
        "postmaster: root\nroot: alice\nlist: alice, bob@other.test,\n  |/usr/bin/prog\n"
        "prog: \"|/usr/bin/prog\"\nfile: /var/mail/x\nincl: :include:/etc/list\n\"a b\": alice\n");
  map("mydestination = $myhostname, example.org, localhost\nmyorigin = example.org\n"
      "alias_maps = hash:{folder}/aliases\n");
  EXPECT_EQ(line("domains", "example.org"), "OK");
  EXPECT_EQ(line("domains", "mx.example.org"), "OK");
  EXPECT_EQ(line("domains", "localhost"), "");
  EXPECT_EQ(line("mailboxes", "alice@example.org"), "OK");
  EXPECT_EQ(line("mailboxes", "alice@mx.example.org"), "OK");
  EXPECT_EQ(line("mailboxes", "svc@example.org"), "");
  EXPECT_EQ(line("aliases", "root@example.org"), "alice@example.org");
  EXPECT_EQ(line("aliases", "list@example.org"), "alice@example.org, bob@other.test");
  for (const char* name : {"prog@example.org", "file@example.org", "incl@example.org"})
    EXPECT_EQ(line("aliases", name), "") << name;
  EXPECT_EQ(fate("prog"), Fate::not_possible);
  EXPECT_EQ(fate("file"), Fate::not_possible);
  EXPECT_EQ(fate("incl"), Fate::not_possible);
}

TEST_F(PostfixMap, NumbersLieWithinOurRanges) {
  map("smtpd_recipient_limit = 5\nhopcount_limit = 1\nsmtpd_hard_error_limit = 99999\n"
      "maximal_queue_lifetime = 400d\nbounce_queue_lifetime = 0\nmessage_size_limit = 10\n"
      "delay_warning_time = 4\nminimal_backoff_time = nonsense\nsmtpd_timeout = "
      "${stress?{10}:{300}}s\n");
  EXPECT_EQ(setting("smtp.recipients_max"), "100");
  EXPECT_EQ(setting("smtp.hops_max"), "10");
  EXPECT_EQ(setting("smtp.errors_max"), "10000");
  EXPECT_EQ(setting("queue.expire_after"), "\"8640000s\"");
  EXPECT_EQ(setting("queue.bounce_expire_after"), "\"1s\"");
  EXPECT_EQ(setting("smtp.message_max"), "\"1024B\"");
  EXPECT_EQ(setting("queue.warn_after"), "\"14400s\"");
  EXPECT_EQ(setting("queue.retry_first"), "");
  EXPECT_EQ(fate("minimal_backoff_time"), Fate::not_possible);
  EXPECT_EQ(setting("smtp.command_timeout"), "\"300s\"");
}

TEST_F(PostfixMap, ACertificateThatIsNotThereIsNotNamed) {
  map("smtpd_tls_cert_file = {folder}/none.pem\nsmtpd_tls_key_file = {folder}/none.key\n");
  EXPECT_EQ(setting("paths.certificate"), "");
  EXPECT_EQ(fate("smtpd_tls_cert_file"), Fate::not_possible);
  write("cert.pem", "x");
  write("key.pem", "x");
  map("smtpd_tls_cert_file = {folder}/cert.pem\nsmtpd_tls_key_file = {folder}/key.pem\n");
  EXPECT_THAT(setting("paths.certificate"), HasSubstr("cert.pem"));
  EXPECT_THAT(setting("paths.key"), HasSubstr("key.pem"));
}

}  // namespace
}  // namespace posthorn::takeover
