// When a certificate is asked for: at a third of its life, or when the authority says (RFC 9773),
// and after a failure ever later, so that no directory is hammered, over restarts too. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "acme/protocol.h"
#include "base/clock.h"

namespace posthorn::acme {

// What is known of one certificate beside the pair itself: an entry of state.json.
struct Entry {
  std::string name;                // its first name, and its file's
  std::vector<std::string> names;  // that are wanted
  std::string issuer;
  WallTime issued{};  // {}: there is none yet
  WallTime ends{};
  WallTime attempted{};  // the last time it was asked for
  std::string error;     // of that attempt; empty: it went well
  std::string remedy;
  std::uint32_t failures = 0;  // since the last that went well
  bool is_revoked = false;     // another one is wanted, and with another key
  WallTime not_before{};       // the authority wants no attempt before it
  // RFC 9773: the window, and when it is asked for again.
  std::optional<Window> window = {};
  WallTime window_due{};
};

// What of the pair on disk matters.
struct Life {
  WallTime begins{}, ends{};
  std::vector<std::string> names;
  std::string fingerprint;  // from which the jitter follows: the same after a restart
};

struct Due {
  WallTime at{};
  std::string reason;  // "there is none yet", "a third of its life is left"
};
// life: nullopt: there is no pair that can be used.
Due find_due(const Entry& entry, const std::optional<Life>& life);

// How long after so many failures; a name's own jitter is in it.
std::chrono::milliseconds backoff(std::uint32_t failures, const std::string& name);

// A number in [0, 1) that follows from the text.
double fraction_of(const std::string& text);

}  // namespace posthorn::acme
