// Record: one event of the log as the trail keeps it: what happened, when, to which mail. As text,
// on the way from a role to the trail and on disk, it is a line "<ms> <event> <session> <queue id>"
// ("-": none) and a line "key=value" for each detail, in order; a key may stand more than once.
// Bytes in, values out; whoever reads one that another role wrote believes nothing of it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"

namespace posthorn::trail {

struct Record {
  WallTime at{};
  std::string event;     // "queue.delivered"
  std::string session;   // empty: none
  std::string queue_id;  // empty: none
  std::vector<std::pair<std::string, std::string>> details;
  // Who said so: "edge", "lookup", "queue", "store". Follows from the socket; never in the text.
  std::string source;

  std::string_view get(std::string_view key) const;  // the first; empty: it is not there
  std::vector<std::string_view> all(std::string_view key) const;
  bool operator==(const Record&) const = default;
};

// Bounds of one; what is longer is cut when it is made, and refused when it is read.
inline constexpr std::size_t kValueMax = 1000, kDetailsMax = 60, kTextMax = 8000;

std::string format_record(const Record& record);
// The same, of what is being logged.
std::string format_record(WallTime at, const log::Event& event, std::string_view session,
                          std::string_view queue, log::Fields fields);
// An Error: a fault in it.
Result<Record> parse_record(std::string_view text);

// Under what a record is found again.
enum class NameRole : std::uint8_t { sender, recipient, account, client, message_id };
struct Name {
  std::string text;  // in lower case; a Message-ID as it is, without its brackets
  NameRole role;
  bool operator==(const Name&) const = default;
};
std::vector<Name> names_of(const Record& record);
// Mail was not taken, or not delivered for good.
bool is_refusal(std::string_view event);
// The mail that came of it: a redirect, an answer, a notice of the queue's. Empty: none. Of edge's
// none is believed.
std::string_view child_of(const Record& record);

}  // namespace posthorn::trail
