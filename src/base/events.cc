#include "base/events.h"

namespace posthorn::event {

std::span<const log::Event> all() {
#define POSTHORN_EVENT_LIST(id, name, meaning) log::Event{name, meaning},
  static constexpr log::Event kEvents[] = {POSTHORN_EVENTS(POSTHORN_EVENT_LIST)};
#undef POSTHORN_EVENT_LIST
  return kEvents;
}

}  // namespace posthorn::event
