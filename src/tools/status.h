// `posthorn status`: a page of answers for whoever is woken at night. What is wrong stands on top,
// with what to do about it; then what runs, since when, and what it has to do. As text, or as JSON
// (tests/schemas/status.json); once, or again and again.
#pragma once

#include <optional>

#include "config/config.h"

namespace posthorn::tools {

struct StatusOptions {
  bool json = false;
  bool dns = false;                  // ask the DNS anew before
  std::optional<double> watch = {};  // seconds from one page to the next; unset: one page
};

// An exit code: 0, 1 (something is red), 3 (it does not run, as systemctl and the LSB have it). A
// page that was watched ends with 0, by Ctrl-C.
int print_status(const config::Config& config, const StatusOptions& options);

}  // namespace posthorn::tools
