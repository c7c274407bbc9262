#include "route/refusal.h"

#include <utility>

namespace posthorn::route {
namespace {

constexpr std::pair<Reason, std::string_view> kReasons[] = {
    {Reason::unknown, "unknown"},     {Reason::expired, "expired"},
    {Reason::malformed, "malformed"}, {Reason::no_domain, "no_domain"},
    {Reason::relaying, "relaying"},   {Reason::not_owner, "not_owner"},
    {Reason::expansion, "expansion"}, {Reason::full, "full"},
    {Reason::by_table, "by_table"},
};

}  // namespace

std::string_view to_string(Reason reason) {
  for (const auto& [known, text] : kReasons)
    if (known == reason) return text;
  return "unknown";
}

std::optional<Reason> find_reason(std::string_view text) {
  for (const auto& [reason, known] : kReasons)
    if (known == text) return reason;
  return std::nullopt;
}

}  // namespace posthorn::route
