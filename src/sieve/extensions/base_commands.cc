// The commands of the base language (RFC 5228 sections 3 and 4).
#include <fmt/format.h>

#include "base/ascii.h"
#include "message/mailbox_address.h"
#include "sieve/extensions/addresses.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Section 3.2.
void check_require(Checker& checker, Node& node, const syntax::Item& item) {
  const Arg& names = checker.positional(node, 0);
  for (std::uint32_t i = 0; i < names.count; ++i) {
    const std::string name(checker.program().text(checker.program().strings[names.first + i]));
    const Position at = item.arguments.front().texts[i].at;
    if (!checker.require(name)) checker.fault(at, checker.why_not(name));
    for (const Extension* one : checker.language()) {
      if (!equals_ignoring_case(one->name, name) || !checker.has(name)) continue;
      if (!one->doubt.empty()) checker.warn(at, std::string(one->doubt));
      if (!one->excludes.empty() && checker.has(one->excludes))
        checker.fault(at,
                      fmt::format("`{}` and `{}` exclude each other", one->name, one->excludes));
    }
  }
}

Flow stop(Run& /*run*/, const Call& /*call*/) {
  return Flow::stopped;
}

Flow keep(Run& run, const Call& call) {
  return run.act(call, {.what = Keep{}});
}

Flow discard(Run& run, const Call& call) {
  return run.act(call, {.what = Discard{}});
}

// Section 4.2.
void check_redirect(Checker& checker, Node& node, const syntax::Item& item) {
  if (checker.find_tag(node, "list") != nullptr) return;  // RFC 6134: it names a list
  for (const std::string_view address : checker.constants(checker.positional(node, 0)))
    if (!bare_address(address))
      checker.fault(item.at, fmt::format("`redirect` needs an address, found \"{}\"", address));
}

Flow redirect(Run& run, const Call& call) {
  const auto text = call.text(run, 0);
  auto address = bare_address(text);
  if (!address) return run.fail(fmt::format("redirect: \"{}\" is no address", text));
  return run.act(call, {.what = Redirect{*std::move(address)}});
}

}  // namespace

Extension base_commands() {
  return {
      .name = "",
      .standard = "RFC 5228",
      .commands = {
          {.name = "require", .arguments = {{"extensions", Kind::list}}, .check = check_require},
          {.name = "if", .tests = Tests::one, .block = Block::needed, .branch = Branch::opens},
          {.name = "elsif", .tests = Tests::one, .block = Block::needed, .branch = Branch::follows},
          {.name = "else", .block = Block::needed, .branch = Branch::ends},
          {.name = "stop", .run = stop},
          {.name = "keep", .run = keep},
          {.name = "discard", .run = discard},
          {.name = "redirect",
           .arguments = {{"an address", Kind::string}},
           .run = redirect,
           .check = check_redirect}}};
}

}  // namespace posthorn::sieve::extension
