// Refusal: that an address is not taken, and why. The reason is for metrics, logs and whoever goes
// on from it; code and text are for the peer, and nobody decides anything by them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn::route {

enum class Reason {
  unknown,    // nobody has the address
  expired,    // it was a rewritten sender's (SRS), and its time is over
  malformed,  // it is no address
  no_domain,  // a bare name, where none is completed
  relaying,   // it is of another server, and this sender may not write there
  not_owner,  // a sender's address, which is not the account's own
  expansion,  // an alias that leads to nobody, to too many, or never ends
  full,       // there is no room in the mailbox
  by_table    // the operator's transport table says so ("error:")
};
// As it stands in the line protocol.
std::string_view to_string(Reason reason);
std::optional<Reason> find_reason(std::string_view text);

struct Refusal {
  Reason reason;
  // What a peer is told; the text is fit to be sent.
  int code = 550;
  std::string enhanced;  // RFC 3463: "5.1.1"
  std::string text;
  // Of a plan: not before the message is so old (an error: transport with queue.error_delay).
  std::chrono::milliseconds after{0};
};

}  // namespace posthorn::route
