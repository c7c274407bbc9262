// The fence around a role: which files it may open and which system calls it may make, from its
// start to its end. A role that was taken over through a bug in a parser cannot read another role's
// files, start a program, open a port or reach for the kernel's rarer doors.
//
// Two mechanisms of the kernel, each used as far as it is there: Landlock for paths and a seccomp
// filter for system calls. What the filter refuses fails with EPERM, so nothing crashes by it.
#pragma once

#include <vector>

#include "config/config.h"
#include "process/sockets.h"

namespace posthorn::process {

// Which sockets the role may make and connect. nowhere: none at all; it takes connections from
// those it inherited, and its own to other roles are made by its dialer.
enum class Outward { nowhere, local_only, internet };

// Files or folders, each with all below it; those that do not exist are passed over.
struct Fence {
  std::vector<Path> read;
  std::vector<Path> write;  // includes read
  std::vector<Path> links;  // includes write; symbolic links may be made
  Outward outward = Outward::local_only;
  // internet: the TCP ports that may be connected to, where the kernel can tell them apart; empty:
  // all.
  std::vector<std::uint16_t> ports;
};

Fence fence_of(const config::Config& config, RoleKind role);

// What of it the kernel put up.
struct Fenced {
  int landlock = 0;  // the version of its interface; 0: none
  bool filter = false;
  std::string missing;  // why one of them is not there
};

// For this process and all it starts, for good. no_new_privs must be set, and no thread be running.
Fenced put_up(const Fence& fence);

}  // namespace posthorn::process
