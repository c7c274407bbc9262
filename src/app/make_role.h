// The roles there are. Each role_*.cc is the table of contents of one: it makes the objects, joins
// them and opens the listeners; nothing of a protocol stands in it.
#pragma once

#include <memory>

#include "process/role.h"

namespace posthorn::app {

std::unique_ptr<process::Role> make_edge(process::RoleSetup setup);
std::unique_ptr<process::Role> make_lookup(process::RoleSetup setup);
std::unique_ptr<process::Role> make_queue(process::RoleSetup setup);
std::unique_ptr<process::Role> make_store(process::RoleSetup setup);
std::unique_ptr<process::Role> make_web(process::RoleSetup setup);
std::unique_ptr<process::Role> make_trail(process::RoleSetup setup);
std::unique_ptr<process::Role> make_acme(process::RoleSetup setup);

std::unique_ptr<process::Role> make_role(process::RoleKind kind, process::RoleSetup setup);

}  // namespace posthorn::app
