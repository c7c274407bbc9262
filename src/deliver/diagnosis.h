// Diagnosis: why a probe of a host ended where it did, and what to change, in a plain sentence
// each; a table of causes, the first that fits counts. Knows no more than the probe tells: no
// network, no file. For the administrator; nothing of it is said to a peer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "deliver/probe.h"

namespace posthorn::deliver {

// What the probe itself does not know.
struct Surroundings {
  std::string login_place;  // "maps/relay-sasl:7"; empty: there is no login
  std::string login_table;  // "maps/relay-sasl"
  std::string sender;       // of the envelope that was tried
  bool has_trust_file = false;
};

struct Diagnosis {
  enum class Verdict {
    works,
    later,  // it may pass by itself
    broken  // it stays so until something is changed
  };
  Verdict verdict = Verdict::works;
  std::string_view cause;  // a word for scripts: "wrong_login"
  std::string text;        // what it is, and what to do
};
std::string_view to_string(Diagnosis::Verdict verdict);

Diagnosis diagnose(const Probe& probe, const HostProbe& host, const Surroundings& around);

// Every word there is, in the order in which they are tried.
std::vector<std::string_view> causes();

}  // namespace posthorn::deliver
