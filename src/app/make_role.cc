#include "app/make_role.h"

namespace posthorn::app {

std::unique_ptr<Role> make_role(RoleKind kind, RoleSetup setup) {
  switch (kind) {
    case RoleKind::edge:
      return make_edge(std::move(setup));
    case RoleKind::lookup:
      return make_lookup(std::move(setup));
    case RoleKind::queue:
      return make_queue(std::move(setup));
    case RoleKind::store:
      return make_store(std::move(setup));
    case RoleKind::web:
      return make_web(std::move(setup));
  }
  return nullptr;
}

}  // namespace posthorn::app
