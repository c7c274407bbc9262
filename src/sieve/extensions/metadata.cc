// mboxmetadata and servermetadata (RFC 5490 sections 4 and 5): annotations of a mailbox and of the
// server, as IMAP's METADATA has them (RFC 5464).
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/mailbox_names.h"
#include "sieve/extensions/table.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// RFC 5464 section 3.1: below /private/ or /shared/, no `*` or `%`, no two `/`, none at the end.
bool is_entry(std::string_view name) {
  const std::string lower = to_lower(name);
  if (!lower.starts_with("/private/") && !lower.starts_with("/shared/")) return false;
  return is_ascii(name) && name.find_first_of("*%") == name.npos && !name.ends_with('/') &&
         name.find("//") == name.npos &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c != 0x7F; });
}

void check_entries(Checker& checker, const Arg& entries, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(entries))
    if (!is_entry(name))
      checker.warn(item.at, fmt::format("\"{}\" is no name of an annotation: they begin with "
                                        "/private/ or /shared/",
                                        name));
}

void check_of_mailbox(Checker& checker, Node& node, const syntax::Item& item) {
  check_mailbox_names(checker, checker.positional(node, 0), item);
  check_entries(checker, checker.positional(node, 1), item);
}

void check_of_server(Checker& checker, Node& node, const syntax::Item& item) {
  check_entries(checker, checker.positional(node, 0), item);
}

// An annotation's value; mailbox empty: the server's. nullopt: it is not there.
std::optional<std::string> value_of(Run& run, std::string_view mailbox, std::string_view entry) {
  if (!run.spend(10) || !is_entry(entry)) return std::nullopt;
  return run.ask(run.world().find_annotation(std::string(mailbox), to_lower(entry)));
}

// Sections 4.1 and 5.1: what is not there has no value that could match, not even "".
bool holds_value(Run& run, const Call& call, std::size_t keys, std::string_view mailbox,
                 std::string_view entry) {
  Matcher matcher(run, call, keys);
  const auto value = value_of(run, mailbox, entry);
  if (run.has_ended()) return false;
  return (value && matcher.value(*value)) || matcher.finish();
}

// Sections 4.2 and 5.2: all of them.
bool holds_exists(Run& run, const Call& call, std::size_t entries, std::string_view mailbox) {
  for (const std::string_view entry : call.list(run, entries))
    if (!value_of(run, mailbox, entry)) return false;
  return true;
}

bool holds_metadata(Run& run, const Call& call) {
  const std::string_view mailbox = call.text(run, 0);
  return is_mailbox_name(mailbox) && holds_value(run, call, 2, mailbox, call.text(run, 1));
}

bool holds_metadataexists(Run& run, const Call& call) {
  const std::string_view mailbox = call.text(run, 0);
  return is_mailbox_name(mailbox) && holds_exists(run, call, 1, mailbox);
}

bool holds_servermetadata(Run& run, const Call& call) {
  return holds_value(run, call, 1, {}, call.text(run, 0));
}

bool holds_servermetadataexists(Run& run, const Call& call) {
  return holds_exists(run, call, 0, {});
}

}  // namespace

Extension mboxmetadata() {
  return {.name = "mboxmetadata",
          .standard = "RFC 5490",
          .tests = {{.name = "metadata",
                     .arguments = {{"a mailbox", Kind::string},
                                   {"an annotation", Kind::string},
                                   {"keys", Kind::list}},
                     .run = holds_metadata,
                     .check = check_of_mailbox,
                     .compares = TestRow::Compares::yes},
                    {.name = "metadataexists",
                     .arguments = {{"a mailbox", Kind::string}, {"annotations", Kind::list}},
                     .run = holds_metadataexists,
                     .check = check_of_mailbox}}};
}

Extension servermetadata() {
  return {.name = "servermetadata",
          .standard = "RFC 5490",
          .tests = {{.name = "servermetadata",
                     .arguments = {{"an annotation", Kind::string}, {"keys", Kind::list}},
                     .run = holds_servermetadata,
                     .check = check_of_server,
                     .compares = TestRow::Compares::yes},
                    {.name = "servermetadataexists",
                     .arguments = {{"annotations", Kind::list}},
                     .run = holds_servermetadataexists,
                     .check = check_of_server}}};
}

}  // namespace posthorn::sieve::extension
