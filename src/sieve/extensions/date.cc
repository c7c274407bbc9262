// date (RFC 5260 sections 4 and 5): `date` looks at the dates of header fields, `currentdate` at
// the clock.
#include <fmt/format.h>

#include "sieve/extensions/date_time.h"
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check_part(Checker& checker, const Node& node, const syntax::Item& item, std::size_t which) {
  for (const std::string_view name : checker.constants(checker.positional(node, which)))
    if (find_date_part(name) == nullptr)
      checker.warn(item.at, fmt::format("a date has no part \"{}\"", name));
}

void check_date(Checker& checker, Node& node, const syntax::Item& item) {
  check_field_names(checker, node, item, 0);
  check_part(checker, node, item, 1);
}

void check_currentdate(Checker& checker, Node& node, const syntax::Item& item) {
  check_part(checker, node, item, 0);
}

void check_zone(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view zone : checker.constants(*checker.find_tag(node, "zone")))
    if (!parse_zone(zone))
      checker.fault(item.at,
                    fmt::format("\"{}\" is no time zone: it is written as \"+0100\"", zone));
}

// Section 4.1: of the machine, where the script says nothing.
std::chrono::minutes zone_of(Run& run, const Call& call) {
  if (const auto text = call.text(run, "zone")) {
    if (const auto zone = parse_zone(*text)) return *zone;
    run.doubt(fmt::format("\"{}\" is no time zone", *text));
  }
  return run.input().zone;
}

// Section 4: of Received and its like the date stands behind the last semicolon.
std::string_view date_of(std::string_view value) {
  const std::size_t semicolon = value.rfind(';');
  return semicolon == std::string_view::npos ? value : value.substr(semicolon + 1);
}

bool holds_date(Run& run, const Call& call) {
  Matcher matcher(run, call, 2);
  const DatePart part = find_date_part(call.text(run, 1));
  if (part == nullptr) return false;
  for (const std::string& value : field_values(run, call, call.text(run, 0), Words::as_they_are)) {
    auto when = parse_date_time(date_of(value));
    if (!when) continue;
    if (!call.has("originalzone")) when->zone = zone_of(run, call);
    if (matcher.value(part(*when))) return true;
  }
  return matcher.finish();
}

bool holds_currentdate(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  const DatePart part = find_date_part(call.text(run, 0));
  if (part == nullptr) return false;
  const DateTime now{std::chrono::floor<std::chrono::seconds>(run.input().now), zone_of(run, call)};
  return matcher.value(part(now)) || matcher.finish();
}

}  // namespace

Extension date() {
  return {.name = "date",
          .standard = "RFC 5260",
          .tests = {{.name = "date",
                     .arguments = {{"a header field", Kind::string},
                                   {"a part of the date", Kind::string},
                                   {"keys", Kind::list}},
                     .run = holds_date,
                     .check = check_date,
                     .compares = Compares::yes},
                    {.name = "currentdate",
                     .arguments = {{"a part of the date", Kind::string}, {"keys", Kind::list}},
                     .run = holds_currentdate,
                     .check = check_currentdate,
                     .compares = Compares::yes}},
          .tags = {{.of = "date currentdate",
                    .name = "zone",
                    .argument = Kind::string,
                    .group = "zone",
                    .check = check_zone},
                   {.of = "date", .name = "originalzone", .group = "zone"}}};
}

}  // namespace posthorn::sieve::extension
