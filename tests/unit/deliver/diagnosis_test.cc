// Diagnosis: each cause by the probe that shows it, what its sentence must name, and that no cause
// stands in the table which nothing reaches.
#include "deliver/diagnosis.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <set>
#include <system_error>

namespace posthorn::deliver {
namespace {

using Verdict = Diagnosis::Verdict;
using Fault = net::PeerCertificate::Fault;

struct Given {
  std::string_view cause;
  Verdict verdict;
  Stage stage;
  std::vector<std::string> names = {};  // what the sentence must hold
  smtp::Reply reply = {};
  Error error = {};
  Fault fault = Fault::none;
  config::TlsPolicy tls = config::TlsPolicy::verify;
  bool has_login = true;
  bool has_sent_login = true;
  std::uint16_t port = 587;
  std::string address = "192.0.2.1";
  std::vector<std::string> lines = {"S: 220 hello"};
  bool has_certificate = false;
};

Error errno_error(int number) {
  return {ErrorKind::temporary,
          "connect 192.0.2.1:587: " + std::generic_category().message(number)};
}

const Error kTimeout{ErrorKind::timeout, "timed out"}, kClosed{ErrorKind::closed, "it went"};

const std::vector<Given>& given() {
  static const std::vector<Given> all = {
      {"dns_silent",
       Verdict::later,
       Stage::name,
       {"name servers"},
       {},
       {ErrorKind::temporary, "no answer from 10.0.0.1"}},
      {"null_mx",
       Verdict::broken,
       Stage::name,
       {"no mail at all"},
       {556, "5.1.10", ""},
       {ErrorKind::temporary, "556 5.1.10 far.test takes no mail (null MX)"}},
      {"name_not_found",
       Verdict::broken,
       Stage::name,
       {"typing error", "[smtp.far.test]:587"},
       {},
       {ErrorKind::temporary, "smtp.far.test has no address"}},
      {"source_address",
       Verdict::broken,
       Stage::connect,
       {"relay.source_address"},
       {},
       {ErrorKind::temporary, "bind to the source address 192.0.2.9: x"}},
      {"ipv6_unreachable",
       Verdict::broken,
       Stage::connect,
       {"IPv6", "relay.source_address"},
       {},
       errno_error(ENETUNREACH),
       Fault::none,
       config::TlsPolicy::verify,
       true,
       true,
       587,
       "2001:db8::1"},
      {"unreachable",
       Verdict::broken,
       Stage::connect,
       {"no way to"},
       {},
       errno_error(EHOSTUNREACH)},
      {"refused",
       Verdict::broken,
       Stage::connect,
       {"Nobody listens", "587"},
       {},
       errno_error(ECONNREFUSED)},
      {"port_25_blocked",
       Verdict::broken,
       Stage::connect,
       {"block outgoing port 25", "[smtp.far.test]:587"},
       {},
       kTimeout,
       Fault::none,
       config::TlsPolicy::verify,
       true,
       true,
       25},
      {"timed_out", Verdict::broken, Stage::connect, {"firewall"}, {}, kTimeout},
      {"no_connection", Verdict::later, Stage::connect, {}, {}, errno_error(EMFILE)},
      {"tls_at_once",
       Verdict::broken,
       Stage::greeting,
       {"port 587", "STARTTLS"},
       {},
       kTimeout,
       Fault::none,
       config::TlsPolicy::verify,
       true,
       true,
       465,
       "192.0.2.1",
       {}},
      {"http",
       Verdict::broken,
       Stage::greeting,
       {"web server"},
       {},
       {ErrorKind::protocol, "no reply"},
       Fault::none,
       config::TlsPolicy::verify,
       true,
       true,
       80,
       "192.0.2.1",
       {"S: HTTP/1.1 400 Bad Request"}},
      {"not_smtp",
       Verdict::broken,
       Stage::greeting,
       {"no SMTP", "993"},
       {},
       {ErrorKind::protocol, "no reply"},
       Fault::none,
       config::TlsPolicy::verify,
       true,
       true,
       143,
       "192.0.2.1",
       {"S: * OK IMAP4rev1"}},
      {"silent", Verdict::later, Stage::greeting, {"spam"}, {}, kClosed},
      {"greeting_later",
       Verdict::later,
       Stage::greeting,
       {"421", "limit"},
       {421, "4.7.0", "Too many connections"}},
      {"greeting_refused",
       Verdict::broken,
       Stage::greeting,
       {"554", "blocklist", "server.hostname"},
       {554, "5.7.1", "No"}},
      {"tls_later", Verdict::later, Stage::start_tls, {"454"}, {454, "4.7.0", "TLS not available"}},
      {"tls_refused", Verdict::broken, Stage::start_tls, {"502"}, {502, "5.5.1", "What?"}},
      {"no_starttls",
       Verdict::broken,
       Stage::start_tls,
       {"offers no TLS", "relay.tls"},
       {},
       {ErrorKind::temporary, "TLS is required and the server does not offer it"}},
      {"tls_broke", Verdict::later, Stage::start_tls, {"STARTTLS"}, {}, kClosed},
      {"certificate_name",
       Verdict::broken,
       Stage::handshake,
       {"not for smtp.far.test", "other.far.test"},
       {},
       kClosed,
       Fault::name},
      {"certificate_self_signed",
       Verdict::broken,
       Stage::handshake,
       {"relay.trust_file"},
       {},
       kClosed,
       Fault::self_signed},
      {"certificate_authority",
       Verdict::broken,
       Stage::handshake,
       {"ca-certificates"},
       {},
       kClosed,
       Fault::authority},
      {"certificate_expired",
       Verdict::broken,
       Stage::handshake,
       {"1970-01-01"},
       {},
       kClosed,
       Fault::expired},
      {"certificate_not_yet",
       Verdict::broken,
       Stage::handshake,
       {"clock"},
       {},
       kClosed,
       Fault::not_yet},
      {"tls_failed",
       Verdict::broken,
       Stage::handshake,
       {"TLS 1.1"},
       {},
       {ErrorKind::protocol, "TLS handshake: wrong version number"}},
      {"no_login_offered",
       Verdict::broken,
       Stage::login,
       {"587", "maps/relay-sasl:7"},
       {},
       {ErrorKind::temporary, "offers neither"},
       Fault::none,
       config::TlsPolicy::verify,
       true,
       false},
      {"login_later",
       Verdict::later,
       Stage::login,
       {"454"},
       {454, "4.7.0", "Temporary authentication failure"}},
      {"login_needs_tls",
       Verdict::broken,
       Stage::login,
       {"relay.tls"},
       {538, "5.7.11", "Encryption required"}},
      {"login_too_weak",
       Verdict::broken,
       Stage::login,
       {"password for programs"},
       {534, "5.7.9", "Application-specific password required"}},
      {"wrong_login",
       Verdict::broken,
       Stage::login,
       {"maps/relay-sasl:7", "posthorn reload"},
       {535, "5.7.8", "Bad credentials"}},
      {"login_broke", Verdict::later, Stage::login, {}, {}, kClosed},
      {"must_log_in",
       Verdict::broken,
       Stage::sender,
       {"maps/relay-sasl has no line", "USER:PASSWORD"},
       {530, "5.7.0", "Authentication required"},
       {},
       Fault::none,
       config::TlsPolicy::verify,
       false},
      {"sender_not_verified",
       Verdict::broken,
       Stage::sender,
       {"<me@example.org>", "verified sender"},
       {550, "", "The from address does not match a verified Sender Identity."}},
      {"envelope_later",
       Verdict::later,
       Stage::recipient,
       {"451", "limit"},
       {451, "4.7.1", "Greylisted"}},
      {"may_not_relay",
       Verdict::broken,
       Stage::recipient,
       {"has no line"},
       {554, "5.7.1", "Relay access denied"},
       {},
       Fault::none,
       config::TlsPolicy::verify,
       false},
      {"recipient_refused",
       Verdict::broken,
       Stage::recipient,
       {"550"},
       {550, "5.1.1", "No such user"}},
      {"envelope_broke", Verdict::later, Stage::recipient, {}, {}, kClosed},
      {"works_unproved",
       Verdict::works,
       Stage::done,
       {"not proved", "verify"},
       {},
       {},
       Fault::self_signed,
       config::TlsPolicy::encrypt},
      {"works", Verdict::works, Stage::done, {"It works"}},
  };
  return all;
}

Diagnosis diagnosis_of(const Given& one) {
  HostProbe host;
  host.name = "smtp.far.test";
  host.address = one.address;
  host.port = one.port;
  host.stage = one.stage;
  host.reply = one.reply;
  host.error = one.error;
  host.has_sent_login = one.has_sent_login;
  host.is_secure = true;
  host.recording.lines = one.lines;
  if (one.fault != Fault::none)
    host.recording.certificate = net::PeerCertificate{.names = {"other.far.test"},
                                                      .issuer = "CN=Somebody",
                                                      .fault = one.fault,
                                                      .reason = "it is so"};
  Probe probe{.hosts = {}, .tls = one.tls, .has_login = one.has_login};
  return diagnose(probe, host,
                  {.login_place = "maps/relay-sasl:7",
                   .login_table = "maps/relay-sasl",
                   .sender = one.stage == Stage::done ? "" : "me@example.org"});
}

TEST(Diagnosis, EachCauseSaysWhatToChange) {
  for (const Given& one : given()) {
    const Diagnosis diagnosis = diagnosis_of(one);
    EXPECT_EQ(diagnosis.cause, one.cause) << diagnosis.text;
    EXPECT_EQ(diagnosis.verdict, one.verdict) << one.cause;
    EXPECT_TRUE(diagnosis.text.ends_with('.') || diagnosis.text.ends_with('?')) << diagnosis.text;
    for (const std::string& name : one.names)
      EXPECT_NE(diagnosis.text.find(name), std::string::npos) << name << ": " << diagnosis.text;
  }
}

TEST(Diagnosis, NoCauseIsOutOfReach) {
  std::set<std::string_view> reached;
  for (const Given& one : given()) reached.insert(diagnosis_of(one).cause);
  for (const std::string_view cause : causes()) EXPECT_TRUE(reached.contains(cause)) << cause;
}

TEST(Diagnosis, EveryEndHasOne) {
  for (const Stage stage :
       {Stage::name, Stage::connect, Stage::greeting, Stage::start_tls, Stage::handshake,
        Stage::login, Stage::sender, Stage::recipient, Stage::done})
    for (const int code : {0, 250, 354, 421, 450, 500, 535, 550, 554, 999}) {
      const Diagnosis diagnosis = diagnosis_of(
          {.cause = "", .verdict = Verdict::works, .stage = stage, .reply = {code, "", ""}});
      EXPECT_FALSE(diagnosis.cause.empty()) << to_string(stage) << code;
      EXPECT_EQ(diagnosis.verdict == Verdict::works, stage == Stage::done)
          << to_string(stage) << code << diagnosis.cause;
    }
}

}  // namespace
}  // namespace posthorn::deliver
