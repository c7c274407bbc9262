// One test of the language asked of one mail: "does `header :is …` hold?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "world_for_tests.h"

namespace posthorn::sieve {

struct Question {
  std::string_view requires_;  // "\"date\", \"relational\""
  std::string mail;
  Tried tried = {};

  // "yes", "no", or why the script is none or failed.
  std::string ask(std::string_view test) {
    const std::string script =
        "require [" + std::string(requires_) + "];\nif " + std::string(test) + " { discard; }";
    const std::string answer = told(tried.run(script, mail));
    return answer == "discard" ? "yes" : answer == "keep" ? "no" : answer;
  }
};

struct Asked {
  std::string_view test;
  std::string_view answer;
};

// The first fault of a script, without its place.
inline std::string first_fault(std::string_view script, const CompileSettings& settings = {}) {
  const auto faults = compile(script, settings).faults;
  return faults.empty() ? "" : faults.front().text;
}

}  // namespace posthorn::sieve
