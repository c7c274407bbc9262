#include "search/facts.h"

#include <algorithm>

#include "base/ascii.h"

namespace posthorn::search {
namespace {

constexpr std::string_view kNames[] = {"Date", "Subject", "From", "Sender",      "Reply-To",
                                       "To",   "Cc",      "Bcc",  "In-Reply-To", "Message-ID"};
static_assert(std::size(kNames) == kFieldNames);

}  // namespace

std::string_view to_string(FieldName name) {
  return kNames[static_cast<std::size_t>(name)];
}

std::optional<FieldName> find_field_name(std::string_view name) {
  for (std::uint8_t i = 0; i < kFieldNames; ++i)
    if (equals_ignoring_case(kNames[i], name)) return static_cast<FieldName>(i);
  return std::nullopt;
}

bool has_addresses(FieldName name) {
  return name >= FieldName::from && name <= FieldName::bcc;
}

const Field* HeaderFacts::find(FieldName name) const {
  const auto at = std::ranges::find(fields, name, &Field::name);
  return at == fields.end() ? nullptr : &*at;
}

}  // namespace posthorn::search
