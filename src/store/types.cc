#include "store/types.h"

#include <utility>

#include "message/headers.h"

namespace posthorn::store {
namespace {

constexpr std::pair<std::string_view, Flags> kSystem[] = {{"\\Seen", flag::seen},
                                                          {"\\Answered", flag::answered},
                                                          {"\\Flagged", flag::flagged},
                                                          {"\\Deleted", flag::deleted},
                                                          {"\\Draft", flag::draft}};

}  // namespace

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

FlagNames split_flags(const std::vector<std::string>& names) {
  FlagNames split;
  for (const std::string& name : names) {
    if (!name.starts_with('\\')) {
      split.keywords.push_back(name);
      continue;
    }
    for (const auto& [text, flag] : kSystem)
      if (message::equals_ignoring_case(name, text))
        split.flags = static_cast<Flags>(split.flags | flag);
  }
  return split;
}

std::vector<std::string> flag_names(Flags flags) {
  std::vector<std::string> names;
  for (const auto& [text, flag] : kSystem)
    if ((flags & flag) != 0) names.emplace_back(text);
  return names;
}

}  // namespace posthorn::store
