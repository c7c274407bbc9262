// The manual pages: posthorn(1), a page a command, posthorn.toml(5), posthorn-tables(5),
// posthorn-events(7), posthorn-metrics(7). They are made of what the program itself knows and
// prints (its command line, its keys, its events, its metrics, its sample tables), so no text
// stands twice. In the man macros of roff, man(7).
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/command.h"

namespace posthorn::tools {

struct Sample {
  std::string_view file;  // "maps/aliases"
  std::string_view text;  // as `posthorn init` writes it
};

struct Sources {
  Command program;
  std::span<const ExitCode> exit_codes;
  std::string defaults;  // as `posthorn defaults` prints it
  std::vector<Sample> tables;
  std::string_view version;
  std::chrono::sys_days date;
};

struct Page {
  std::string name;  // "posthorn-queue"
  int section = 1;
  std::string text;
};

std::vector<Page> make_manual(const Sources& sources);

// The day the pages bear: SOURCE_DATE_EPOCH where the environment sets it, so that a build can be
// repeated (https://reproducible-builds.org/specs/source-date-epoch/); else today.
std::chrono::sys_days manual_date();

// What `posthorn man` was asked for; its exit status.
struct ManualOptions {
  std::string page;    // "posthorn-queue", or "queue"; empty: their names
  std::string folder;  // all of them as man1/posthorn.1 … below it
};
int run_manual(const Sources& sources, const ManualOptions& options);

}  // namespace posthorn::tools
