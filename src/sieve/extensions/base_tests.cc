// The tests, match types and address parts of the base language (RFC 5228 sections 2.7 and 5).
#include <fmt/format.h>

#include "message/mailbox_address.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/field_values.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/matcher.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

bool holds_all(Run& run, const Call& call) {
  for (const Node& test : call.tests())
    if (!run.holds(call.program(), test)) return false;
  return true;
}

bool holds_any(Run& run, const Call& call) {
  for (const Node& test : call.tests())
    if (run.holds(call.program(), test)) return true;
  return false;
}

bool holds_not(Run& run, const Call& call) {
  return !run.holds(call.program(), call.tests().front());
}

void check_header(Checker& checker, Node& node, const syntax::Item& item) {
  check_field_names(checker, node, item, 0);
}

// Section 5.7.
bool holds_header(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  for (const std::string_view name : call.list(run, 0))
    for (const std::string& value : field_values(run, call, name, Words::decoded))
      if (matcher.value(value)) return true;
  return matcher.finish();
}

// Section 5.1: only fields that hold addresses.
void check_address(Checker& checker, Node& node, const syntax::Item& item) {
  check_field_names(checker, node, item, 0);
  for (const std::string_view name : checker.constants(checker.positional(node, 0)))
    if (is_field_name(name) && !holds_addresses(name))
      checker.fault(item.at,
                    fmt::format("`address` cannot look at `{}`: it holds no addresses", name));
}

bool holds_address(Run& run, const Call& call) {
  Matcher matcher(run, call, 1);
  for (const std::string_view name : call.list(run, 0)) {
    for (const std::string& value : field_values(run, call, name, Words::as_they_are)) {
      for (const AddressText& address : addresses_of(value)) {
        // Section 2.7.4: what is no address has no parts.
        if (!address.domain && call.address_part().name != "all") continue;
        const auto part =
            call.address_part().part(run, address.local_part, address.domain.value_or(""));
        if (part && matcher.value(*part)) return true;
      }
    }
  }
  return matcher.finish();
}

// Section 5.5.
bool holds_exists(Run& run, const Call& call) {
  for (const std::string_view name : call.list(run, 0))
    if (!run.message().has(name)) return false;
  return true;
}

// Section 5.9.
bool holds_size(Run& run, const Call& call) {
  const std::uint64_t size = run.message().size();
  if (const Arg* over = call.tag("over")) return size > over->number;
  return size < call.tag("under")->number;
}

void check_size(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "over") == nullptr && checker.find_tag(node, "under") == nullptr)
    checker.fault(item.at, "`size` needs `:over` or `:under` with a number");
}

// Section 2.7.1.
bool is_same(Run& /*run*/, const Matching& /*matching*/, const MatchRow::Question& asked) {
  return asked.folded == asked.folded_key;
}

bool contains(Run& /*run*/, const Matching& /*matching*/, const MatchRow::Question& asked) {
  return find_text(asked.folded, asked.folded_key) != std::string_view::npos;
}

bool matches(Run& run, const Matching& matching, const MatchRow::Question& asked) {
  const auto any = static_cast<std::uint64_t>(std::ranges::count(asked.folded_key, '?'));
  if (!run.spend(any * asked.folded.size() / 64)) return false;
  std::vector<std::string> captures;
  const bool is_wanted = run.wants_match_values();
  if (!matches_glob(asked.folded_key, asked.folded, asked.value, *matching.comparator,
                    is_wanted ? &captures : nullptr))
    return false;
  if (is_wanted) run.set_match_values(std::move(captures));
  return true;
}

std::optional<std::string> all_of(Run& /*run*/, std::string_view local, std::string_view domain) {
  if (domain.empty()) return std::string(local);
  // With quotes where it needs them, as an address is written.
  return message::format_mailbox_address({std::string(local), std::string(domain)});
}

std::optional<std::string> local_of(Run& /*run*/, std::string_view local,
                                    std::string_view /*domain*/) {
  return std::string(local);
}

std::optional<std::string> domain_of(Run& /*run*/, std::string_view /*local*/,
                                     std::string_view domain) {
  if (domain.empty()) return std::nullopt;
  return std::string(domain);
}

}  // namespace

Extension base_tests() {
  using Compares = TestRow::Compares;
  const auto yes = [](Run& /*run*/, const Call& /*call*/) { return true; };
  const auto no = [](Run& /*run*/, const Call& /*call*/) { return false; };
  return {.name = "",
          .standard = "RFC 5228",
          .tests =
              {
                  {.name = "true", .run = yes},
                  {.name = "false", .run = no},
                  {.name = "not", .run = holds_not, .tests = Tests::one},
                  {.name = "anyof", .run = holds_any, .tests = Tests::list},
                  {.name = "allof", .run = holds_all, .tests = Tests::list},
                  {.name = "header",
                   .arguments = {{"header fields", Kind::list}, {"keys", Kind::list}},
                   .run = holds_header,
                   .check = check_header,
                   .compares = Compares::yes},
                  {.name = "address",
                   .arguments = {{"header fields", Kind::list}, {"keys", Kind::list}},
                   .run = holds_address,
                   .check = check_address,
                   .compares = Compares::addresses},
                  {.name = "exists",
                   .arguments = {{"header fields", Kind::list}},
                   .run = holds_exists,
                   .check = check_header},
                  {.name = "size", .run = holds_size, .check = check_size},
              },
          .tags = {{.of = "size", .name = "over", .argument = Kind::number, .group = "size"},
                   {.of = "size", .name = "under", .argument = Kind::number, .group = "size"}},
          .match_types = {{.name = "is", .holds = is_same},
                          {.name = "contains", .holds = contains, .parts = MatchRow::Parts::yes},
                          {.name = "matches", .holds = matches, .parts = MatchRow::Parts::yes}},
          .address_parts = {{"all", all_of}, {"localpart", local_of}, {"domain", domain_of}}};
}

}  // namespace posthorn::sieve::extension
