// The configuration: conf/posthorn.toml as one struct. Every key has a default, a unit and a
// checked range, and stands documented in config_keys.cc, the one list from which it is parsed,
// checked and printed. An unknown key is an error with file and line that names the nearest known
// one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "config/choices.h"
#include "config/environment.h"

namespace posthorn::config {

using Duration = std::chrono::milliseconds;  // in the file: "30s", "5m", "2h", "5d"
using Bytes = std::uint64_t;                 // in the file: 1024, "50MB", "1GB" (powers of 1024)

struct Server {
  std::string hostname = "localhost";  // in greetings, Received, Message-ID
  std::string
      default_domain;  // for logins and addresses without a domain; empty: the only one in domains
  std::string
      postmaster;  // where mail to postmaster without a domain goes; empty: postmaster@default
  std::string profile = "default";
};

struct Paths {  // relative ones count from the folder above the one posthorn.toml lies in
  Path maps = "maps";
  Path users = "conf/users";
  Path smtp_users;  // empty: users; else who may send, apart from who may read
  Path sieve = "sieve";
  Path certificate = "tls/cert.pem";
  Path key = "tls/key.pem";
  Path acme = "tls/acme";
  Path spool = "var/spool";
  Path mail = "var/mail";
  Path run = "var/run";
  Path state = "var/state";
};

struct Listen {  // addresses "host:port" or "unix:path"; empty list: the service is off
  std::vector<std::string> smtp = {"0.0.0.0:25", "[::]:25"};
  std::vector<std::string> submission = {"0.0.0.0:587", "[::]:587"};
  std::vector<std::string> submissions = {"0.0.0.0:465", "[::]:465"};
  std::vector<std::string> imap = {"0.0.0.0:143", "[::]:143"};
  std::vector<std::string> imaps = {"0.0.0.0:993", "[::]:993"};
  std::vector<std::string> pop3 = {"0.0.0.0:110", "[::]:110"};
  std::vector<std::string> pop3s = {"0.0.0.0:995", "[::]:995"};
  std::vector<std::string> managesieve = {"0.0.0.0:4190", "[::]:4190"};
  std::vector<std::string> http = {"0.0.0.0:80", "[::]:80"};
  std::vector<std::string> https = {"0.0.0.0:443", "[::]:443"};
  std::vector<std::string> lmtp = {};  // a TCP entrance for LMTP besides the role's own socket
};

struct Tls {
  Path folder = "tls/names";      // further certificates, a folder each
  Path authority = "authority";   // what init's own certificate is issued by
  Duration reload_interval = 1s;  // how often the files are looked at
  Duration handshake_timeout = 30s;
  Duration expiry_warning = std::chrono::hours(21 * 24);
};

struct Acme {             // certificates by RFC 8555
  std::string directory;  // "letsencrypt", "letsencrypt-staging", a URL; empty: off
  std::string email;
  bool agree_terms = false;
  std::vector<std::string> names = {};  // of the server's own certificate, beside server.hostname
  bool web_names = true;  // a certificate for mta-sts., autoconfig., autodiscover. of each domain
  std::vector<std::string> challenges = {"http-01", "tls-alpn-01"};
  KeyType key = KeyType::ecdsa_p256;
  KeepKey keep_key = KeepKey::published;
  std::string eab_key_id;
  Path eab_key_file;
  Path authority;         // PEM: who vouches for the directory's TLS; empty: the system's
  std::string hindrance;  // not a setting: why it cannot be done on this machine; empty: it can
};

struct Limits {
  std::size_t connections_max = 10'000;
  std::size_t connections_per_service_max = 8'000;  // smtp, submission, imap, pop3, managesieve
  std::size_t connections_per_address_max = 50;
  std::size_t connections_per_minute_max = 60;  // new ones, an address
  // Without a login, from what one customer of a provider holds.
  std::size_t connections_per_ipv4_24_max = 500;
  std::size_t connections_per_ipv6_56_max = 200;
  std::size_t connections_per_ipv6_48_max = 1'000;
  std::vector<std::string> exempt = {"127.0.0.0/8",
                                     "::1/128"};  // from per-address bounds and delays
  Duration first_command_timeout = 30s;           // SMTP, IMAP, POP3
  Duration login_timeout = 60s;                   // IMAP, POP3: from the greeting to a login
  Duration drain = 10s;
};

struct Smtp {
  std::string banner = "ESMTP Posthorn";
  Replies replies = Replies::postfix;
  Bytes message_max = 50U << 20U;
  std::size_t recipients_max = 1000;
  std::size_t line_max = 1U << 20U;  // a text line in DATA
  BareLineFeed bare_line_feed = BareLineFeed::normalize;
  std::vector<std::string> bare_line_feed_exempt = {};  // networks: mended there with "reject" too
  std::size_t hops_max = 50;                            // Received headers
  std::size_t errors_max = 20;
  std::size_t junk_commands_max = 100;
  std::size_t unknown_recipients_max = 20;
  std::size_t messages_max = 100;  // a connection
  Duration command_timeout = 5min;
  Duration data_timeout = 10min;
  Bytes data_rate_min = 100;  // bytes a second, after a first minute
  bool require_helo = true;
  bool auth_on_25 = false;
  bool require_auth = false;  // on 25: nobody sends without a login
  bool forbid_unauthorised_pipelining =
      true;                  // on 25: who sends ahead where it must not is dropped
  bool client_names = true;  // PTR names in Received and the log
  std::vector<std::string> relay_from = {};
};

struct Submission {
  bool require_auth = true;
  bool require_tls = true;   // before AUTH, on 587
  bool check_sender = true;  // only addresses that resolve to the user
  CheckFrom check_from = CheckFrom::sender;
  bool hide_client = false;  // leaves the client's address out of Received
  Programs programs = Programs::local;
  std::vector<std::string> programs_relay = {"root"};  // with "local": whose relay nevertheless
  std::size_t programs_per_hour_max = 1000;            // messages of an account; not of root's
  std::size_t messages_per_hour_max = 0;               // a user; 0: no bound
  std::size_t recipients_per_day_max = 0;
};

struct Auth {
  bool allow_plaintext = false;  // logins without TLS
  AnyUser any_user = AnyUser::none;
  PasswordScheme default_scheme = PasswordScheme::sha512_crypt;
  Duration cache = 30s;                  // a verified password is remembered as a keyed digest
  std::size_t failures_max = 20;         // an address, then it is banned
  std::size_t known_failures_max = 100;  // an account where it once logged in
  Duration ban = 10min;
  Duration token_life = 10s;
  UserSource users = UserSource::text;
};

struct Maps {
  Duration poll_interval = 1s;       // how often edited files are noticed
  std::size_t expansion_max = 1000;  // recipients one address may expand to
  std::size_t depth_max = 10;
  std::string recipient_delimiter = "+";
  std::vector<std::string> domains = {"text:domains"};
  std::vector<std::string> mailboxes = {"text:mailboxes"};
  std::vector<std::string> aliases = {"text:aliases"};
  std::vector<std::string> senders = {"text:senders"};
  std::vector<std::string> transport = {"text:transport"};
  std::vector<std::string> sender_relays;
  std::string relay_sasl = "text:relay-sasl";
  std::vector<std::string> vusers = {"text:vusers"};

  // All that are lists of tables; relay_sasl is one alone.
  using List = std::vector<std::string>;
  std::array<List*, 7> lists() {
    return {&domains, &mailboxes, &aliases, &senders, &transport, &sender_relays, &vusers};
  }
  std::array<const List*, 7> lists() const {
    return {&domains, &mailboxes, &aliases, &senders, &transport, &sender_relays, &vusers};
  }
};

struct Route {  // what loosens the tables, for test and development servers
  AnyDomain any_domain = AnyDomain::none;
  bool any_mailbox = false;
  bool by_local_part = false;
  bool bare_names = false;
};

struct Pgsql {
  std::string conninfo;         // libpq's: "host=/run/postgresql dbname=posthorn user=posthorn"
  Path password_file;           // its first line; empty: libpq's own ways (passfile=, PGPASSFILE)
  std::size_t connections = 4;  // at most, besides the one that listens
  Duration timeout = 3s;        // to connect, and for a question with all its waiting
  Duration retry_max = 10s;     // between attempts to connect
  Duration cache = 5min;        // how long an answer counts while changes are told of
  Bytes cache_size = 32U << 20U;
  Duration last_good = 1h;  // how long an answer counts while nothing can be asked
  // The administrator's own queries, by table, and what lists these tables: maps/pgsql_queries.h.
  std::map<std::string, std::string> queries = {}, lists = {};
  Duration queries_cache = 10s;  // as cache, for their answers, of whose changes nobody tells
};

struct Queue {
  Duration retry_first = 5min;  // doubles up to retry_max
  Duration retry_max = std::chrono::hours(1);
  Duration warn_after = std::chrono::hours(4);  // "delayed" notice to the sender; 0s: none
  Duration expire_after = std::chrono::hours(5 * 24);
  Duration error_delay = 0s;  // before mail to an error: transport goes back
  Duration bounce_expire_after = std::chrono::hours(24);
  std::size_t attempts_max = 100;  // at once, in all
  std::size_t attempts_per_destination_max = 20;
  std::size_t messages_max = 100'000;  // in the spool; over it 452
  Bytes free_min = 64U << 20U;         // free disk below which new mail is refused with 452
  bool bounce_headers_only = true;
};

struct Filter {
  std::string spamd;                // "127.0.0.1:783", "unix:/run/spamd.sock"; empty: no filter
  std::string user;                 // the User: header; empty: the recipient when there is one
  Bytes message_max = 512U << 10U;  // larger ones pass unscanned
  Duration timeout = 60s;
  std::size_t concurrency_max = 5;
  std::size_t tries_max = 3;
  Duration retry = 10s;
  WhenDown when_down = WhenDown::deliver;
  bool scan_submissions = false;
  Learn learn = Learn::off;
  bool spam_to_junk = true;
  bool spam_is_read = false;
  std::string spam_subject;  // put in front of the Subject of spam
  std::string spam_score;    // numbers; empty: spamd's own, always, never
  std::string headers_score;
  std::string discard_score;
  std::vector<std::string> headers = {
      "X-Spam-"};  // the fields that are taken from spamd's answer, by prefix
};

struct Srs {           // the envelope sender of mail that aliases and Sieve send on to others
  std::string domain;  // "example.org": SRS0=…@ it; empty: senders stay as they are
  Path secret_file = "conf/srs-secret";
  std::vector<std::string> exclude_domains = {};  // besides our own; ".example.org": all below it
};

struct Sieve {  // the administrator's scripts around default.sieve, in paths.sieve, in this order
  std::vector<std::string> before = {};
  std::vector<std::string> after = {};
  VacationSender vacation_sender = VacationSender::null;
  bool tell_faults = true;
  // Users' own, in their homes.
  std::size_t scripts_max = 100;
  Bytes script_size_max = 1U << 20U;
  SieveEngine engine = SieveEngine::posthorn;  // for these, not for users' own
  // What RFC 6134's :list reaches: the script's name of a list, the table that it is.
  std::map<std::string, std::string> lists = {};
  std::vector<std::string> imap = {};  // rules: lda/imap_rules.h
};

struct Relay {
  std::string relayhost;              // "[smtp.sendgrid.net]:587", "smtp.example.org"; empty: by MX
  TlsPolicy tls = TlsPolicy::verify;  // for relayhost
  TlsPolicy mx_tls = TlsPolicy::may;  // for MX
  Path trust_file;                    // PEM; empty: the system's
  std::string resolver;               // "127.0.0.1:53"; empty: /etc/resolv.conf
  std::uint16_t mx_port = 25;
  std::string source_address;
  bool disable_mime_output_conversion = false;
  SignedEightBit signed_eight_bit = SignedEightBit::send;
  bool private_mx = false;                 // may an MX be a private or loopback address
  std::size_t addresses_max = 5;           // of hosts that one attempt asks ...
  std::size_t sessions_max = 2;            // ... and of those how many that greeted us
  std::vector<std::string> fallback = {};  // next hops, when those of the recipient fail
  Duration connect_timeout = 30s;
  Duration command_timeout = 5min;
  Duration data_timeout = 10min;
};

struct Dkim {
  bool sign = true;
  Path folder = "dkim";  // <domain>/<selector>.pem
  Canonicalization canonicalization = Canonicalization::relaxed_relaxed;
  WhenBroken when_broken = WhenBroken::send;
  Duration life = 0s;  // 0s: a signature has no end
};

struct Store {
  std::size_t workers = 1;
  std::size_t threads = 4;
  std::string location = "{domain}/{user}";  // below paths.mail; {user} is the local part
  bool unix_users = false;                   // share a maildir with the Unix account of its name
  std::string drafts = "Drafts";             // empty: not created
  std::string sent = "Sent";
  std::string trash = "Trash";
  std::string junk = "Junk";
  std::string archive = "Archive";
  std::vector<std::string> also_create = {};
  bool tag_to_folder = true;  // user+Work@: to the folder Work, if there is one
  Duration rescan = 5s;       // how often an open mailbox looks for files others dropped
  bool quotas = true;         // false: no limit counts, whoever has one
  Bytes quota = 0;            // of who has none of their own; 0: none
  std::size_t quota_messages = 0;
  std::vector<std::string> quota_rules = {};  // config/quota.h
  std::size_t quota_grace = 10;               // percent that the last mail may go over it
  bool quota_full_tempfail = false;
  std::size_t quota_warning = 90;  // percent; 0: none
};

struct Imap {
  Separator separator =
      Separator::dot;  // between the levels of a mailbox' name, as clients see it: "." "/"
  std::size_t line_max = 65'536;
  std::size_t login_line_max = 65'536;
  Duration idle_timeout = 30min;
  Duration idle_notify_interval = 2min;
  Duration literal_timeout = 5min;
  std::size_t connections_per_user_max = 50;
};

struct Pop3 {
  std::size_t line_max = 8192;  // RFC 2449: 255; a SASL answer may be longer
  Duration idle_timeout = 10min;
  std::size_t connections_per_user_max = 15;
  bool mark_seen = true;  // what was fetched is read, at QUIT
};

struct ManageSieve {
  std::size_t line_max = 16'384;
  Duration idle_timeout = 30min;
  std::size_t connections_per_user_max = 10;
};

struct Web {
  std::vector<std::string> metrics_from = {"127.0.0.0/8", "::1/128"};
  Path authority;  // PEM; empty: what the server's certificate ends in, if it is of our own making
  Path webroot = "var/webroot";  // certbot's --webroot
  Duration request_timeout = 10s;
};

struct Log {
  std::string file = "-";  // "-": standard output
  log::Level level = log::Level::info;
};

struct Edge {
  std::size_t workers = 1;
};

struct Dns {
  bool marks = true;  // what it says of this server is looked at now and then
  // By which the Internet reaches this machine, behind a translation of addresses; empty: those of
  // its interfaces.
  std::vector<std::string> addresses = {};
  std::vector<std::string> block_lists = {"zen.spamhaus.org", "bl.spamcop.net",
                                          "b.barracudacentral.org"};
  std::string port_25_probe = "gmail.com";  // a domain, or "host:port"; empty: no attempt
};

struct MtaSts {  // RFC 8461: how others are to send to our domains
  MtaStsMode mode = MtaStsMode::testing;
  Duration max_age = std::chrono::hours(24) * 7;
};

struct Trail {  // what became of each mail
  bool enabled = true;
  Duration keep = std::chrono::hours(24) * 30;
  std::uint64_t size_max = std::uint64_t{1} << 30U;
  std::string hindrance;  // not a setting: why it cannot be kept on this machine; empty: it can
};

struct Users {  // the accounts roles run under when started as root
  std::string edge = "posthorn-edge";
  std::string lookup = "posthorn-lookup";
  std::string queue = "posthorn-queue";
  std::string store = "vmail";
  std::string web = "posthorn-web";
  std::string trail = "posthorn-trail";
  std::string acme = "posthorn-acme";
  std::string tls_group = "posthorn-tls";
  std::string admin_group = "posthorn-admin";
};

struct Config {
  Server server;
  Paths paths;
  Listen listen;
  Tls tls;
  Acme acme;
  Limits limits;
  Smtp smtp;
  Submission submission;
  Auth auth;
  Maps maps;
  Route route;
  Pgsql pgsql;
  Queue queue;
  Filter filter;
  Relay relay;
  Srs srs;
  Dkim dkim;
  Dns dns;
  MtaSts mta_sts;
  Store store;
  Sieve sieve;
  Imap imap;
  Pop3 pop3;
  ManageSieve managesieve;
  Web web;
  Log log;
  Trail trail;
  Edge edge;
  Users users;

  Path file;  // where it was read from
  Path root;  // what relative paths count from
  // Variables of the environment that took effect: "POSTHORN_SMTP_BANNER sets smtp.banner".
  std::vector<std::string> from_environment;
};

// "6.31", "-999", "5"; nullopt: no number.
std::optional<double> parse_score(std::string_view text);

// Reads, applies the environment, checks and makes the paths absolute. The error is config with
// "file:line: reason".
Result<Config> load(const Path& file);
Result<Config> parse(std::string_view text, const Path& file,
                     const std::vector<Override>& overrides = {});
// Its keys only: paths stay as they are written.
Result<Config> read_keys(std::string_view text, const Path& file);
// "file:line" of a key, for faults that show only when its value is used; of its section, or just
// "file", if it stands there with its default.
// name: of a table of texts, as pgsql.queries.
std::string place_of(const Config& config, std::string_view section, std::string_view key,
                     std::string_view name = {});
// The annotated file with every key at its value in config, as conf/posthorn.toml is.
std::string to_toml(const Config& config);

}  // namespace posthorn::config
