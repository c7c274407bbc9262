// Envelope: sender and recipients of one message, with what SMTP said about them (RFC 5321
// section 2.3.1, RFC 3461 for the notification wishes, RFC 6531 for SMTPUTF8). It travels from edge
// to queue to store by LMTP parameters and XFORWARD, and lies in the spool file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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
  // What its sender wrote in RCPT TO; empty: the address itself. The right to go to another server
  // may follow from it: an alias of ours leads there.
  std::string named = {};
  bool operator==(const Recipient&) const = default;
};

// Who sent a message. It follows from the socket that the queue took it by and from what was proved
// there, never from what a neighbouring role says of it.
enum class SentBy {
  stranger,         // whoever connected: nothing is known of him
  user,             // a login, proved by a token of lookup's
  program,          // a process of this machine, whose account the kernel tells
  trusted_network,  // a client of smtp.relay_from
  notice,           // we ourselves: a bounce
  sent_on           // the store: a Sieve redirect of what somebody else wrote
};
inline constexpr std::pair<SentBy, std::string_view> kSentBy[] = {
    {SentBy::stranger, "stranger"}, {SentBy::user, "user"},
    {SentBy::program, "program"},   {SentBy::trusted_network, "trusted-network"},
    {SentBy::notice, "notice"},     {SentBy::sent_on, "sent-on"}};
constexpr std::string_view to_string(SentBy by) {
  for (const auto& [value, name] : kSentBy)
    if (value == by) return name;
  return "stranger";
}
// A stranger, who has no rights, where the name is none of ours.
constexpr SentBy find_sent_by(std::string_view text) {
  for (const auto& [value, name] : kSentBy)
    if (name == text) return value;
  return SentBy::stranger;
}
// Somebody of ours wrote it: it may be signed in our name.
constexpr bool is_ours(SentBy by) {
  return by != SentBy::stranger && by != SentBy::sent_on;
}

// Where the message came from. Rights follow from sent_by alone; the rest is for Received, the log
// and the filter.
struct Origin {
  SentBy sent_by = SentBy::stranger;
  std::string session;         // session id, "s=" in the log
  std::string client_address;  // "192.0.2.1"
  std::string client_name;     // PTR name, verified; may be empty
  std::string helo;
  std::string protocol;       // RFC 3848: "SMTP", "ESMTP", "ESMTPSA", "LMTP" …
  std::string account;        // of a user or a program; else empty
  std::string queue_id = {};  // from the queue to the store, "q=" in the log; never stored
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
  // From edge to the queue: what proves the account, once. Never stored, never logged.
  std::string token = {};
  bool operator==(const Envelope&) const = default;
};

}  // namespace posthorn::message
