#include "sieve/language/conflicts.h"

#include <fmt/format.h>

namespace posthorn::sieve {
namespace {

template <class T>
bool is(const Action& action) {
  return std::holds_alternative<T>(action.what);
}

bool delivers(const Action& action) {
  return is<Keep>(action) || is<FileInto>(action) || is<Redirect>(action);
}

}  // namespace

std::string_view name_of(const Action& action) {
  struct Names {
    std::string_view operator()(const Keep&) const { return "keep"; }
    std::string_view operator()(const FileInto&) const { return "fileinto"; }
    std::string_view operator()(const Redirect&) const { return "redirect"; }
    std::string_view operator()(const Discard&) const { return "discard"; }
    std::string_view operator()(const Reject& one) const {
      return one.how == Reject::How::reject ? "reject" : "ereject";
    }
    std::string_view operator()(const Vacation&) const { return "vacation"; }
    std::string_view operator()(const Notify&) const { return "notify"; }
    std::string_view operator()(const Report&) const { return "report"; }
  };
  return std::visit(Names{}, action.what);
}

bool answers_the_sender(const Action& action) {
  return is<Reject>(action) || is<Vacation>(action);
}

std::optional<std::string> conflict_of(std::span<const Action> taken, const Action& next) {
  for (const Action& other : taken) {
    // RFC 5230 section 4.7: one vacation a script.
    if (is<Vacation>(next) && is<Vacation>(other))
      return "a script may answer with `vacation` once";
    // RFC 5429 section 2.4: one reject, and never beside a vacation or what delivers the message:
    // the sender would be told that nobody has it.
    const bool is_reject = is<Reject>(next) || is<Reject>(other);
    const bool excludes = (answers_the_sender(next) && answers_the_sender(other)) ||
                          delivers(next) || delivers(other);
    if (is_reject && excludes)
      return fmt::format("`{}` cannot stand beside the `{}` of line {}", name_of(next),
                         name_of(other), other.line);
  }
  return std::nullopt;
}

}  // namespace posthorn::sieve
