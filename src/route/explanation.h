// Explanation: what was looked up and decided on the way to an answer, in order, and on which line,
// row or setting each step rests. The code that decides writes it while it decides (inquiry.h), so
// it cannot tell of what was not done. It is bounded, and no secret gets into it: of the login at a
// relay it has the user alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "maps/table.h"

namespace posthorn::route {

enum class Decision {
  lookup,         // a table was asked
  unasked,        // something could not be asked
  networks,       // whether the client's address may relay
  banned,         // whether it is banned from logging in
  may_relay,      // mail to other servers is taken
  any_sender,     // nobody asks whose the sender's address is
  completed,      // a bare name got a domain
  any_domain,     // every domain is ours
  local_part,     // the domain of an address does not count
  tag_cut,        // looked for without its +tag
  catch_all,      // the domain's own entry
  same_name,      // "@other": the same name in another domain
  own_mailbox,    // an alias that names itself means its mailbox
  mailbox,        // a recipient of ours
  any_mailbox,    // every name is a mailbox
  vuser,          // vusers says whose the name is
  remote,         // a recipient of another server
  target_gone,    // an alias's target that nobody has
  role_address,   // postmaster and abuse go to somebody
  own_host,       // an address of this machine's own name
  srs_reversed,   // a rewritten sender's address leads back
  relay_denied,   // another server's, and this sender may not write there
  refused,        // any other no
  sender_own,     // the sender's address is the account's
  sender_listed,  // senders gives it to the account
  sender_leads,   // it leads to the account's mailbox
  room,           // whether there is room in a mailbox
  transport,      // the transport table says how
  sender_relay,   // the sender's own relay
  relayhost,      // everybody's relay
  mx,             // by the MX records of the domain
  relay_login,    // with this user, or without a login
  fallback,       // where it goes when those hosts do not take it
  rewritten       // the sender as it leaves
};
std::string_view to_string(Decision decision);
std::optional<Decision> find_decision(std::string_view text);

// What a decision rests on: an entry of a table, or a setting.
struct Basis {
  maps::Place place = {};
  std::string_view setting = {};  // "relay.relayhost"
  std::string text() const;
};

struct Step {
  Decision decision = Decision::lookup;
  std::string text;   // a plain sentence
  std::string basis;  // "maps/aliases:7"; of what was not found, the tables that were asked
  std::string table = {}, key = {};       // of a lookup
  std::optional<std::string> found = {};  // likewise
};

class Explanation {
 public:
  static constexpr std::size_t kStepsMax = 300;
  static constexpr std::size_t kTextMax = 1000;  // octets of each text

  void add(Step step);
  const std::vector<Step>& steps() const { return steps_; }
  // How many more there were.
  std::size_t left_out() const { return left_out_; }
  void leave_out(std::size_t count) { left_out_ += count; }

 private:
  std::vector<Step> steps_;
  std::size_t left_out_ = 0;
};

}  // namespace posthorn::route
