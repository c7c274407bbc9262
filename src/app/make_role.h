// The roles there are. Each role_*.cc is the table of contents of one: it makes the objects, joins
// them and opens the listeners; nothing of a protocol stands in it.
#pragma once

#include <memory>

#include "app/role.h"

namespace posthorn::app {

std::unique_ptr<Role> make_edge(RoleSetup setup);
std::unique_ptr<Role> make_lookup(RoleSetup setup);
std::unique_ptr<Role> make_queue(RoleSetup setup);
std::unique_ptr<Role> make_store(RoleSetup setup);
std::unique_ptr<Role> make_web(RoleSetup setup);

std::unique_ptr<Role> make_role(RoleKind kind, RoleSetup setup);

}  // namespace posthorn::app
