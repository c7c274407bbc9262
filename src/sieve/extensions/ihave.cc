// ihave (RFC 5463): what is asked for is required from here on, where it is there. What the checker
// makes of a block whose `ihave` is false stands in language/checker.cc.
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Section 4: all of them; they are required only if all are there.
void check(Checker& checker, Node& node, const syntax::Item& /*item*/) {
  const Arg& names = checker.positional(node, 0);
  node.extra = 1;
  for (std::uint32_t i = 0; i < names.count; ++i) {
    const Text& name = checker.program().strings[names.first + i];
    if (!checker.may_enable(checker.program().text(name))) node.extra = 0;
  }
  for (std::uint32_t i = 0; i < names.count && node.extra != 0; ++i) {
    const Text& name = checker.program().strings[names.first + i];
    (void)checker.require(std::string(checker.program().text(name)));
  }
}

bool holds(Run& /*run*/, const Call& call) {
  return call.node().extra != 0;
}

}  // namespace

Extension ihave() {
  return {.name = "ihave",
          .standard = "RFC 5463",
          .commands = {{.name = "error",
                        .arguments = {{"a reason", Kind::string}},
                        .run = fail_with_reason}},
          .tests = {{.name = "ihave",
                     .arguments = {{"extensions", Kind::list}},
                     .run = holds,
                     .check = check}}};
}

}  // namespace posthorn::sieve::extension
