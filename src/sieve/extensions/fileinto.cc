// fileinto (RFC 5228 section 4.1). What becomes of a name that no mailbox can have is the host's.
#include <fmt/format.h>

#include "base/utf8.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

void check(Checker& checker, Node& node, const syntax::Item& item) {
  for (const std::string_view mailbox : checker.constants(checker.positional(node, 0)))
    if (mailbox.empty() || !is_utf8(mailbox))
      checker.fault(item.at, fmt::format("`fileinto` needs a mailbox, found \"{}\"", mailbox));
}

Flow file_into(Run& run, const Call& call) {
  return run.act(call, {.what = FileInto{{std::string(call.text(run, 0))}}});
}

}  // namespace

Extension fileinto() {
  return {.name = "fileinto",
          .standard = "RFC 5228 section 4.1",
          .commands = {{.name = "fileinto",
                        .arguments = {{"a mailbox", Kind::string}},
                        .run = file_into,
                        .check = check}}};
}

}  // namespace posthorn::sieve::extension
