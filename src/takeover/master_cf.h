// Postfix's master.cf (master(5)): which services run where, and the settings that each has of its
// own (-o). Sans-I/O.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/finding.h"

namespace posthorn::takeover {

struct Service {
  std::string name;     // "smtp", "127.0.0.1:10025", "submission"
  std::string type;     // "inet", "unix", "fifo", "pass"
  std::string command;  // "smtpd", "pipe"
  std::size_t line = 0;
  std::map<std::string, std::string> overrides;  // of -o
};

struct MasterCf {
  std::string file;
  std::vector<Service> services;  // without those that are commented out
  config::Findings faults;
  // An inet service by one of its names ("submission", "587"), whatever address stands before it.
  const Service* find_inet(std::string_view name, std::string_view port) const;
};

MasterCf parse_master_cf(std::string_view text, const std::string& file);

}  // namespace posthorn::takeover
