// mime (RFC 5703 section 4): `:mime` makes header, address and exists look at the part that a loop
// is at, `:anychild` and at all within it; of Content-Type and Content-Disposition header can
// compare the pieces.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "message/charset.h"
#include "message/part.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/part_fields.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 2231 section 4: "charset'language'%41…".
std::string decode_extended(std::string_view value) {
  const std::size_t first = value.find('\'');
  const std::size_t second = first == value.npos ? value.npos : value.find('\'', first + 1);
  if (second == std::string_view::npos) return std::string(value);
  std::string bytes;
  const std::string_view text = value.substr(second + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' && i + 2 < text.size()
                          ? to_number<std::uint8_t>(text.substr(i + 1, 2), 16)
                          : std::nullopt;
    bytes += byte ? static_cast<char>(*byte) : text[i];
    if (byte) i += 2;
  }
  return message::to_utf8(bytes, value.substr(0, first)).value_or(bytes);
}

std::optional<std::string> parameter(const message::Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (equals_ignoring_case(key, name)) return message::decode_words(value);
    if (key.ends_with('*') && equals_ignoring_case(key.substr(0, key.size() - 1), name))
      return decode_extended(value);
  }
  return std::nullopt;
}

// Section 4.1: what `:type` and its like make of a field's value; none, where the field has no such
// piece.
std::vector<std::string> pieces_of(Run& run, const Call& call, std::string_view field,
                                   const std::string& value) {
  const Arg* const names = call.tag("param");
  const bool wants_type = call.has("type"), wants_subtype = call.has("subtype");
  if (names == nullptr && !wants_type && !wants_subtype && !call.has("contenttype")) return {value};
  const bool is_type = equals_ignoring_case(field, "Content-Type");
  if (!is_type && !equals_ignoring_case(field, "Content-Disposition")) return {};
  const message::ParameterizedValue parsed = message::parse_parameterized(value);
  if (names != nullptr) {
    std::vector<std::string> values;
    for (const std::string_view name : call.list(run, *names))
      if (auto found = parameter(parsed.parameters, name)) values.push_back(*std::move(found));
    return values;
  }
  const std::size_t slash = is_type ? parsed.value.find('/') : std::string::npos;
  if (wants_type) return {parsed.value.substr(0, slash)};
  if (wants_subtype)
    return {slash == std::string::npos ? std::string() : parsed.value.substr(slash + 1)};
  return {parsed.value};
}

bool holds_header(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  const auto names = call.list(run, 0);
  for (const std::size_t part : parts_asked(run, call))
    for (const std::string_view name : names)
      for (const std::string& value : part_field_values(run, call, part, name, Words::decoded))
        for (const std::string& piece : pieces_of(run, call, name, value))
          if (matcher.value(piece)) return true;
  return matcher.finish();
}

bool holds_address(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  const auto names = call.list(run, 0);
  for (const std::size_t place : parts_asked(run, call)) {
    for (const std::string_view name : names) {
      for (const std::string& value :
           part_field_values(run, call, place, name, Words::as_they_are)) {
        for (const AddressText& address : addresses_of(value)) {
          if (!address.domain && call.address_part().name != "all") continue;
          const auto part =
              call.address_part().part(run, address.local_part, address.domain.value_or(""));
          if (part && matcher.value(*part)) return true;
        }
      }
    }
  }
  return matcher.finish();
}

// Section 4.3: each of the fields is there, in whichever of the parts.
bool holds_exists(Run& run, const Call& call) {
  const auto parts = parts_asked(run, call);
  return std::ranges::all_of(call.list(run, 0), [&](std::string_view name) {
    return std::ranges::any_of(parts,
                               [&](std::size_t part) { return has_part_field(run, part, name); });
  });
}

void check_option(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "mime") == nullptr)
    checker.fault(item.at, "what stands with `:mime` (`:anychild`, `:type`, `:param` …) needs it");
}

TagRow option(std::string_view name, std::optional<Kind> argument = std::nullopt) {
  return {.of = "header",
          .name = name,
          .argument = argument,
          .group = "piece of the field",
          .check = check_option};
}

}  // namespace

Extension mime() {
  return {.name = "mime",
          .standard = "RFC 5703 section 4",
          .tags = {{.of = "header", .name = "mime", .test = holds_header},
                   {.of = "address", .name = "mime", .test = holds_address},
                   {.of = "exists", .name = "mime", .test = holds_exists},
                   {.of = "header address exists", .name = "anychild", .check = check_option},
                   option("type"),
                   option("subtype"),
                   option("contenttype"),
                   option("param", Kind::list)}};
}

}  // namespace posthorn::sieve::extension
