#include "imap/server/observer.h"

#include "search/marks.h"

namespace posthorn::imap {

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::append:
      return "APPEND";
    case Cause::copy:
      return "COPY";
    case Cause::flag:
      return "FLAG";
  }
  return "";
}

ChangedFlags changed_flags(const Happening& happening, const store::FlagChange& change) {
  const auto names = [&](store::Flags flags, const store::Keywords& keywords) {
    std::vector<std::string> out = store::flag_names(flags);
    for (const std::string_view name : happening.keywords->names_of(keywords))
      out.emplace_back(name);
    return out;
  };
  const auto without = [](store::Flags some, store::Flags others) {
    return static_cast<store::Flags>(some & ~others);
  };
  return {.set = names(without(change.flags, change.flags_before),
                       change.keywords - change.keywords_before),
          .cleared = names(without(change.flags_before, change.flags),
                           change.keywords_before - change.keywords)};
}

}  // namespace posthorn::imap
