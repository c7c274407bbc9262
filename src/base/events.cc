#include "base/events.h"

namespace posthorn::event {

std::span<const log::Event> all() {
#define POSTHORN_EVENT_LIST(id, name, meaning) log::Event{name, meaning},
#define POSTHORN_TRAIL_LIST(id, senders, name, meaning) log::Event{name, meaning, senders},
  static constexpr log::Event kEvents[] = {
      POSTHORN_EVENTS(POSTHORN_EVENT_LIST, POSTHORN_TRAIL_LIST)};
#undef POSTHORN_EVENT_LIST
#undef POSTHORN_TRAIL_LIST
  return kEvents;
}

}  // namespace posthorn::event
