// Proves that every key has its variable, that a misspelt one is told with the near one, and that
// values from files and secrets arrive whole and only where they belong.
#include "config/environment.h"

#include <gtest/gtest.h>

#include "config/config.h"
#include "tests/support/temp_folder.h"

namespace posthorn::config {
namespace {

Result<Config> with(const Variables& variables) {
  TRY(const auto overrides, find_overrides(variables));
  return parse("[smtp]\nbanner = \"of the file\"\n", "/srv/conf/posthorn.toml", overrides);
}
std::string fault(const Variables& variables) {
  const auto config = with(variables);
  return config ? "" : config.error().what;
}

TEST(Environment, SetsKeysOfEveryKind) {
  const auto config = with({{"POSTHORN_SMTP_BANNER", "of the environment"},
                            {"POSTHORN_SMTP_AUTH_ON_25", "yes"},
                            {"POSTHORN_SMTP_REQUIRE_HELO", "0"},
                            {"POSTHORN_SMTP_HOPS_MAX", "77"},
                            {"POSTHORN_SMTP_MESSAGE_MAX", "2MB"},
                            {"POSTHORN_SMTP_LINE_MAX", "5000"},
                            {"POSTHORN_QUEUE_RETRY_FIRST", "7s"},
                            {"POSTHORN_LISTEN_SMTP", "127.0.0.1:2525, [::1]:2525"},
                            {"POSTHORN_LISTEN_IMAP", ""},
                            {"POSTHORN_RELAY_TLS", "may"},
                            {"POSTHORN_PATHS_MAIL", "post"},
                            {"POSTHORN_USERS_EDGE", "nobody"},
                            {"POSTHORN_CONFIG", "/elsewhere"},
                            {"HOME", "/root"}});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->smtp.banner, "of the environment");
  EXPECT_TRUE(config->smtp.auth_on_25);
  EXPECT_FALSE(config->smtp.require_helo);
  EXPECT_EQ(config->smtp.hops_max, 77U);
  EXPECT_EQ(config->smtp.message_max, 2U << 20U);
  EXPECT_EQ(config->smtp.line_max, 5000U);
  EXPECT_EQ(config->queue.retry_first, 7s);
  EXPECT_EQ(config->listen.smtp, (std::vector<std::string>{"127.0.0.1:2525", "[::1]:2525"}));
  EXPECT_TRUE(config->listen.imap.empty());
  EXPECT_EQ(config->relay.tls, TlsPolicy::may);
  EXPECT_EQ(config->paths.mail, "/srv/post");
  EXPECT_EQ(config->users.edge, "nobody");
  EXPECT_EQ(config->from_environment.size(), 12U);
  EXPECT_EQ(with({})->smtp.banner, "of the file");
}

TEST(Environment, FaultsNameTheVariable) {
  EXPECT_EQ(fault({{"POSTHORN_SMTP_BANER", "x"}}),
            "the environment's POSTHORN_SMTP_BANER is no setting, did you mean "
            "POSTHORN_SMTP_BANNER?");
  EXPECT_EQ(fault({{"POSTHORN_RELAYHOST", "x"}}),
            "the environment's POSTHORN_RELAYHOST is no setting, did you mean "
            "POSTHORN_RELAY_RELAYHOST?");
  EXPECT_EQ(fault({{"POSTHORN_XXXXXXXXXXXXXXXXXXXXXXXX", "x"}}),
            "the environment's POSTHORN_XXXXXXXXXXXXXXXXXXXXXXXX is no setting");
  EXPECT_EQ(fault({{"POSTHORN_SMTP_HOPS_MAX", "1"}}),
            "POSTHORN_SMTP_HOPS_MAX: smtp.hops_max is 1, must be 10 to 1000");
  EXPECT_EQ(fault({{"POSTHORN_AUTH_BAN", "10"}}),
            "POSTHORN_AUTH_BAN: auth.ban must be a time, as \"30s\" (ms, s, m, h, d)");
  EXPECT_NE(fault({{"POSTHORN_SMTP_AUTH_ON_25", "maybe"}}), "");
}

TEST(Environment, NamesOfOthers) {
  const auto config = with({{"OVERRIDE_HOSTNAME", "mail.example.org"},
                            {"SPOOF_PROTECTION", "0"},
                            {"RELAY_HOST", "smtp.example.org"},
                            {"RELAY_PORT", "587"},
                            {"POSTMASTER_ADDRESS", ""}});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->server.hostname, "mail.example.org");
  EXPECT_FALSE(config->submission.check_sender);
  EXPECT_EQ(config->relay.relayhost, "[smtp.example.org]:587");
  EXPECT_EQ(config->server.postmaster, "");
  EXPECT_EQ(with({{"RELAY_HOST", "h"}})->relay.relayhost, "[h]:25");
  EXPECT_EQ(with({{"RELAY_HOST", "h"}, {"POSTHORN_RELAY_RELAYHOST", "own"}})->relay.relayhost,
            "own");
  EXPECT_EQ(find_idle_variables({{"SA_KILL", "10"}, {"SPAM_SUBJECT", ""}}).size(), 1U);
  EXPECT_TRUE(find_idle_variables({{"ENABLE_CLAMAV", "0"}, {"ONE_DIR", ""}}).empty());
  EXPECT_EQ(find_idle_variables({{"ENABLE_CLAMAV", "1"}, {"SSL_TYPE", "self-signed"}}).size(), 2U);
}

TEST(Environment, SignaturesByTheNameOfOthers) {
  EXPECT_TRUE(with({})->dkim.sign);
  EXPECT_TRUE(with({{"ENABLE_OPENDKIM", "1"}})->dkim.sign);
  EXPECT_FALSE(with({{"ENABLE_OPENDKIM", "0"}})->dkim.sign);
  EXPECT_TRUE(find_idle_variables({{"ENABLE_OPENDKIM", "1"}}).empty());
}

TEST(Environment, TheFiltersNamesOfOthers) {
  const auto config =
      with({{"SPAM_SUBJECT", "***SPAM*** "}, {"SA_TAG", "-999"}, {"SA_TAG2", "6.31"}});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->filter.spam_subject, "***SPAM*** ");
  EXPECT_EQ(config->filter.headers_score, "-999");
  EXPECT_EQ(config->filter.spam_score, "6.31");
  EXPECT_EQ(config->filter.discard_score, "");
  EXPECT_EQ(with({{"SA_KILL", "12"}})->filter.discard_score, "");
  EXPECT_EQ(with({{"SPAMASSASSIN_SPAM_TO_INBOX", "0"}})->filter.discard_score, "10.0");
  EXPECT_EQ(with({{"SPAMASSASSIN_SPAM_TO_INBOX", "0"}, {"SA_KILL", "12"}})->filter.discard_score,
            "12");
  EXPECT_EQ(fault({{"SA_TAG2", "much"}}),
            "SA_TAG2: filter.spam_score is \"much\", must be a number or empty");
}

// docker-mailserver's learning is rspamd's; here spamd learns from the same moves.
TEST(Environment, LearningFromJunk) {
  EXPECT_EQ(with({{"RSPAMD_LEARN", "1"}})->filter.learn, Learn::site);
  EXPECT_EQ(with({{"RSPAMD_LEARN", "0"}})->filter.learn, Learn::off);
  EXPECT_EQ(with({})->filter.learn, Learn::off);
}

TEST(Environment, ServicesAndFilesOfOthers) {
  const auto config = with({{"ENABLE_POP3", "0"},
                            {"ENABLE_MANAGESIEVE", "0"},
                            {"SMTP_ONLY", "0"},
                            {"ENABLE_SPAMASSASSIN", "0"},
                            {"POSTFIX_MESSAGE_SIZE_LIMIT", "10240000"},
                            {"POSTFIX_MAILBOX_SIZE_LIMIT", "102400000"},
                            {"ENABLE_QUOTAS", "1"},
                            {"LOG_LEVEL", "warn"},
                            {"SSL_TYPE", "letsencrypt"},
                            {"OVERRIDE_HOSTNAME", "mail.example.org"},
                            {"PERMIT_DOCKER", "network"}});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_TRUE(config->listen.pop3.empty() && config->listen.pop3s.empty());
  EXPECT_TRUE(config->listen.managesieve.empty());
  EXPECT_FALSE(config->listen.imap.empty());
  EXPECT_FALSE(with({{"ENABLE_MANAGESIEVE", "1"}})->listen.managesieve.empty());
  EXPECT_EQ(config->filter.spamd, "");
  EXPECT_EQ(config->smtp.message_max, 10'240'000U);
  EXPECT_EQ(config->store.quota, 102'400'000U);
  EXPECT_TRUE(config->store.quotas);
  EXPECT_FALSE(with({{"ENABLE_QUOTAS", "0"}})->store.quotas);
  EXPECT_EQ(with({{"POSTFIX_MAILBOX_SIZE_LIMIT", "0"}})->store.quota, 0U);
  EXPECT_EQ(config->log.level, log::Level::warning);
  EXPECT_EQ(config->paths.certificate, "/etc/letsencrypt/live/mail.example.org/fullchain.pem");
  EXPECT_EQ(config->paths.key, "/etc/letsencrypt/live/mail.example.org/privkey.pem");
  EXPECT_EQ(config->smtp.relay_from, (std::vector<std::string>{"172.16.0.0/12"}));
  const auto only = with({{"SMTP_ONLY", "1"},
                          {"LOG_LEVEL", "loud"},
                          {"SSL_TYPE", "manual"},
                          {"SSL_CERT_PATH", "/c.pem"},
                          {"SSL_KEY_PATH", "/k.pem"}});
  ASSERT_TRUE(only) << only.error().what;
  EXPECT_TRUE(only->listen.imap.empty() && only->listen.imaps.empty() &&
              only->listen.pop3s.empty() && only->listen.managesieve.empty());
  EXPECT_EQ(only->log.level, log::Level::info);
  EXPECT_EQ(only->paths.key, "/k.pem");
  EXPECT_TRUE(with({{"PERMIT_DOCKER", "none"}})->smtp.relay_from.empty());
}

TEST(Environment, RewrittenSendersOfOthers) {
  const auto domain = [](Variables variables) {
    variables["ENABLE_SRS"] = "1";
    const auto config = with(variables);
    return config ? config->srs.domain : config.error().what;
  };
  EXPECT_EQ(domain({{"SRS_DOMAINNAME", "srs.example.org"}}), "srs.example.org");
  EXPECT_EQ(domain({{"OVERRIDE_HOSTNAME", "mail.example.org"}}), "example.org");
  EXPECT_EQ(domain({{"HOSTNAME", "example.org"}}), "example.org");
  EXPECT_EQ(domain({{"HOSTNAME", "box"}}), "");
  EXPECT_EQ(find_idle_variables({{"ENABLE_SRS", "1"}, {"HOSTNAME", "box"}}).size(), 1U);
  const auto config = with({{"ENABLE_SRS", "1"},
                            {"SRS_DOMAINNAME", "example.org"},
                            {"SRS_EXCLUDE_DOMAINS", "one.test,.two.test"}});
  ASSERT_TRUE(config) << config.error().what;
  EXPECT_EQ(config->srs.exclude_domains, (std::vector<std::string>{"one.test", ".two.test"}));
  EXPECT_EQ(with({{"ENABLE_SRS", "0"}, {"SRS_DOMAINNAME", "example.org"}})->srs.domain, "");
  EXPECT_EQ(find_idle_variables({{"SRS_DOMAINNAME", "example.org"}}).size(), 1U);
  EXPECT_EQ(find_idle_variables({{"ENABLE_SRS", "1"},
                                 {"SRS_DOMAINNAME", "example.org"},
                                 {"SRS_SENDER_CLASSES", "envelope_sender,header_sender"}})
                .size(),
            1U);
}

TEST(Environment, ValuesFromFiles) {
  const test::TempFolder folder;
  const Path file = folder.write("banner", "two words\r\n\n");
  Variables variables = {{"POSTHORN_SMTP_BANNER__FILE", file.native()}, {"OTHER__FILE", "/none"}};
  ASSERT_TRUE(resolve_files(variables, "POSTHORN_"));
  EXPECT_EQ(variables,
            (Variables{{"POSTHORN_SMTP_BANNER", "two words"}, {"OTHER__FILE", "/none"}}));
  variables = {{"POSTHORN_A__FILE", file.native()}, {"POSTHORN_A", "x"}};
  EXPECT_EQ(resolve_files(variables, "POSTHORN_").error().what,
            "the environment holds both POSTHORN_A and POSTHORN_A__FILE");
  variables = {{"POSTHORN_A__FILE", "/nowhere/file"}};
  EXPECT_EQ(resolve_files(variables, "POSTHORN_").error().what,
            "POSTHORN_A__FILE: there is no file /nowhere/file");
}

TEST(Environment, Secrets) {
  const test::TempFolder folder;
  (void)folder.write("pw", "s3cret\n");
  Variables variables = {{"POSTHORN_SECRETS", folder.path().native()},
                         {"SMTP_PASSWD_SECRET", "pw"},
                         {"IMAP_USER_SECRET", "pw"},
                         {"IMAP_PASSWD_SECRET", "gone"},
                         {"IMAP_PASSWD", "given"}};
  ASSERT_TRUE(resolve_secrets(variables));
  EXPECT_EQ(variables["SMTP_PASSWD"], "s3cret");
  EXPECT_EQ(variables["IMAP_USER1"], "s3cret");
  EXPECT_EQ(variables["IMAP_PASSWD"], "given");
  variables.erase("IMAP_PASSWD");
  EXPECT_FALSE(resolve_secrets(variables));
  variables["IMAP_PASSWD_SECRET"] = "../pw";
  EXPECT_FALSE(resolve_secrets(variables));
}

}  // namespace
}  // namespace posthorn::config
