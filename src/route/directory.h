// Directory: the questions about addresses that SMTP and the queue ask. In the lookup role it is
// answered from the tables; edge and queue ask it over the line protocol. An Error means "could not
// ask": 451, keep the mail.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/choices.h"
#include "net/task.h"
#include "route/explanation.h"
#include "route/refusal.h"

namespace posthorn::route {

template <class T>
using Answer = net::Task<std::expected<T, Refusal>>;

struct RecipientQuestion {
  std::string address;  // as in RCPT TO, without brackets; "postmaster" without a domain is allowed
  bool may_relay = false;       // to other servers: not for a stranger
  bool is_notice = false;       // of the null sender
  std::uint64_t size = 0;       // of the message, as its sender told it (RFC 1870); 0: not told
  Explanation* told = nullptr;  // where the way to the answer is written; never sent over a line
};

// Of the entries that led to a recipient these are told: the last ones, and of all recipients of an
// address as long as there is room.
constexpr std::size_t kWayMax = 8;
constexpr std::size_t kByMax = 16'384;  // octets

// The final recipients: aliases, lists and catch-alls expanded, each once. Local ones keep their
// +tag.
struct Expansion {
  std::vector<std::string> recipients;
  // Of each recipient, or of none: the entries that led to it, "maps/aliases:7, maps/mailboxes:3";
  // empty: none did. For records: nobody decides anything by it.
  std::vector<std::string> by = {};
  bool is_reversed = false;  // it was a rewritten sender's address (SRS)
};

struct SenderQuestion {
  std::string account;
  std::string address;
  Explanation* told = nullptr;
};

struct PlanQuestion {
  std::string address;  // a final recipient
  std::string sender;   // of the envelope; empty: nobody
  // Set for a sender who may not relay: what he wrote in RCPT TO. Only what that leads to by the
  // tables of now is delivered to another server.
  std::optional<std::string> named = {};
  Explanation* told = nullptr;
};

// by: the entries and settings that made it so, for records: "maps/transport:2, maps/relay-sasl:1".
struct LocalPlan {
  std::string account;  // "bob@example.org", canonical (lower case)
  std::string tag;      // "Work" of bob+Work@; may be empty
  std::string by = {};
};
struct RelayPlan {  // to a smarthost, or a transport table's next hop
  std::string host;
  std::uint16_t port = 25;
  bool use_mx = false;  // host is a domain whose MX records are to be asked (no brackets around it)
  std::string user;     // empty: no authentication
  std::string password;
  config::TlsPolicy tls = config::TlsPolicy::verify;
  // Where mail goes, in this order, that none of these hosts took or refused for good.
  std::vector<RelayPlan> fallbacks = {};
  std::string by = {};
};
struct MxPlan {
  std::string domain;  // or an address literal "[192.0.2.1]"
  std::vector<RelayPlan> fallbacks = {};
  std::string by = {};
};
using Plan = std::variant<LocalPlan, RelayPlan, MxPlan>;

class Directory {
 public:
  virtual ~Directory() = default;
  virtual Answer<Expansion> recipient(RecipientQuestion question) = 0;
  // May account send as address? (RFC 6409 section 6.1)
  virtual Answer<void> sender(SenderQuestion question) = 0;
  // How to deliver to a final recipient. A Refusal: bounce; of code 4xx: put off.
  virtual Answer<Plan> plan(PlanQuestion question) = 0;
  // The envelope sender with which mail of this sender is sent on to another server; the same one
  // where nothing is to be rewritten.
  virtual net::Task<std::string> rewrite(std::string sender) { co_return sender; }
};

}  // namespace posthorn::route
