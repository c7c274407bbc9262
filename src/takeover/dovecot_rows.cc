// Settings whose fate needs no computing, by name. Blocks are written without their own names:
// "service/process_limit" is that of every service. A * at the end stands for all that begin so;
// the first row that fits counts. What fits none is named as unknown, never passed over.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

struct Row {
  std::string_view name;
  Fate fate;
  std::string_view text;
};

constexpr std::string_view kOwnFiles = "this server's own files need no such choice";
constexpr std::string_view kOtherStore = "it is of a format of mail that this server does not have";
constexpr std::string_view kNoReplica =
    "there is no replication: back up paths.mail, or deliver twice by an alias";
constexpr std::string_view kNoProxy = "logins and mail are not handed on to other servers";
constexpr std::string_view kAccounts = "the roles run as the accounts of [users], fenced";
constexpr std::string_view kLog =
    "one line an event, by log.file and log.level; `posthorn trace` tells of a mail";
constexpr std::string_view kShared = "mailboxes are not shared: nobody sees another's";

constexpr Row kRows[] = {
    {"dovecot_config_version", Fate::not_needed, "it tells in which form this file is"},
    {"dovecot_storage_version", Fate::not_needed, "files of this server know their form"},
    // Logins
    {"auth_cache_*", Fate::already_so, "a verified password is remembered for auth.cache"},
    {"auth_failure_delay", Fate::already_so,
     "wrong passwords wait, then auth.ban (auth.failures_max)"},
    {"auth_worker_*", Fate::not_needed, "passwords are hashed in threads of their own"},
    {"auth_verbose*", Fate::not_needed,
     "`posthorn explain login` tells why a login fails; passwords are never logged"},
    {"auth_debug*", Fate::not_needed,
     "`posthorn explain login` tells why a login fails; passwords are never logged"},
    {"auth_master_user_separator", Fate::not_possible,
     "master users log in to others' mailboxes, which nobody does here"},
    {"master_user_separator", Fate::not_possible,
     "master users log in to others' mailboxes, which nobody does here"},
    {"auth_anonymous_username", Fate::not_possible, "nobody is let in without a password"},
    {"auth_realms", Fate::not_needed,
     "an address says its domain; only Kerberos and DIGEST-MD5 have realms"},
    {"auth_username_translation", Fate::not_possible,
     "no name is changed: who typed a translated one types the right one"},
    {"auth_ssl_username_from_cert", Fate::not_possible, "no client is asked for a certificate"},
    {"ssl_cert_username_field", Fate::not_possible, "no client is asked for a certificate"},
    {"auth_policy_*", Fate::not_possible,
     "no policy server is asked: auth.failures_max and auth.ban, `posthorn ban`"},
    {"auth_gssapi_hostname", Fate::not_possible, "there is no Kerberos"},
    {"auth_krb5_keytab", Fate::not_possible, "there is no Kerberos"},
    {"auth_use_winbind", Fate::not_possible, "there is no NTLM"},
    {"auth_winbind_helper_path", Fate::not_possible, "there is no NTLM"},
    {"auth_socket_path", Fate::not_needed, kOwnFiles},
    {"auth_*", Fate::not_possible, "there is no such setting of logins"},
    {"login_greeting", Fate::not_possible,
     "the greetings of IMAP and POP3 name this server; smtp.banner is SMTP's"},
    {"login_trusted_networks", Fate::not_possible,
     "no network logs in without TLS, and none names clients' addresses: it stays closed"},
    {"haproxy_*", Fate::not_possible,
     "HAProxy's protocol is not spoken: nobody names clients' addresses"},
    {"login_log_format*", Fate::not_needed, kLog},
    {"login_proxy_*", Fate::not_possible, kNoProxy},
    {"login_*", Fate::not_needed, kOwnFiles},
    {"mail_max_userip_connections", Fate::not_possible,
     "imap.connections_per_user_max and pop3.connections_per_user_max count an account's sessions "
     "from everywhere, limits.connections_per_address_max an address'"},
    {"protocol/mail_max_userip_connections", Fate::not_possible,
     "imap.connections_per_user_max and pop3.connections_per_user_max count an account's sessions "
     "from everywhere, limits.connections_per_address_max an address'"},
    // TLS
    {"ssl_dh", Fate::not_needed, "key exchange is by elliptic curves"},
    {"ssl_server_dh_file", Fate::not_needed, "key exchange is by elliptic curves"},
    {"ssl_dh_parameters_length", Fate::not_needed, "key exchange is by elliptic curves"},
    {"ssl_cipher_*", Fate::not_needed, "TLS 1.2 and 1.3 with OpenSSL's own order of ciphers"},
    {"ssl_curve_list", Fate::not_needed, "OpenSSL's own curves"},
    {"ssl_prefer_*", Fate::not_needed, "OpenSSL's own order of ciphers"},
    {"ssl_server_prefer_ciphers", Fate::not_needed, "OpenSSL's own order of ciphers"},
    {"ssl_options", Fate::not_needed, "no compression; session tickets are made anew each day"},
    {"ssl_alt_*", Fate::not_possible,
     "one pair a name: put the second into a folder of tls.folder"},
    {"ssl_key_password", Fate::not_possible,
     "a key without a password is needed: `openssl pkey -in KEY -out PLAIN`"},
    {"ssl_ca", Fate::not_possible, "no client is asked for a certificate"},
    {"ssl_require_crl", Fate::not_needed, "no client is asked for a certificate"},
    {"ssl_client_*", Fate::not_needed, "relay.trust_file says who vouches for other servers"},
    {"ssl_crypto_device", Fate::not_needed, "OpenSSL chooses"},
    {"verbose_ssl", Fate::not_needed, kLog},
    {"ssl_*", Fate::not_possible, "there is no such setting of TLS: version 1.2 or newer, always"},
    {"local_name/*", Fate::not_possible, "names choose certificates, and nothing else"},
    {"local/*", Fate::not_possible,
     "settings hold for every address of this server: none is opened for one alone"},
    {"remote/*", Fate::not_possible,
     "settings hold for every client: nothing is opened for some alone"},
    // Mail
    {"mail_gid", Fate::not_needed, kAccounts},
    {"mail_privileged_group", Fate::not_needed, kAccounts},
    {"mail_access_groups", Fate::not_needed, kAccounts},
    {"first_valid_*", Fate::not_needed, kAccounts},
    {"last_valid_*", Fate::not_needed, kAccounts},
    {"mail_chroot", Fate::not_needed, "each role is fenced to its own files"},
    {"valid_chroot_dirs", Fate::not_needed, "each role is fenced to its own files"},
    {"mail_full_filesystem_access", Fate::not_possible,
     "a name of a folder never leaves the account's maildir"},
    {"mail_fsync", Fate::already_so, "mail is on disk before it is confirmed"},
    {"mail_nfs_*", Fate::not_possible, "maildirs lie on a local disk"},
    {"mmap_disable", Fate::not_needed, kOwnFiles},
    {"dotlock_use_excl", Fate::not_needed, kOwnFiles},
    {"lock_method", Fate::not_needed, kOwnFiles},
    {"mail_attachment_*", Fate::not_possible,
     "attachments lie in their mails: `doveadm backup` puts them back in"},
    {"mail_attribute*", Fate::not_possible,
     "annotations are this server's own; Dovecot's are not read"},
    {"mail_shared_*", Fate::not_possible, kShared},
    {"mail_server_*", Fate::not_needed, "METADATA of the server has no text of its own"},
    {"mail_max_keyword_length", Fate::not_needed, "keywords are bounded by the protocol"},
    {"mail_debug", Fate::not_needed, kLog},
    {"mail_log_*", Fate::not_needed, kLog},
    {"mail_*", Fate::not_needed, kOwnFiles},
    {"mailbox_*", Fate::not_needed, kOwnFiles},
    {"maildir_*", Fate::not_needed, kOwnFiles},
    {"mbox_*", Fate::not_needed, kOtherStore},
    {"mdbox_*", Fate::not_needed, kOtherStore},
    {"dbox_*", Fate::not_needed, kOtherStore},
    {"imapc_*", Fate::not_possible, "mail is read from no other server"},
    {"pop3c_*", Fate::not_possible, "mail is read from no other server"},
    {"namespace/*", Fate::not_possible, "there is no such setting of a namespace"},
    // Protocols
    {"imap_idle_notify_interval", Fate::not_needed,
     "imap.idle_notify_interval says it, two minutes"},
    {"imap_max_line_length", Fate::not_needed, "imap.line_max says it, 64 KB"},
    {"imap_capability", Fate::not_possible, "capabilities are what is there"},
    {"imap_id_*", Fate::not_needed, "ID tells the server's name"},
    {"imap_urlauth_*", Fate::not_possible, "there is no URLAUTH"},
    {"imap_client_workarounds", Fate::already_so, "clients' ways are taken as they come"},
    {"imap_*", Fate::not_needed, "[imap] has what bounds a session"},
    {"pop3_uidl_format", Fate::already_so,
     "UIDL gives what Dovecot's own form gives; another form makes clients download anew"},
    {"pop3_no_flag_updates", Fate::not_possible, "pop3.mark_seen = false leaves mails unread"},
    {"pop3_*", Fate::not_needed, "[pop3] has what bounds a session"},
    {"lmtp_save_to_detail_mailbox", Fate::already_so,
     "store.tag_to_folder: user+Work goes to the folder Work, if there is one"},
    {"lmtp_*", Fate::not_needed,
     "mail goes from the queue to the store by LMTP of its own, RCPT checks quotas"},
    {"lda_*", Fate::not_needed, "folders that a script files into are made"},
    {"submission_*", Fate::not_needed, "submission is this server's own: [submission], [relay]"},
    {"postmaster_address", Fate::taken, "server.postmaster"},
    {"hostname", Fate::not_needed, "server.hostname says it, as Postfix' myhostname"},
    {"rejection_*", Fate::not_needed, "a rejection is a reply, or a notice of the queue"},
    {"sendmail_path", Fate::not_needed, "scripts send by this server's own queue"},
    {"deliver_log_format", Fate::not_needed, kLog},
    {"quota_*", Fate::not_possible, "there is no such setting of quotas"},
    // Plugins
    {"plugin/acl*", Fate::not_possible, kShared},
    {"plugin/fts*", Fate::not_needed, "SEARCH has an index of its own"},
    {"plugin/zlib*", Fate::not_possible,
     "nothing is compressed: let the file system do it (btrfs, zfs)"},
    {"plugin/mail_compress*", Fate::not_possible,
     "nothing is compressed: let the file system do it (btrfs, zfs)"},
    {"plugin/mail_crypt*", Fate::not_possible, "nothing is encrypted: encrypt the disk (LUKS)"},
    {"plugin/mail_replica", Fate::not_possible, kNoReplica},
    {"plugin/replication*", Fate::not_possible, kNoReplica},
    {"plugin/trash", Fate::not_possible, "no folder is emptied when an account is full"},
    {"plugin/expire*", Fate::not_possible, "nothing is removed by age"},
    {"plugin/autocreate*", Fate::not_possible,
     "store.also_create names folders that are made at the first login"},
    {"plugin/autosubscribe*", Fate::not_possible,
     "store.also_create names folders that are made at the first login"},
    {"plugin/mail_log*", Fate::not_needed, kLog},
    {"plugin/last_login*", Fate::not_needed,
     "`posthorn explain login` tells what became of the last logins"},
    {"plugin/push_notification*", Fate::not_possible, "clients are told by IDLE; there is no push"},
    {"plugin/lazy_expunge*", Fate::not_possible, "what is expunged is gone: back up paths.mail"},
    {"plugin/welcome*", Fate::not_possible, "no script is run at a first login"},
    {"plugin/stats*", Fate::not_needed, "web.metrics_from says who reads /metrics"},
    {"plugin/old_stats*", Fate::not_needed, "web.metrics_from says who reads /metrics"},
    {"plugin/antispam*", Fate::not_possible, "filter.learn teaches spamd by the same moves"},
    {"plugin/imapsieve*", Fate::not_possible, "sieve.imap names scripts for what clients do"},
    {"plugin/virtual*", Fate::not_possible, "there are no virtual mailboxes"},
    {"plugin/listescape*", Fate::not_needed, "names are told apart without it"},
    {"plugin/*", Fate::not_possible, "this plugin's setting has no counterpart"},
    {"fts*", Fate::not_needed, "SEARCH has an index of its own"},
    {"acl*", Fate::not_possible, kShared},
    {"language*", Fate::not_needed, "SEARCH has an index of its own"},
    // Around it
    {"log_*", Fate::not_needed, kLog},
    {"info_log_path", Fate::not_needed, kLog},
    {"debug_log_path", Fate::not_needed, kLog},
    {"syslog_facility", Fate::not_needed, kLog},
    {"event*", Fate::not_needed, kLog},
    {"metric/*", Fate::not_needed, "web.metrics_from says who reads /metrics"},
    {"stats_*", Fate::not_needed, "web.metrics_from says who reads /metrics"},
    {"old_stats_*", Fate::not_needed, "web.metrics_from says who reads /metrics"},
    {"replication_*", Fate::not_possible, kNoReplica},
    {"replicator_*", Fate::not_possible, kNoReplica},
    {"dsync_*", Fate::not_possible, kNoReplica},
    {"director_*", Fate::not_possible, kNoProxy},
    {"doveadm_*", Fate::not_needed, "`posthorn` asks the server by its own sockets"},
    {"service/*", Fate::not_needed, "processes and accounts are this server's own"},
    {"default_*", Fate::not_needed, "processes and accounts are this server's own"},
    {"dict/*", Fate::not_possible, "there is no dict"},
    {"dict_*", Fate::not_possible, "there is no dict"},
    {"sql_*", Fate::not_possible,
     "[pgsql] and [pgsql.queries] ask a database (migrations/README.md)"},
    {"pgsql/*", Fate::not_possible,
     "[pgsql] and [pgsql.queries] ask a database (migrations/README.md)"},
    {"mysql/*", Fate::not_possible,
     "there is no MySQL: write the accounts into conf/users, or into PostgreSQL"},
    {"sqlite*", Fate::not_possible, "there is no SQLite of accounts: write them into conf/users"},
    {"ldap*", Fate::not_possible, "there is no LDAP: write its accounts into conf/users"},
    {"oauth2*", Fate::not_possible, "there are no tokens"},
    {"base_dir", Fate::not_needed, "paths.run has the sockets"},
    {"state_dir", Fate::not_needed, "paths.state has what is remembered"},
    {"import_environment*", Fate::not_needed, kAccounts},
    {"group/*", Fate::not_needed, "it counts where it is included"},
    {"@*", Fate::not_needed, "what the group says is told of by its own lines"},
    {"protocols/*", Fate::taken, "the ports of [listen]"},
};
// That one word is enough for.
constexpr std::string_view kNotNeeded[] = {
    "instance_name",    "libexec_dir",       "config_cache_size", "process_shutdown_filter",
    "shutdown_clients", "verbose_proctitle", "version_ignore",    "rawlog_dir",
    "executable",       "haproxy_timeout",   "mail_plugin_dir"};

// What each plugin of mail_plugins comes to.
constexpr Row kPlugins[] = {
    {"quota", Fate::already_so, "quotas are kept"},
    {"imap_quota", Fate::already_so, "quotas are told"},
    {"sieve", Fate::already_so, "scripts are run"},
    {"imap_sieve", Fate::already_so, "scripts run at events"},
    {"fts", Fate::already_so, "SEARCH has an index"},
    {"notify", Fate::not_needed, "nothing needs it"},
    {"mail_log", Fate::not_needed, "what happens is logged"},
    {"listescape", Fate::not_needed, "names are told apart without it"},
    {"last_login", Fate::not_needed, "`posthorn explain login` tells"},
    {"old_stats", Fate::not_needed, "/metrics tells"},
    {"imap_old_stats", Fate::not_needed, "/metrics tells"},
    {"acl", Fate::not_possible, "mailboxes are not shared"},
    {"imap_acl", Fate::not_possible, "mailboxes are not shared"},
    {"zlib", Fate::not_possible, "compressed mails are not read"},
    {"imap_zlib", Fate::not_possible, "IMAP is not compressed"},
    {"mail_compress", Fate::not_possible, "compressed mails are not read"},
    {"mail_crypt", Fate::not_possible, "encrypted mails are not read"},
    {"replication", Fate::not_possible, "there is no replication"},
    {"trash", Fate::not_possible, "no folder is emptied when an account is full"},
    {"expire", Fate::not_possible, "nothing is removed by age"},
    {"virtual", Fate::not_possible, "there are no virtual mailboxes"},
    {"lazy_expunge", Fate::not_possible, "what is expunged is gone"},
    {"push_notification", Fate::not_possible, "clients are told by IDLE"},
    {"antispam", Fate::not_possible, "filter.learn teaches spamd"},
};

bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

void tell_plugins(DovecotMapping& m, const DovecotBlock& block) {
  const DovecotSetting* const setting = block.find("mail_plugins");
  const DovecotBlock* const list = block.find_block("mail_plugins");
  if (setting == nullptr && list == nullptr) return;
  std::string missing;
  Fate fate = Fate::already_so;
  for (const std::string& word : list_of(block, "mail_plugins")) {
    const auto* const known = std::ranges::find(kPlugins, word, &Row::name);
    const bool is_known = known != std::end(kPlugins);
    if (is_known && known->fate != Fate::not_possible) continue;
    if (!is_known && word.starts_with("fts")) continue;
    fate = Fate::not_possible;
    missing += fmt::format("{}{} ({})", missing.empty() ? "" : ", ", word,
                           is_known ? known->text : "not known");
  }
  const std::string text = missing.empty() ? "what these do is done here" : "not here: " + missing;
  m.tell(setting, fate, text);
  if (list != nullptr) m.tell_all(*list, fate, text);
}

void tell_setting(DovecotMapping& m, const DovecotSetting& setting, const std::string& way) {
  if (m.is_told(setting)) return;
  std::string name = way + setting.name;
  // Settings of one protocol are looked for as if they were for all.
  constexpr std::string_view kProtocol = "protocol/";
  const auto* row =
      std::ranges::find_if(kRows, [&](const Row& one) { return fits(one.name, name); });
  if (row == std::end(kRows) && name.starts_with(kProtocol)) {
    name.erase(0, kProtocol.size());
    row = std::ranges::find_if(kRows, [&](const Row& one) { return fits(one.name, name); });
  }
  if (setting.name == "postmaster_address" && row != std::end(kRows)) {
    m.set("server.postmaster", setting.value);
    return m.tell(&setting, Fate::taken, fmt::format("server.postmaster = \"{}\"", setting.value));
  }
  if (row != std::end(kRows)) return m.tell(&setting, row->fate, std::string(row->text));
  if (std::ranges::find(kNotNeeded, setting.name) != std::end(kNotNeeded))
    return m.tell(&setting, Fate::not_needed, std::string(kOwnFiles));
  m.tell(&setting, Fate::not_possible,
         "this setting is not known here: what it did is to be looked for in conf/README.md");
}

void tell_block(DovecotMapping& m, const DovecotBlock& block, const std::string& way) {
  if (block.type.empty() || block.type == "protocol") tell_plugins(m, block);
  for (const DovecotSetting& setting : block.settings) tell_setting(m, setting, way);
  for (const DovecotBlock& inner : block.blocks) tell_block(m, inner, way + inner.type + "/");
}

}  // namespace

void tell_the_rest(DovecotMapping& mapping) {
  tell_block(mapping, mapping.root(), "");
}

}  // namespace posthorn::takeover
