#include "store/types.h"

namespace posthorn::store {

std::string_view to_string(SpecialUse use) {
  switch (use) {
    case SpecialUse::none:
      return "";
    case SpecialUse::drafts:
      return "\\Drafts";
    case SpecialUse::sent:
      return "\\Sent";
    case SpecialUse::trash:
      return "\\Trash";
    case SpecialUse::junk:
      return "\\Junk";
    case SpecialUse::archive:
      return "\\Archive";
  }
  return "";
}

}  // namespace posthorn::store
