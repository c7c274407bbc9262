// extlists (RFC 6134): values against lists that lie outside the script. Only what a setting names
// is a list; nothing that a script says is opened.
#include <fmt/format.h>

#include "sieve/extensions/addresses.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check_list_names(Checker& checker, const Arg& names, const syntax::Item& item) {
  for (const std::string_view name : checker.constants(names))
    if (!checker.settings().lists.contains(name))
      checker.warn(item.at, fmt::format("there is no list \"{}\"", name));
}

void check_match(Checker& checker, Node& node, const syntax::Item& item) {
  // The keys are the last argument.
  const auto& arguments = node.test != nullptr ? node.test->arguments : node.command->arguments;
  const std::size_t keys = arguments.size() - 1;
  check_list_names(checker, checker.positional(node, keys), item);
}

// Section 2.2.
bool is_in_list(Run& run, const Matching& /*matching*/, const MatchRow::Question& asked) {
  const std::string list(asked.key);
  if (!run.spend(10)) return false;
  if (!run.world().has_list(list)) {
    (void)run.fail(fmt::format("there is no list \"{}\"", list));
    return false;
  }
  if (!run.ask(run.world().is_listed(list, std::string(asked.folded)))) return false;
  if (run.wants_match_values()) run.set_match_values({std::string(asked.value)});
  return true;
}

// Section 2.5: all of them.
bool holds_valid(Run& run, const Call& call) {
  for (const std::string_view list : call.list(run, 0))
    if (!run.world().has_list(std::string(list))) return false;
  return true;
}

void check_redirect(Checker& checker, Node& node, const syntax::Item& item) {
  check_list_names(checker, checker.positional(node, 0), item);
}

// Section 2.4: to each member; a list may hold no more of them than a script may redirect to.
Flow redirect_to_list(Run& run, const Call& call) {
  const std::string list(call.text(run, 0));
  if (!run.world().has_list(list)) return run.fail(fmt::format("there is no list \"{}\"", list));
  const auto members = run.ask(run.world().list_members(list));
  if (run.has_ended()) return Flow::failed;
  if (!members)
    return run.fail(
        fmt::format("the list \"{}\" answers for one value, it cannot be read as a "
                    "whole: nothing can be redirected to it",
                    list));
  for (const std::string& member : *members) {
    auto address = bare_address(member);
    if (!address) {
      run.doubt(fmt::format("redirect: \"{}\" of the list \"{}\" is no address", member, list));
      continue;
    }
    if (run.act(call, {.what = Redirect{*std::move(address)}}) != Flow::next) return Flow::failed;
  }
  return Flow::next;
}

}  // namespace

Extension extlists() {
  return {.name = "extlists",
          .standard = "RFC 6134",
          .tests = {{.name = "valid_ext_list",
                     .arguments = {{"lists", Kind::list}},
                     .run = holds_valid}},
          .tags = {{.of = "redirect",
                    .name = "list",
                    .check = check_redirect,
                    .command = redirect_to_list}},
          .match_types = {{.name = "list", .holds = is_in_list, .check = check_match}},
          .limits = "the lists of [sieve.lists]"};
}

}  // namespace posthorn::sieve::extension
