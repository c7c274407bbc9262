// Envelope: sender and recipients of one message, with what SMTP said about them (RFC 5321
// section 2.3.1, RFC 3461 for the notification wishes, RFC 6531 for SMTPUTF8). It travels from edge
// to queue to store by LMTP parameters and XFORWARD, and lies in the spool file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::message {

// RFC 3461 section 4.1 NOTIFY. Without the parameter: failure and delay.
struct Notify {
  bool never = false;
  bool success = false;
  bool failure = true;
  bool delay = true;
  bool operator==(const Notify&) const = default;
};

enum class Ret { unset, full, headers };

struct Recipient {
  std::string address;   // where it goes now: "bob@example.org"
  std::string original;  // ORCPT as given or made at RCPT, "rfc822;sales@example.org" (decoded);
                         // may be empty
  Notify notify;
  bool operator==(const Recipient&) const = default;
};

// Where the message came from, for Received, the log and the filter.
struct Origin {
  std::string session;         // session id, "s=" in the log
  std::string client_address;  // "192.0.2.1"
  std::string client_name;     // PTR name, verified; may be empty
  std::string helo;
  std::string protocol;  // RFC 3848: "SMTP", "ESMTP", "ESMTPSA", "LMTP" …
  std::string account;   // who authenticated; empty: a stranger
  bool operator==(const Origin&) const = default;
};

struct Envelope {
  std::string sender;  // empty: the null sender "<>"
  std::vector<Recipient> recipients;
  std::string id;  // ENVID (decoded); may be empty
  Ret ret = Ret::unset;
  bool eight_bit = false;  // BODY=8BITMIME
  bool smtputf8 = false;
  std::uint64_t declared_size = 0;  // SIZE=; 0: not said
  Origin origin;
  bool operator==(const Envelope&) const = default;
};

}  // namespace posthorn::message
