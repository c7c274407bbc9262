#include "sieve/language/places.h"

namespace posthorn::sieve {
namespace {

Place* made(std::optional<Place>& place) {
  if (!place) place.emplace();
  return &*place;
}

}  // namespace

Place* place_of(Action& action) {
  if (auto* into = std::get_if<FileInto>(&action.what)) return &into->place;
  if (auto* vacation = std::get_if<Vacation>(&action.what)) return made(vacation->fcc);
  if (auto* notify = std::get_if<Notify>(&action.what)) return made(notify->fcc);
  return nullptr;
}

Flags* flags_of(Action& action) {
  if (auto* keep = std::get_if<Keep>(&action.what)) return &keep->flags;
  Place* place = place_of(action);
  return place == nullptr ? nullptr : &place->flags;
}

}  // namespace posthorn::sieve
