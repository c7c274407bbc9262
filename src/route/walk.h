// What the files that answer for LocalDirectory share. Private to this folder.
#pragma once

#include <fmt/format.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "route/local_directory.h"

namespace posthorn::route {

// One expansion: an address, what it leads to, and all that those lead to.
struct LocalDirectory::Walk {
  struct Gone {
    std::string alias, target;
  };
  // An entry on the way, and the one before it, counted from 1.
  struct Mark {
    Basis basis;
    std::size_t before = 0;  // 0: none
  };
  void enter(const Basis& basis) {
    marks.push_back({basis, at});
    at = marks.size();
  }
  void leave() { at = marks[at - 1].before; }
  Expansion take_expansion();

  std::vector<std::string> found;
  std::vector<std::size_t> ways;  // the last mark on the way to each
  std::vector<Mark> marks;
  std::size_t at = 0;  // the last mark on the way to where it is now
  std::set<std::string> seen;
  std::set<std::string> visited;  // aliases on the way, so that a loop ends
  std::vector<Gone> gone;         // targets that nobody has: the first few
  bool met_unknown = false;
  bool is_for_role = false;  // somebody is looked for who gets postmaster's or abuse's mail
};

inline Refusal unknown_user(const std::string& address) {
  return {Reason::unknown, 550, "5.1.1", fmt::format("<{}>: User unknown", address)};
}

inline bool is_unknown(const Refusal& refusal) {
  return refusal.reason == Reason::unknown;
}

inline std::pair<std::string, std::string> split(const std::string& address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos) return {address, ""};
  return {address.substr(0, at), address.substr(at + 1)};
}

}  // namespace posthorn::route
