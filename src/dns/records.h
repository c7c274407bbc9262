// Every record to publish for a domain of this server, as a pure function of what the server is;
// and the zone file that holds them. What is published already counts where two records would
// contradict each other: one SPF record, one DMARC policy.
//
// RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC), RFC 8461 (MTA-STS), RFC 8460 (TLS-RPT),
// RFC 6698 and 7672 (TLSA), RFC 6186, 8314 and 5804 (SRV), RFC 8659 (CAA).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "dns/marks.h"

namespace posthorn::dns {

// A service of mail programs, as others reach it: "imaps" at port 993.
struct Service {
  std::string name;  // of listen.*: "smtp", "submissions", "managesieve" …
  std::uint16_t port = 0;
};
enum class Web { off, http_only, https };

// This server. Names as to_dns_name() gives them.
struct Server {
  std::string host;
  std::vector<std::string> addresses;  // that the Internet reaches it by; empty: nobody here knows
  std::string relay;                   // relay_term(); empty: mail goes direct
  std::vector<Service> services;       // that listen
  Web web = Web::off;
  std::vector<std::string>
      keys;               // SHA-256 of the SubjectPublicKeyInfo that is shown, in hex digits
  std::string policy;     // MTA-STS, make_policy(); empty: there is none
  std::string authority;  // for CAA: "letsencrypt.org"; empty: nobody here knows
};
// The services as the configuration has them. One on loopback is nobody's outside, except where
// all of them are: then something else stands before the server.
std::vector<Service> find_services(const config::Listen& listen);
Web find_web(const config::Listen& listen);
// Of the directory of certificates: its authority's name for CAA; empty: unknown, or none.
std::string caa_authority(const std::string& directory);

struct Domain {
  std::string name;
  std::vector<KeyFacts> keys;
  std::string spf;    // as it is published; empty: there is none
  std::string dmarc;  // likewise, of the domain itself
};

struct Record {
  std::string owner;    // lower case, no final dot
  std::string type;     // "TXT"
  std::string data;     // as a zone file writes it
  std::string purpose;  // for people
};
std::string to_line(const Record& record);      // "example.org. IN MX 10 mx.example.org."
std::string quote_text(std::string_view text);  // as strings of at most 255 bytes

// The services that mail programs look for (RFC 6186 section 3.4): each has a record, of "." too.
struct ServiceName {
  std::string_view label;    // "_imaps._tcp"
  std::string_view service;  // of listen.*
  int priority;              // RFC 8314 section 5.1: TLS from the first byte is better
};
inline constexpr ServiceName kServiceNames[] = {
    {"_submissions._tcp", "submissions", 0},
    {"_submission._tcp", "submission", 10},
    {"_imaps._tcp", "imaps", 0},
    {"_imap._tcp", "imap", 10},
    {"_pop3s._tcp", "pop3s", 20},
    {"_pop3._tcp", "pop3", 30},
    {"_sieve._tcp", "managesieve", 0},
};
inline constexpr std::string_view kWebLabels[] = {"autoconfig", "autodiscover"};

std::vector<std::string> spf_wanted(const Server& server);  // the terms that let it send
std::vector<Record> make_records(const Server& server, const Domain& domain);

// A zone file that can be read as it is, with a comment a purpose. Records of other zones (PTR, a
// host elsewhere) stand in it as comments: each goes where its zone is kept.
std::string make_zone(const std::vector<Record>& records, const std::string& domain);

}  // namespace posthorn::dns
