#include "app/make_role.h"

namespace posthorn::app {

std::unique_ptr<process::Role> make_role(process::RoleKind kind, process::RoleSetup setup) {
  switch (kind) {
    case process::RoleKind::edge:
      return make_edge(std::move(setup));
    case process::RoleKind::lookup:
      return make_lookup(std::move(setup));
    case process::RoleKind::queue:
      return make_queue(std::move(setup));
    case process::RoleKind::store:
      return make_store(std::move(setup));
    case process::RoleKind::web:
      return make_web(std::move(setup));
    case process::RoleKind::trail:
      return make_trail(std::move(setup));
    case process::RoleKind::acme:
      return make_acme(std::move(setup));
  }
  return nullptr;
}

}  // namespace posthorn::app
