// duplicate (RFC 7352), and by its first name vnd.dovecot.duplicate. What is noted is handed over
// when the script has ended well (section 3), and remembered by the host.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check(Checker& checker, Node& node, const syntax::Item& item) {
  const Arg* header = checker.find_tag(node, "header");
  if (header == nullptr) return;
  for (const std::string_view name : checker.constants(*header))
    if (!is_field_name(name))
      checker.fault(item.at, fmt::format("\"{}\" is no name of a header field", name));
}

// Section 3.1: of a header field, of a text, else Message-ID; empty: there is none.
std::string id_of(Run& run, const Call& call) {
  for (const std::string_view tag : {"uniqueid", "value"})
    if (const auto text = call.text(run, tag)) return std::string(*text);
  const std::string_view field = call.text(run, "header").value_or("message-id");
  const auto values = run.message().raw_values(field);
  return values.empty() ? std::string() : std::string(trim(values.front(), " \t\r\n"));
}

bool holds(Run& run, const Call& call) {
  const Settings& settings = run.settings();
  Seen seen;
  seen.id = id_of(run, call);
  if (seen.id.empty()) return false;  // section 3.1: what has no id is no duplicate
  seen.handle = call.text(run, "handle").value_or("");
  seen.period = settings.duplicate_default;
  if (const Arg* seconds = call.tag("seconds"))
    seen.period = std::chrono::seconds(
        std::min(seconds->number, static_cast<std::uint64_t>(settings.duplicate_max.count())));
  seen.is_last = call.has("last");
  if (!run.spend(10)) return false;
  const bool was_seen = run.ask(run.world().was_seen(seen));
  if (was_seen) run.tell_repeat();
  if (!run.has_ended()) (void)run.note(std::move(seen));
  return was_seen;
}

Extension row(std::string_view name, std::string_view standard, std::string_view other) {
  return {.name = name,
          .standard = standard,
          .tests = {{.name = "duplicate", .run = holds, .check = check}},
          .tags = {{.of = "duplicate", .name = "handle", .argument = Kind::string},
                   {.of = "duplicate", .name = "header", .argument = Kind::string, .group = "id"},
                   {.of = "duplicate", .name = "uniqueid", .argument = Kind::string, .group = "id"},
                   {.of = "duplicate", .name = "seconds", .argument = Kind::number},
                   {.of = "duplicate", .name = "last"}},
          .limits = "32 ids a message, remembered for 12 hours, `:seconds` up to 7 days",
          .excludes = other};
}

}  // namespace

Extension duplicate() {
  return row("duplicate", "RFC 7352", "vnd.dovecot.duplicate");
}

Extension vnd_dovecot_duplicate() {
  Extension vnd = row("vnd.dovecot.duplicate", "Dovecot's, before RFC 7352", "duplicate");
  vnd.tags.push_back({.of = "duplicate", .name = "value", .argument = Kind::string, .group = "id"});
  return vnd;
}

}  // namespace posthorn::sieve::extension
