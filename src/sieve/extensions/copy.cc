// copy (RFC 3894): an action that leaves the implicit keep alone.
#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {

Extension copy() {
  return {.name = "copy",
          .standard = "RFC 3894",
          .tags = {{.of = "fileinto redirect",
                    .name = "copy",
                    .apply = [](Run& /*run*/, const Call& /*call*/, const Arg& /*arg*/,
                                Action& action) { action.keeps = true; }}}};
}

}  // namespace posthorn::sieve::extension
