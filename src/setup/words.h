// What `posthorn init` says around its questions: what it is about to write, and what to do next,
// in the order that matters.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "setup/answers.h"
#include "setup/settings_edit.h"

namespace posthorn::setup {

struct Undertaking {
  Answers answers;
  Path folder;
  std::string profile = "default";
  std::vector<Change> changes;     // of a posthorn.toml that is there
  bool is_there = false;           // that one
  std::vector<std::string> added;  // domains that an instance which is there lacks
};

// Before the last question: every file, and what of the answers goes into it. No secret.
std::string tell_plan(const Undertaking& undertaking);

struct Standing {
  std::string conf;  // behind each command: " -c /srv/posthorn/conf/posthorn.toml", or ""
  enum class Service { none, systemd, running } service = Service::none;
  bool has_dkim_keys = false;
  bool is_migrated = true;  // false: the tables are PostgreSQL's, and there are none yet
};
// Without a heading: numbered steps, each with its commands on lines of their own.
std::string tell_next_steps(const Undertaking& undertaking, const Standing& standing);

}  // namespace posthorn::setup
