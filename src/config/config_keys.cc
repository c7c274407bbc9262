#include "config/config_keys.h"

namespace posthorn::config {
namespace {

using std::chrono::hours;
constexpr Bytes kKiB = 1024;
constexpr Bytes kMiB = 1024 * kKiB;
constexpr Bytes kGiB = 1024 * kMiB;
constexpr Duration kDay = hours(24);

void visit_server(Server& c, KeyVisitor& v) {
  v.section("server", "Who this server is.");
  v.text("hostname", c.hostname, "The host name in greetings, Received and Message-ID.");
  v.text("default_domain", c.default_domain,
         "The domain of logins and addresses that name none. Empty: the only one in maps/domains.");
  v.text("postmaster", c.postmaster,
         "Where mail for postmaster goes when no mailbox or alias of that name exists.");
  v.text("profile", c.profile, "The profile this file was made from; for information only.");
}

void visit_paths(Paths& c, KeyVisitor& v) {
  v.section("paths", "Where things lie. Relative paths count from the folder above this file's.");
  v.path("maps", c.maps, "The folder of the tables.");
  v.path("users", c.users, "Accounts and password hashes, in Dovecot's passwd-file form.");
  v.path("smtp_users", c.smtp_users,
         "Who may send, in the same form, where that is not who may read. Empty: users.");
  v.path("sieve", c.sieve,
         "The folder of the site's Sieve scripts; default.sieve is run for each message.");
  v.path("certificate", c.certificate,
         "PEM: the server's certificate, then its chain. Watched, swapped live.");
  v.path("key", c.key, "PEM: its private key.");
  v.path("acme", c.acme, "The certificates that [acme] gets, and its accounts.");
  v.path("spool", c.spool, "The queue. On a disk that keeps what it was told to sync.");
  v.path("mail", c.mail, "The maildirs.");
  v.path("run", c.run, "The sockets between the roles.");
  v.path("state", c.state,
         "Copies of the tables, users and scripts as they last were without a fault, for a start "
         "after one was made.");
}

void visit_listen(Listen& c, KeyVisitor& v) {
  v.section("listen",
            "What listens where: \"address:port\", \"[::1]:port\" or \"unix:/path\". An empty list "
            "turns a "
            "service off.");
  v.list("smtp", c.smtp, "Mail from other servers. STARTTLS is offered.");
  v.list("submission", c.submission, "Mail from users, after STARTTLS and a login.");
  v.list("submissions", c.submissions, "Mail from users, TLS from the start.");
  v.list("imap", c.imap, "IMAP, login after STARTTLS.");
  v.list("imaps", c.imaps, "IMAP, TLS from the start.");
  v.list("pop3", c.pop3, "POP3, login after STLS.");
  v.list("pop3s", c.pop3s, "POP3, TLS from the start.");
  v.list("managesieve", c.managesieve,
         "ManageSieve, for users' Sieve scripts; login after STARTTLS.");
  v.list("http", c.http, "Web pages: about this server, health, metrics, autoconfig.");
  v.list("https", c.https, "The same over TLS.");
  v.list("lmtp", c.lmtp, "An entrance for LMTP that needs no login: keep it on loopback.");
}

void visit_acme(Acme& c, KeyVisitor& v) {
  v.section("acme", "Certificates that the server gets and renews by itself (RFC 8555).");
  v.text("directory", c.directory,
         "Whose: letsencrypt, letsencrypt-staging (for trials), or the URL of another authority's "
         "directory. Empty: none; tls/cert.pem serves.");
  v.text("email", c.email, "Whom the authority may write to.");
  v.flag("agree_terms", c.agree_terms,
         "You agree to the authority's terms of service; without it nothing is asked of it.");
  v.list("names", c.names, "Further names for the server's own certificate (server.hostname).");
  v.flag("web_names", c.web_names,
         "And a certificate a domain for its mta-sts., autoconfig. and autodiscover. names, as far "
         "as they point here.");
  v.list("challenges", c.challenges,
         "How names are proved, tried in this order: http-01 (port 80), tls-alpn-01 (port 443).");
  v.choice("key", c.key, "The certificates' keys.");
  v.choice("keep_key", c.keep_key,
           "When a renewal keeps the key: where TLSA records of it are published, always, never.");
  v.text("eab_key_id", c.eab_key_id,
         "External account binding, where the authority wants one: its key's identifier.");
  v.path("eab_key_file", c.eab_key_file,
         "And the file with the key itself, base64url as the authority gives it.");
  v.path("authority", c.authority,
         "PEM: who vouches for the directory's own TLS. Empty: the system's authorities.");
}

void visit_limits(Tls& t, Acme& acme, Limits& c, KeyVisitor& v) {
  v.section("tls", "Certificates and handshakes.");
  v.path("folder", t.folder,
         "Further certificates, chosen by the name the client asks for (SNI): each folder in it "
         "holds fullchain.pem and privkey.pem, or cert.pem and key.pem. Watched, swapped live.");
  v.path("authority", t.authority,
         "The small authority that issued the certificate `posthorn init` made; no role reads it.");
  v.duration("reload_interval", t.reload_interval, 100ms, kDay,
             "How often the files are looked at.");
  v.duration("handshake_timeout", t.handshake_timeout, 1s, hours(1),
             "A handshake that takes longer is ended.");
  v.duration("expiry_warning", t.expiry_warning, 0ms, 365 * kDay,
             "How long before its end a certificate is warned of.");
  visit_acme(acme, v);
  v.section("limits", "Bounds on connections.");
  v.count("connections_max", c.connections_max, 1, 1'000'000, "Connections in all.");
  v.count("connections_per_service_max", c.connections_per_service_max, 1, 1'000'000,
          "Connections of one protocol: SMTP, submission, IMAP, POP3, ManageSieve.");
  v.count("connections_per_address_max", c.connections_per_address_max, 1, 1'000'000,
          "Connections from one address (IPv4) or /64 (IPv6).");
  v.count("connections_per_minute_max", c.connections_per_minute_max, 1, 1'000'000,
          "New connections in a minute from one address or /64.");
  v.count("connections_per_ipv4_24_max", c.connections_per_ipv4_24_max, 1, 1'000'000,
          "Connections that have not logged in, from one /24 of IPv4.");
  v.count("connections_per_ipv6_56_max", c.connections_per_ipv6_56_max, 1, 1'000'000,
          "The same, from one /56 of IPv6.");
  v.count("connections_per_ipv6_48_max", c.connections_per_ipv6_48_max, 1, 1'000'000,
          "The same, from one /48. At each of these bounds who is silent longest gives way.");
  v.list("exempt", c.exempt, "Networks that per-address bounds and login delays do not hold for.");
  v.duration("first_command_timeout", c.first_command_timeout, 1s, hours(1),
             "From a greeting of SMTP, IMAP, POP3 or ManageSieve to the first command.");
  v.duration("login_timeout", c.login_timeout, 1s, hours(1),
             "From a greeting of IMAP, POP3 or ManageSieve to the login.");
  v.duration("drain", c.drain, 0ms, hours(1),
             "How long sessions may finish when the server stops.");
}

void visit_smtp(Smtp& c, Submission& s, KeyVisitor& v) {
  v.section("smtp", "SMTP, on every port.");
  v.text("banner", c.banner, "What follows the host name in the greeting.");
  v.choice("replies", c.replies,
           "Whose words the replies are in, for programs that were written against one of them.");
  v.bytes("message_max", c.message_max, kKiB, 2 * kGiB, "The largest message (announced by SIZE).");
  v.count("recipients_max", c.recipients_max, 100, 100'000,
          "Recipients of a message (RFC 5321: at least 100).");
  v.bytes("line_max", c.line_max, 1000, 64 * kMiB, "The longest text line of a message.");
  v.choice("bare_line_feed", c.bare_line_feed,
           "A LF alone in a message: made an end of line, which never ends the message, or the "
           "message is refused. So is a CR alone, which else becomes a blank.");
  v.list("bare_line_feed_exempt", c.bare_line_feed_exempt,
         "Networks of old devices and programs whose line ends are mended even with \"reject\".");
  v.count("hops_max", c.hops_max, 10, 1000, "Received headers; one with more is looping.");
  v.count("errors_max", c.errors_max, 1, 10'000,
          "Refused commands, then the connection is closed.");
  v.count("junk_commands_max", c.junk_commands_max, 1, 1'000'000,
          "NOOP, RSET, VRFY and the like without mail.");
  v.count("unknown_recipients_max", c.unknown_recipients_max, 1, 100'000,
          "Unknown recipients, then 421.");
  v.count("messages_max", c.messages_max, 1, 1'000'000, "Messages over one connection.");
  v.duration("command_timeout", c.command_timeout, 1s, hours(1), "Waiting for a whole command.");
  v.duration("data_timeout", c.data_timeout, 1s, hours(10),
             "Waiting for the next piece of a message.");
  v.bytes("data_rate_min", c.data_rate_min, 0, kMiB,
          "Bytes a second a message must keep up, after a minute; 0: any.");
  v.flag("require_helo", c.require_helo, "MAIL only after EHLO or HELO.");
  v.flag("auth_on_25", c.auth_on_25, "Offer AUTH on the smtp port too (under TLS).");
  v.flag("require_auth", c.require_auth,
         "Take mail on the smtp port from logged-in users only. Cuts the server off from others.");
  v.list("relay_from", c.relay_from,
         "Networks that may send to anybody on the smtp port without a login, as Postfix's "
         "mynetworks. Whoever gets into one of them can send as anyone.");
  v.flag("forbid_unauthorised_pipelining", c.forbid_unauthorised_pipelining,
         "Who sends ahead of a reply where it may not is dropped (on the smtp port).");
  v.flag("client_names", c.client_names, "Clients' names (PTR) go into Received.");
  v.section("submission", "Mail from the server's own users.");
  v.flag("require_auth", s.require_auth, "Without: local recipients only; it never opens a relay.");
  v.flag("require_tls", s.require_tls, "On the submission port: nothing but STARTTLS before TLS.");
  v.flag("check_sender", s.check_sender,
         "A user may send only as an address that resolves to them.");
  v.choice("check_from", s.check_from,
           "A From field with an address that is not theirs: a Sender field tells who it was, or "
           "it is refused. Only with check_sender.");
  v.choice("programs", s.programs,
           "Programs of this machine (`sendmail`) may write to local recipients, to anybody, or "
           "not at all.");
  v.list(
      "programs_relay", s.programs_relay,
      "Accounts of this machine whose programs send to other servers with \"local\", too, within "
      "the bounds of a user.");
  v.count("programs_per_hour_max", s.programs_per_hour_max, 0, 1'000'000,
          "Messages that programs of one account of this machine may send in an hour, to whomever; "
          "root has no bound. 0: none.");
  v.flag("hide_client", s.hide_client, "Leaves the user's address out of Received.");
  v.count("messages_per_hour_max", s.messages_per_hour_max, 0, 1'000'000,
          "A user's bound; 0: none.");
  v.count("recipients_per_day_max", s.recipients_per_day_max, 0, 10'000'000,
          "A user's bound; 0: none.");
}

void visit_auth(Auth& c, Maps& m, KeyVisitor& v) {
  v.section("auth", "Logins, for every protocol.");
  v.flag("allow_plaintext", c.allow_plaintext, "Logins without TLS. For development on loopback.");
  v.choice("any_user", c.any_user,
           "Who has no line in users: nobody gets in, or the password is the part before the @, or "
           "the line of * is for all. For development.");
  v.choice("default_scheme", c.default_scheme, "How `posthorn user` hashes a new password.");
  v.duration("cache", c.cache, 0ms, hours(24),
             "A verified password is remembered (as a keyed digest); 0s: never.");
  v.count("failures_max", c.failures_max, 1, 1'000'000,
          "Wrong passwords from an address, then it is banned.");
  v.count("known_failures_max", c.known_failures_max, 1, 1'000'000,
          "The same for one account at an address where it once logged in.");
  v.duration("ban", c.ban, 0ms, 365 * kDay, "For how long.");
  v.duration("token_life", c.token_life, 1s, 5min,
             "Between a login and its hand-over to the store, or a permit for a user's message and "
             "the queue's question whose it is.");
  v.choice("users", c.users,
           "Where accounts are: the file paths.users, or PostgreSQL's table users.");
  v.section(
      "maps",
      "The tables. Types: text (also hash, lmdb, texthash, btree), regexp, pcre, static, pgsql.");
  v.duration("poll_interval", m.poll_interval, 100ms, hours(1),
             "How often files are looked at; an edit is live when it looks the same twice.");
  v.count("expansion_max", m.expansion_max, 1, 1'000'000,
          "Recipients that one address may expand to.");
  v.count("depth_max", m.depth_max, 1, 100, "Aliases of aliases.");
  v.text("recipient_delimiter", m.recipient_delimiter,
         "What separates a tag: user+tag@domain. Empty: no tags.");
  v.list("domains", m.domains, "Domains that are ours; values are ignored.");
  v.list("mailboxes", m.mailboxes, "Addresses that have a maildir; values are ignored.");
  v.list("aliases", m.aliases,
         "Address or @domain, then where its mail goes, separated by commas.");
  v.list("senders", m.senders, "Address or @domain, then the accounts that may send as it.");
  v.list("transport", m.transport,
         "Domain, then how its mail leaves: smtp:[host]:port, error:text …");
  v.list("sender_relays", m.sender_relays,
         "A sender's address or @domain, then the relay of what it sends, where transport says "
         "nothing of the recipient: [host]:port; smtp: is by MX, DUNNO as relay.relayhost says.");
  v.text("relay_sasl", m.relay_sasl,
         "[host]:port, or a sender's address or @domain, then user:password.");
  v.list("vusers", m.vusers,
         "With route.by_local_part: the part before the @ (or @ for all others), then the account; "
         "users.store there means the account of that name.");
}

void visit_route(Route& c, KeyVisitor& v) {
  v.section("route", "What loosens the tables, for test and development servers.");
  v.choice("any_domain", c.any_domain,
           "Domains that stand in no table are local too, unless maps/transport has an entry for "
           "them: for mail from nobody, from logged-in users, or from anyone.");
  v.flag("any_mailbox", c.any_mailbox,
         "Every name of a local domain has a mailbox, made by its first mail or login.");
  v.flag("by_local_part", c.by_local_part,
         "The part before the @ alone says where mail goes, whatever the domain (maps/vusers).");
  v.flag("bare_names", c.bare_names,
         "RCPT TO:<user> without a domain means the default domain, for strangers too.");
}

void visit_pgsql(Pgsql& c, KeyVisitor& v) {
  v.section("pgsql",
            "PostgreSQL, where maps or auth.users name pgsql. `posthorn migrate` makes the "
            "tables.");
  v.text("conninfo", c.conninfo,
         "Where it is, as libpq reads it: \"host=/run/postgresql dbname=posthorn user=posthorn\". "
         "No password here.");
  v.path(
      "password_file", c.password_file,
      "A file with the password as its first line, mode 0640. Empty: none is needed, or passfile= "
      "is given.");
  v.count("connections", c.connections, 1, 100,
          "Connections at most, besides one that hears of changes.");
  v.duration("timeout", c.timeout, 100ms, 1min,
             "For a connection, and for an answer. After it the question is put off.");
  v.duration("retry_max", c.retry_max, 100ms, hours(1),
             "The longest wait before a lost database is tried again.");
  v.duration("cache", c.cache, 0ms, kDay,
             "How long an answer is kept. A change in the tables makes it void at once.");
  v.bytes("cache_size", c.cache_size, 64 * kKiB, kGiB, "The room for kept answers.");
  v.duration("last_good", c.last_good, 0ms, 30 * kDay,
             "How long the last answer counts while the database cannot be asked; 0s: not at all.");
  v.duration("queries_cache", c.queries_cache, 0ms, kDay,
             "How long an answer of one of the queries below is kept, so how long a change there "
             "may take to count; 0s: each question is asked.");
  v.names("queries", c.queries,
          "Tables in a schema of your own: the table (domains, mailboxes, aliases, senders, "
          "transport, sender_relays, relay_sasl, vusers, users, quotas) and the SELECT that "
          "answers for it, with $1 for the key, $2 for what stands before its @, $3 for its "
          "domain. Examples: migrations/README.md.");
  v.names("lists", c.lists,
          "For those tables, where wanted: the SELECT of all keys and what stands beside them, for "
          "the commands that list or check a whole table.");
}

void visit_queue(Queue& c, Filter& f, KeyVisitor& v) {
  v.section("queue", "What waits, and for how long.");
  v.duration("retry_first", c.retry_first, 1s, kDay,
             "The wait before the second attempt; it doubles from there.");
  v.duration("retry_max", c.retry_max, 1s, 7 * kDay, "The longest wait.");
  v.duration("warn_after", c.warn_after, 0ms, 30 * kDay,
             "When the sender is told of a delay; 0s: never.");
  v.duration("expire_after", c.expire_after, 1s, 100 * kDay,
             "When a message that cannot be delivered goes back.");
  v.duration("error_delay", c.error_delay, 0ms, 30 * kDay,
             "How long mail to an error: transport waits before it goes back.");
  v.duration("bounce_expire_after", c.bounce_expire_after, 1s, 100 * kDay,
             "The same for messages without a sender.");
  v.count("attempts_max", c.attempts_max, 1, 10'000, "Deliveries at once, in all.");
  v.count("attempts_per_destination_max", c.attempts_per_destination_max, 1, 10'000,
          "Deliveries at once, to one place.");
  v.count("messages_max", c.messages_max, 1, 10'000'000,
          "Messages in the queue; over it new mail is put off (451).");
  v.bytes("free_min", c.free_min, 0, 1024 * kGiB,
          "Free disk below which new mail is put off (451).");
  v.flag("bounce_headers_only", c.bounce_headers_only,
         "A bounce returns the header, not the whole message.");
  v.section("filter", "The after-queue spam filter: SpamAssassin's spamd.");
  v.text("spamd", f.spamd, "\"127.0.0.1:783\" or \"unix:/run/spamd.sock\". Empty: no filter.");
  v.text("user", f.user,
         "The user whose preferences spamd uses. Empty: the recipient, when there is one.");
  v.bytes("message_max", f.message_max, kKiB, kGiB, "Larger messages pass unscanned.");
  v.duration("timeout", f.timeout, 1s, hours(1), "For one scan.");
  v.count("concurrency_max", f.concurrency_max, 1, 1000, "Scans at once; spamd's --max-children.");
  v.count("tries_max", f.tries_max, 1, 1000, "Scans that fail before when_down decides.");
  v.duration("retry", f.retry, 100ms, hours(1), "The wait between them.");
  v.choice("when_down", f.when_down, "deliver: unscanned, with a header that says so; or wait.");
  v.flag("scan_submissions", f.scan_submissions, "Scan what logged-in users send, too.");
  v.choice("learn", f.learn,
           "spamd, started with --allow-tell, learns from what users move into and out of the "
           "folder for spam: for all, or for each user apart where spamd keeps users apart.");
  v.flag("spam_to_junk", f.spam_to_junk,
         "Off: mail that the site's script files into the folder for spam stays in the inbox.");
  v.flag("spam_is_read", f.spam_is_read, "Mail that is filed as spam is marked as read.");
  v.text("spam_subject", f.spam_subject,
         "What is put in front of the Subject of spam, \"***SPAM***\". Empty: nothing. It breaks "
         "DKIM signatures.");
  v.score("spam_score", f.spam_score,
          "The score from which on mail is spam, \"6.31\". Empty: as spamd says.");
  v.score("headers_score", f.headers_score,
          "The score from which on spamd's header fields are added. Empty: always.");
  v.score("discard_score", f.discard_score,
          "The score from which on spam is thrown away, and logged; nobody is told. Empty: never.");
  v.list("headers", f.headers, "The header fields taken from spamd, by their first letters.");
}

void visit_relay(Relay& c, KeyVisitor& v) {
  v.section("relay", "Where mail for other domains goes.");
  v.text("relayhost", c.relayhost,
         "\"[smtp.sendgrid.net]:587\"; brackets: no MX lookup. Empty: by MX. Its login: "
         "maps/relay-sasl.");
  v.choice("tls", c.tls, "TLS towards relayhost; verify: required, and the name must match.");
  v.choice("mx_tls", c.mx_tls, "TLS towards MX hosts.");
  v.path("trust_file", c.trust_file, "PEM: the authorities trusted. Empty: the system's.");
  v.text("resolver", c.resolver, "DNS servers, \"127.0.0.1:53\". Empty: /etc/resolv.conf.");
  std::size_t port = c.mx_port;
  v.count("mx_port", port, 1, 65'535, "The port of MX hosts.");
  c.mx_port = static_cast<std::uint16_t>(port);
  v.text("source_address", c.source_address,
         "The local address to connect from; hosts of the other family are passed over.");
  v.flag("private_mx", c.private_mx, "Deliver to MX hosts with private or loopback addresses.");
  v.count("addresses_max", c.addresses_max, 1, 100,
          "Addresses of hosts that one attempt connects to, one after the other.");
  v.count("sessions_max", c.sessions_max, 1, 100,
          "How many of them it goes on with after their greeting, for recipients still deferred.");
  v.list("fallback", c.fallback,
         "Next hops, as in relayhost, for mail that no host took or refused for good; a login as "
         "for relayhost.");
  v.flag("disable_mime_output_conversion", c.disable_mime_output_conversion,
         "Send 8-bit messages as they are to servers without 8BITMIME, as for DKIM's sake; else "
         "their parts become quoted-printable or base64.");
  v.choice("signed_eight_bit", c.signed_eight_bit,
           "A signed part cannot be converted: sent as it is, or the mail goes back (5.6.3).");
  v.duration("connect_timeout", c.connect_timeout, 1s, hours(1), "For a connection.");
  v.duration("command_timeout", c.command_timeout, 1s, hours(1), "For the reply to a command.");
  v.duration("data_timeout", c.data_timeout, 1s, hours(10), "For the reply after the message.");
}

void visit_srs(Srs& c, KeyVisitor& v) {
  v.section("srs",
            "Mail that an alias or Sieve sends on to another server leaves with a sender of ours "
            "(SRS), so that it passes SPF there; a bounce to that address goes to the first "
            "sender.");
  v.text("domain", c.domain,
         "The domain of these senders, whose MX is this server. Empty: senders stay as they are.");
  v.path("secret_file", c.secret_file,
         "Secrets, one a line, mode 0640: the first one signs, all are taken. Made when it is "
         "needed and not there; watched.");
  v.list("exclude_domains", c.exclude_domains,
         "Senders of these domains stay, as those of our own do; \".example.org\": all below it.");
}

void visit_sieve(Sieve& c, KeyVisitor& v) {
  v.section("sieve",
            "The administrator's scripts in paths.sieve. For each message: those of before; then "
            "domains/<domain>.sieve; then users/<address>.sieve; then the user's own active "
            "script; default.sieve for whoever has neither of these two; then those of after. "
            "One runs only while the one before it keeps the message.");
  v.list("before", c.before, "Files, in this order.");
  v.list("after", c.after, "Files, in this order.");
  v.choice("vacation_sender", c.vacation_sender,
           "The envelope sender of what vacation answers: null, the null sender, to which nothing "
           "comes back; or user, the address in its From, for a relayhost that refuses the null "
           "sender.");
  v.flag("tell_faults", c.tell_faults,
         "Whose script fails gets a mail that says so, once a day; the message itself is kept.");
  v.count("scripts_max", c.scripts_max, 0, 10'000,
          "Scripts of its own that an account may have (ManageSieve).");
  v.bytes("script_size_max", c.script_size_max, kKiB, kMiB, "The largest of them.");
  v.choice("engine", c.engine,
           "What runs these scripts. libsieve is the library of earlier versions: it knows RFC "
           "3028 and little more; users' own scripts never run on it.");
  v.list("imap", c.imap,
         "Scripts that run when an IMAP client puts a message into a mailbox or changes its flags "
         "(RFC 6785): \"COPY,APPEND -> Junk: FILE.sieve\", \"COPY Junk -> *: FILE.sieve\", "
         "\"FLAG -> *: FILE.sieve\". MOVE counts as COPY.");
  v.names("lists", c.lists,
          "The lists that scripts may ask for (RFC 6134): the name in the script and the table, "
          "as in [maps]: \":addrbook:friends\" = \"friends\". Scripts reach no others.");
}

void visit_dkim(Dkim& c, KeyVisitor& v) {
  v.section("dkim",
            "Signatures on what users send (DKIM). `posthorn dkim key DOMAIN` makes a key.");
  v.flag("sign", c.sign, "Sign mail whose From domain has a key.");
  v.path(
      "folder", c.folder,
      "The keys, PEM: DOMAIN/SELECTOR.pem. Each key of a domain makes a signature. Looked at for "
      "each message, so a new one counts at once.");
  v.choice("canonicalization", c.canonicalization,
           "What may change on the way, in header and body; relaxed: white space.");
  v.choice("when_broken", c.when_broken,
           "A key that cannot be used: the mail goes out unsigned, or waits in the queue.");
  v.duration("life", c.life, 0ms, 365 * kDay,
             "How long a signature counts (x=); longer than mail may wait. 0s: for good.");
}

void visit_store(Store& c, Imap& i, KeyVisitor& v) {
  v.section("store", "Maildirs.");
  v.count("workers", c.workers, 1, 256,
          "Processes; each owns the accounts whose hash falls to it.");
  v.count("threads", c.threads, 1, 64, "Threads of a process for disk work.");
  v.text("location", c.location,
         "An account's maildir below paths.mail: {domain}, {user} (the local part), {address}.");
  v.flag("unix_users", c.unix_users,
         "The Unix account of a user's name reads and changes the maildir with programs of its own "
         "(mutt, mail): by access control lists, which the file system must have.");
  v.text("drafts", c.drafts, "The folder for drafts, made at the first login. Empty: none.");
  v.text("sent", c.sent, "The folder for sent mail.");
  v.text("trash", c.trash, "The folder for deleted mail.");
  v.text("junk", c.junk, "The folder for spam.");
  v.text("archive", c.archive, "The folder for the archive.");
  v.list("also_create", c.also_create, "Further folders made at the first login.");
  v.flag("tag_to_folder", c.tag_to_folder,
         "Mail to user+Work goes to the folder Work, if there is one.");
  v.duration("rescan", c.rescan, 100ms, hours(1),
             "How often an open mailbox looks for files that others changed.");
  v.flag("quotas", c.quotas, "Accounts may have limits. false: no limit counts.");
  v.bytes("quota", c.quota, 0, kGiB * kMiB,
          "How much an account may hold that has no limit of its own (`posthorn quota set`). 0: no "
          "limit.");
  v.count("quota_messages", c.quota_messages, 0, 1'000'000'000,
          "How many messages it may hold. 0: no limit.");
  v.list("quota_rules", c.quota_rules,
         "Further rules for all, as Dovecot's quota_rule: \"Trash:storage=+100M\", "
         "\"Trash:ignore\".");
  v.count("quota_grace", c.quota_grace, 0, 100,
          "By how many percent of the limit the last mail that is delivered may go over it.");
  v.flag("quota_full_tempfail", c.quota_full_tempfail,
         "Mail to a full account is put off (452) for the sender's server to try again, not "
         "refused (552).");
  v.count("quota_warning", c.quota_warning, 0, 100,
          "The log tells when an account has reached so many percent of its limit. 0: not at all.");
  v.section("imap", "IMAP.");
  v.choice("separator", i.separator, "Between the levels of a folder's name, as clients see it.");
  v.bytes("line_max", i.line_max, kKiB, 16 * kMiB, "The longest command, without literals.");
  v.bytes("login_line_max", i.login_line_max, 512, kMiB, "The longest command before the login.");
  v.duration("idle_timeout", i.idle_timeout, 1min, kDay,
             "A silent session is ended (RFC 3501: at least 30m).");
  v.duration("idle_notify_interval", i.idle_notify_interval, 0s, kDay,
             "How often a client that waits for news (IDLE) is told that the server is still here: "
             "routers forget silent connections. 0: never.");
  v.duration("literal_timeout", i.literal_timeout, 1s, hours(10),
             "Waiting for the next piece of a literal.");
  v.count("connections_per_user_max", i.connections_per_user_max, 1, 100'000,
          "Sessions of one user.");
}

void visit_pop3(Pop3& c, KeyVisitor& v) {
  v.section("pop3", "POP3. A session sees INBOX as it was at its login; QUIT removes.");
  v.bytes("line_max", c.line_max, 512, kMiB, "The longest command.");
  v.duration("idle_timeout", c.idle_timeout, 1s, kDay,
             "A silent session is ended (RFC 1939: at least 10m).");
  v.count("connections_per_user_max", c.connections_per_user_max, 1, 100'000,
          "Sessions of one user.");
  v.flag("mark_seen", c.mark_seen, "Messages that were fetched are marked as read, at QUIT.");
}

void visit_managesieve(ManageSieve& c, KeyVisitor& v) {
  v.section("managesieve", "ManageSieve: users' scripts, as their mail programs put them.");
  v.bytes("line_max", c.line_max, 2048, kMiB, "The longest command, without literals.");
  v.duration("idle_timeout", c.idle_timeout, 1s, kDay,
             "A silent session is ended (RFC 5804: at least 30m).");
  v.count("connections_per_user_max", c.connections_per_user_max, 1, 100'000,
          "Sessions of one user.");
}

void visit_dns(Dns& c, MtaSts& policy, KeyVisitor& v) {
  v.section("dns", "What the DNS says of this server and its domains.");
  v.flag("marks", c.marks,
         "Ask every six hours whether MX, addresses, PTR, SPF, DKIM and DMARC are as they should "
         "be, for `posthorn status`. Mail does not wait for it.");
  v.list("addresses", c.addresses,
         "Addresses by which the Internet reaches this machine, where its own are private ones. "
         "Empty: those of its interfaces.");
  v.list("block_lists", c.block_lists,
         "Lists of addresses that `posthorn dns` asks about this machine's.");
  v.text("port_25_probe", c.port_25_probe,
         "`posthorn dns` tries whether port 25 of others is reached: a domain's MX, or "
         "\"host:port\". Empty: it does not.");
  v.section("mta_sts", "The policy by which others send to our domains (RFC 8461).");
  v.choice(
      "mode", policy.mode,
      "What a sender does that finds no proven TLS here. testing: it sends, and reports; none: "
      "a policy that is taken back; off: there is no policy.");
  v.duration("max_age", policy.max_age, hours(1), 365 * kDay,
             "For how long senders keep it; weeks, with enforce.");
}

}  // namespace

void visit_keys(Config& c, KeyVisitor& v) {
  visit_server(c.server, v);
  visit_paths(c.paths, v);
  visit_listen(c.listen, v);
  visit_limits(c.tls, c.acme, c.limits, v);
  visit_smtp(c.smtp, c.submission, v);
  visit_auth(c.auth, c.maps, v);
  visit_route(c.route, v);
  visit_pgsql(c.pgsql, v);
  visit_queue(c.queue, c.filter, v);
  visit_relay(c.relay, v);
  visit_srs(c.srs, v);
  visit_sieve(c.sieve, v);
  visit_dkim(c.dkim, v);
  visit_dns(c.dns, c.mta_sts, v);
  visit_store(c.store, c.imap, v);
  visit_pop3(c.pop3, v);
  visit_managesieve(c.managesieve, v);
  v.section("web", "The pages about this server.");
  v.list("metrics_from", c.web.metrics_from,
         "Networks that may read /metrics, and all of /health; others get one word of it.");
  v.path("authority", c.web.authority,
         "PEM: the certificate to download at /ca.crt. Empty: the server's own, if it is signed by "
         "no authority that everybody knows.");
  v.path(
      "webroot", c.web.webroot,
      "For certbot's --webroot: what lies in .well-known/acme-challenge of it is served by HTTP.");
  v.duration("request_timeout", c.web.request_timeout, 1s, hours(1), "For a whole request.");
  v.section("log", "One line, one event, in logfmt.");
  v.text("file", c.log.file, "\"-\": standard output.");
  v.choice("level", c.log.level, "The least that is written.");
  v.section("trail", "What became of each mail, for `posthorn trace`.");
  v.flag("enabled", c.trail.enabled, "It is kept, in paths.state.");
  v.duration("keep", c.trail.keep, 1h, hours(24 * 366), "For how long.");
  v.bytes("size_max", c.trail.size_max, kMiB, 1024 * kGiB,
          "Of the database. Beyond it the oldest is removed.");
  v.section("edge", "The role that strangers talk to.");
  v.count("workers", c.edge.workers, 1, 256, "Processes, sharing the ports.");
  v.section("users", "The system accounts of the roles, when the server is started as root.");
  v.text("edge", c.users.edge, "Reads the TLS key and nothing else.");
  v.text("lookup", c.users.lookup, "Reads tables and users.");
  v.text("queue", c.users.queue, "Owns the spool.");
  v.text("store", c.users.store, "Owns the mail.");
  v.text("web", c.users.web, "Serves the web pages, and reads the TLS key if it does so by https.");
  v.text("trail", c.users.trail, "Keeps what became of each mail.");
  v.text("acme", c.users.acme, "Gets certificates, with [acme].");
  v.text("tls_group", c.users.tls_group,
         "The group that may read the TLS key. Roles that use it are given it, others lose it; one "
         "that does not exist changes nothing.");
  v.text("admin_group", c.users.admin_group,
         "The group whose members may ask the running server without root: status, queue (with the "
         "text of what waits), who may log in and what it holds. What changes stays root's; one "
         "that does not exist is nobody's.");
}

}  // namespace posthorn::config
