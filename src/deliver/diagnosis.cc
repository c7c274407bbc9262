#include "deliver/diagnosis.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <system_error>

#include "base/ascii.h"

namespace posthorn::deliver {
namespace {

using Verdict = Diagnosis::Verdict;
using Fault = net::PeerCertificate::Fault;

struct Case {
  const Probe& probe;
  const HostProbe& host;
  const Surroundings& around;

  bool ended_at(Stage stage) const { return host.stage == stage; }
  int code() const { return host.reply.code; }
  bool timed_out() const { return code() == 0 && host.error.kind == ErrorKind::timeout; }
  // connect()'s word for it, at the end of what net::connect() tells.
  bool is_errno(int number) const {
    return host.error.what.ends_with(std::generic_category().message(number));
  }
  bool is_ipv6() const { return host.address.find(':') != std::string::npos; }
  bool says_one_of(std::initializer_list<std::string_view> parts) const {
    const std::string said = to_lower(smtp::to_string(host.reply) + " " + host.error.what);
    return std::ranges::any_of(
        parts, [&](std::string_view part) { return said.find(part) != std::string::npos; });
  }
  Fault fault() const {
    return host.recording.certificate ? host.recording.certificate->fault : Fault::none;
  }
  std::string said() const { return fmt::format("\"{}\"", smtp::to_string(host.reply)); }
  std::string where() const { return fmt::format("{} port {}", host.name, host.port); }
  std::string names() const {
    return host.recording.certificate && !host.recording.certificate->names.empty()
               ? fmt::format("{}", fmt::join(host.recording.certificate->names, ", "))
               : "no name at all";
  }
  std::string issuer() const {
    return host.recording.certificate ? host.recording.certificate->issuer : "";
  }
  const std::string& login() const { return around.login_place; }
  std::string missing_login() const {
    return fmt::format(
        "{} has no line for it: add \"[{}]:{} USER:PASSWORD\" there, then `posthorn reload`",
        around.login_table, host.name, host.port);
  }
};

struct Cause {
  std::string_view word;
  Verdict verdict;
  bool (*fits)(const Case&);
  std::string (*text)(const Case&);
};

// --- before a word is said

constexpr Cause kConnecting[] = {
    {"dns_silent", Verdict::later,
     [](const Case& c) {
       return c.ended_at(Stage::name) &&
              !c.says_one_of({"has no address", "no mx host", "neither mx", "null mx", "private",
                              "comes back"});
     },
     [](const Case& c) {
       return fmt::format(
           "The address of {} could not be asked for: {}. Look at this machine's "
           "name servers (/etc/resolv.conf, relay.resolver).",
           c.host.name, c.host.error.what);
     }},
    {"null_mx", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::name) && c.says_one_of({"null mx"}); },
     [](const Case& c) {
       return fmt::format(
           "{} takes no mail at all, by its own word (null MX). Nothing can be "
           "changed here.",
           c.host.name);
     }},
    {"name_not_found", Verdict::broken, [](const Case& c) { return c.ended_at(Stage::name); },
     [](const Case& c) {
       return fmt::format(
           "There is no usable address of {}: {}. Look for a typing error in the "
           "name; a host whose MX is not meant stands in brackets, [{}]:587.",
           c.host.name, c.host.error.what, c.host.name);
     }},
    {"source_address", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::connect) && c.says_one_of({"source address", "source_address"});
     },
     [](const Case& c) {
       return fmt::format(
           "{} cannot be reached from relay.source_address ({}). Empty it, or name "
           "an address of this machine of the same kind (IPv4 or IPv6).",
           c.host.remote(), c.host.error.what);
     }},
    {"ipv6_unreachable", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::connect) && c.is_ipv6() &&
              (c.is_errno(ENETUNREACH) || c.is_errno(EHOSTUNREACH) || c.is_errno(EADDRNOTAVAIL) ||
               c.is_errno(EAFNOSUPPORT));
     },
     [](const Case& c) {
       return fmt::format(
           "This machine cannot reach IPv6 addresses ({}). The next address is "
           "tried then; an IPv4 address in relay.source_address leaves IPv6 out.",
           c.host.address);
     }},
    {"unreachable", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::connect) && (c.is_errno(ENETUNREACH) || c.is_errno(EHOSTUNREACH));
     },
     [](const Case& c) {
       return fmt::format(
           "There is no way to {} from here. Look at this machine's network and "
           "its firewall for outgoing connections.",
           c.host.remote());
     }},
    {"refused", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::connect) && c.is_errno(ECONNREFUSED); },
     [](const Case& c) {
       return fmt::format(
           "Nobody listens at {}, or a firewall refuses it. Is the port right? "
           "Smarthosts take mail at 587, some at 2525.",
           c.host.remote());
     }},
    {"port_25_blocked", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::connect) && c.timed_out() && c.host.port == 25; },
     [](const Case& c) {
       return fmt::format(
           "No answer from {}. Most providers of servers block outgoing port 25: ask yours to open "
           "it, or send by a smarthost at port 587 (relay.relayhost = \"[{}]:587\").",
           c.host.remote(), c.probe.is_relay ? c.host.name : "smtp.example.org");
     }},
    {"timed_out", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::connect) && c.timed_out(); },
     [](const Case& c) {
       return fmt::format(
           "No answer from {}: a firewall, here or there, drops it, or the port is "
           "wrong. Smarthosts take mail at 587, some at 2525.",
           c.host.remote());
     }},
    {"no_connection", Verdict::later, [](const Case& c) { return c.ended_at(Stage::connect); },
     [](const Case& c) {
       return fmt::format("No connection to {}: {}.", c.host.remote(), c.host.error.what);
     }},
};

// --- greeting and TLS

constexpr Cause kBeginning[] = {
    {"tls_at_once", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::greeting) && c.code() == 0 && c.host.recording.lines.empty() &&
              (c.host.port == 465 || c.timed_out());
     },
     [](const Case& c) {
       return fmt::format(
           "{} does not greet. It seems to expect TLS before the first word (as at "
           "port 465); the queue begins TLS by STARTTLS: use the same host's port "
           "587.",
           c.where());
     }},
    {"http", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::greeting) && c.code() == 0 && !c.host.recording.lines.empty() &&
              c.host.recording.lines.front().starts_with("S: HTTP/");
     },
     [](const Case& c) {
       return fmt::format(
           "At {} answers a web server, no mail server. Look at the port: 587, not "
           "80 or 443.",
           c.where());
     }},
    {"not_smtp", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::greeting) && c.code() == 0 &&
              c.host.error.kind == ErrorKind::protocol;
     },
     [](const Case& c) {
       return fmt::format(
           "What {} says is no SMTP. Look at the host and the port: 587 is for mail "
           "that is sent; 993 and 143 are for IMAP.",
           c.where());
     }},
    {"silent", Verdict::later,
     [](const Case& c) { return c.ended_at(Stage::greeting) && c.code() == 0; },
     [](const Case& c) {
       return fmt::format(
           "{} took the connection and ended it, or said nothing more: {}. It may "
           "know this machine's address as a sender of spam, or be busy.",
           c.where(), c.host.error.what);
     }},
    {"greeting_later", Verdict::later,
     [](const Case& c) { return c.ended_at(Stage::greeting) && c.code() < 500; },
     [](const Case& c) {
       return fmt::format(
           "{} does not take mail from here now: {}. It is a limit (connections or "
           "mails in a time) or greylisting: the queue tries again by itself; "
           "queue.attempts_per_destination_max makes fewer connections at once.",
           c.where(), c.said());
     }},
    {"greeting_refused", Verdict::broken, [](const Case& c) { return c.ended_at(Stage::greeting); },
     [](const Case& c) {
       return fmt::format(
           "{} takes no mail from this machine: {}. It looks at the address, its "
           "name (PTR) and the name in EHLO (server.hostname), or at a blocklist.",
           c.where(), c.said());
     }},
    {"tls_later", Verdict::later,
     [](const Case& c) {
       return c.ended_at(Stage::start_tls) && c.code() >= 400 && c.code() < 500;
     },
     [](const Case& c) {
       return fmt::format("{} cannot begin TLS now: {}. The queue tries again by itself.",
                          c.where(), c.said());
     }},
    {"tls_refused", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::start_tls) && c.code() != 0; },
     [](const Case& c) {
       return fmt::format("{} offers STARTTLS and refuses it: {}. Its operator has to mend that.",
                          c.where(), c.said());
     }},
    {"no_starttls", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::start_tls) && c.host.error.kind == ErrorKind::temporary;
     },
     [](const Case& c) {
       return fmt::format(
           "{} offers no TLS, and relay.tls = \"{}\"{} without it. Use its port 587, "
           "or, only if the way to it is yours alone, relay.tls = \"none\".",
           c.where(), to_string(c.probe.tls),
           c.probe.has_login ? " sends no login" : " sends nothing");
     }},
    {"tls_broke", Verdict::later, [](const Case& c) { return c.ended_at(Stage::start_tls); },
     [](const Case& c) {
       return fmt::format("{} ended the connection at STARTTLS: {}.", c.where(), c.host.error.what);
     }},
    {"certificate_name", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::handshake) && c.fault() == Fault::name; },
     [](const Case& c) {
       return fmt::format(
           "The certificate is not for {}: it is for {}. Write one of these names "
           "as the host (relay.relayhost, maps/transport), or have the certificate "
           "made for {}.",
           c.host.name, c.names(), c.host.name);
     }},
    {"certificate_self_signed", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::handshake) && c.fault() == Fault::self_signed; },
     [](const Case& c) {
       return fmt::format(
           "The certificate of {} is signed by itself or by an authority of its own "
           "({}), which nobody here knows. {}",
           c.host.name, c.issuer(),
           c.around.has_trust_file ? "It is not the one in relay.trust_file: put it there."
                                   : "Name a PEM file with it in relay.trust_file.");
     }},
    {"certificate_authority", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::handshake) && c.fault() == Fault::authority; },
     [](const Case& c) {
       return fmt::format("Who issued the certificate of {} is not known here ({}): {}",
                          c.host.name, c.issuer(),
                          c.around.has_trust_file
                              ? "relay.trust_file holds others, and takes the place of the "
                                "system's authorities: add it there, or empty the setting."
                              : "install ca-certificates, or name the authority's PEM file in "
                                "relay.trust_file; a server that sends no intermediate certificate "
                                "is to be mended there.");
     }},
    {"certificate_expired", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::handshake) && c.fault() == Fault::expired; },
     [](const Case& c) {
       return fmt::format(
           "The certificate of {} ended at {}. Its operator has to renew it; is "
           "this machine's clock right?",
           c.host.name, format_log_time(c.host.recording.certificate->not_after));
     }},
    {"certificate_not_yet", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::handshake) && c.fault() == Fault::not_yet; },
     [](const Case& c) {
       return fmt::format("The certificate of {} begins at {}. Is this machine's clock right?",
                          c.host.name, format_log_time(c.host.recording.certificate->not_before));
     }},
    {"tls_failed", Verdict::broken, [](const Case& c) { return c.ended_at(Stage::handshake); },
     [](const Case& c) {
       return fmt::format(
           "TLS with {} does not come about: {}. The server may know nothing newer "
           "than TLS 1.1, which is not spoken here.",
           c.where(), c.host.error.what);
     }},
};

// --- login and envelope

constexpr Cause kDialog[] = {
    {"no_login_offered", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::login) && !c.host.has_sent_login; },
     [](const Case& c) {
       return fmt::format(
           "{} offers neither AUTH PLAIN nor AUTH LOGIN{}. Port 25 of many "
           "smarthosts knows no login: use 587; or take away {}.",
           c.where(), c.host.is_secure ? "" : " without TLS", c.login());
     }},
    {"login_later", Verdict::later,
     [](const Case& c) { return c.ended_at(Stage::login) && c.code() >= 400 && c.code() < 500; },
     [](const Case& c) {
       return fmt::format(
           "{} cannot look at the login now: {}. The queue tries again by itself; "
           "too many tries of a wrong login have the same answer.",
           c.where(), c.said());
     }},
    {"login_needs_tls", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::login) && c.code() == 538; },
     [](const Case& c) {
       return fmt::format("{} takes a login only over TLS: {}. Set relay.tls = \"verify\".",
                          c.where(), c.said());
     }},
    {"login_too_weak", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::login) && (c.code() == 534 || c.code() == 504); },
     [](const Case& c) {
       return fmt::format(
           "{} does not take this kind of login: {}. Many want a password for "
           "programs, made in the account's settings; put it into {}.",
           c.where(), c.said(), c.login());
     }},
    {"wrong_login", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::login) && c.code() != 0; },
     [](const Case& c) {
       return fmt::format(
           "{} does not know this user and password: {}. They are from {}: mend it "
           "(USER:PASSWORD), then `posthorn reload`.",
           c.where(), c.said(), c.login());
     }},
    {"login_broke", Verdict::later, [](const Case& c) { return c.ended_at(Stage::login); },
     [](const Case& c) {
       return fmt::format("{} ended the connection at the login: {}.", c.where(),
                          c.host.error.what);
     }},
    {"must_log_in", Verdict::broken,
     [](const Case& c) {
       return c.code() == 530 || (!c.probe.has_login && c.code() >= 500 &&
                                  c.says_one_of({"authenticat", "log in", "auth required"}));
     },
     [](const Case& c) {
       return fmt::format("{} wants a login: {}. {}.", c.where(), c.said(),
                          c.probe.has_login
                              ? "It was logged in by " + c.login() + ", which does not do"
                              : c.missing_login());
     }},
    {"sender_not_verified", Verdict::broken,
     [](const Case& c) {
       return c.code() >= 500 &&
              (c.ended_at(Stage::sender) ||
               c.says_one_of({"verified sender", "sender address", "from address",
                              "sender identity", "not owned", "not verified", "sender rejected"}));
     },
     [](const Case& c) {
       return fmt::format(
           "{} does not take <{}> as a sender: {}. Register this address, or its "
           "domain, with the smarthost's operator (\"verified sender\").",
           c.where(), c.around.sender, c.said());
     }},
    {"envelope_later", Verdict::later,
     [](const Case& c) { return !c.ended_at(Stage::done) && c.code() >= 400 && c.code() < 500; },
     [](const Case& c) {
       return fmt::format(
           "{} does not take it now: {}. It is a limit (mails in a time) or "
           "greylisting: the queue tries again by itself.",
           c.where(), c.said());
     }},
    {"may_not_relay", Verdict::broken,
     [](const Case& c) {
       return c.ended_at(Stage::recipient) && c.says_one_of({"relay", "5.7.1", "5.7.0"});
     },
     [](const Case& c) {
       return fmt::format("{} does not pass mail on for us: {}. {}.", c.where(), c.said(),
                          c.probe.has_login
                              ? "The login of " + c.login() + " has no right to, or not to there"
                              : c.missing_login());
     }},
    {"recipient_refused", Verdict::broken,
     [](const Case& c) { return c.ended_at(Stage::recipient) && c.code() != 0; },
     [](const Case& c) {
       return fmt::format("{} works; it does not take this recipient: {}.", c.where(), c.said());
     }},
    {"envelope_broke", Verdict::later, [](const Case& c) { return !c.ended_at(Stage::done); },
     [](const Case& c) {
       return fmt::format("{} stopped answering: {}.", c.where(), c.host.error.what);
     }},
    {"works_unproved", Verdict::works,
     [](const Case& c) {
       return c.host.is_secure && c.probe.tls != config::TlsPolicy::verify &&
              c.fault() != Fault::none;
     },
     [](const Case& c) {
       return fmt::format(
           "It works, but who answered is not proved ({}): with relay.tls = "
           "\"verify\" nothing would be sent.",
           c.host.recording.certificate->reason);
     }},
    {"works", Verdict::works, [](const Case&) { return true; },
     [](const Case& c) {
       return fmt::format("It works{}.", c.around.sender.empty()
                                             ? ", up to and including the login; with --to an "
                                               "envelope is tried, too"
                                             : "");
     }},
};

}  // namespace

std::string_view to_string(Verdict verdict) {
  return verdict == Verdict::works ? "works" : verdict == Verdict::later ? "later" : "broken";
}

Diagnosis diagnose(const Probe& probe, const HostProbe& host, const Surroundings& around) {
  const Case one{probe, host, around};
  for (const auto table : {std::span<const Cause>(kConnecting), std::span<const Cause>(kBeginning),
                           std::span<const Cause>(kDialog)})
    for (const Cause& cause : table)
      if (cause.fits(one)) return {cause.verdict, cause.word, cause.text(one)};
  return {};
}

std::vector<std::string_view> causes() {
  std::vector<std::string_view> words;
  for (const auto table : {std::span<const Cause>(kConnecting), std::span<const Cause>(kBeginning),
                           std::span<const Cause>(kDialog)})
    for (const Cause& cause : table) words.push_back(cause.word);
  return words;
}

}  // namespace posthorn::deliver
