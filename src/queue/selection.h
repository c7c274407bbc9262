// Selection: which messages of the queue are meant, as a command names them by filters. All that
// are given must hold; those that tell of a recipient (to, domain, relay, reason) must hold of one
// and the same recipient that waits. Asks nobody and touches no disk: evaluated in the role's own
// thread, for each message of a page.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "net/line_channel.h"
#include "queue/spool.h"

namespace posthorn::queue {

enum class State { incoming, active, deferred, hold };
std::string_view to_string(State state);

// An address or a part of one, folded: lower case, its domain in ASCII.
struct AddressFilter {
  std::string address;  // empty: the null sender
  bool is_domain = false;
};

// A destination as it is asked for or was asked: "mx.far.test[192.0.2.1]:25", "[smart.test]:587",
// "far.test", "local".
struct RelayFilter {
  std::string name, address;  // either may be empty
  std::string port;           // empty: any
};

struct Selection {
  std::optional<AddressFilter> from, to;  // "@example.org": any address of the domain
  std::optional<AddressFilter> domain;    // of a recipient
  std::optional<RelayFilter> relay;
  std::optional<std::string> reason;  // a part of it, in lower case
  std::optional<State> state;
  std::optional<std::chrono::milliseconds> older;

  bool is_empty() const { return !from && !to && !domain && !relay && !reason && !state && !older; }
};

// The fields from= to= domain= relay= reason= state= older= of a request; others are passed over.
// An Error (permanent) is a sentence that names the value.
Result<Selection> parse_selection(const net::Message& request);

// A message as a selection looks at it.
struct Candidate {
  const Stored& stored;
  State state = State::incoming;
  std::chrono::milliseconds age{0};
  std::string_view reason = {};  // of all recipients, in place of what was last said; empty: none
};
bool matches(const Selection& selection, const Candidate& candidate);

// Where a recipient's mail was last taken to, or else is to go; empty: not known yet.
std::string_view destination_of(const RecipientStatus& recipient);

}  // namespace posthorn::queue
