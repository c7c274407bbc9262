// comparator-i;unicode-casemap (RFC 5051): letters of any script without case, whichever way their
// accents are written.
#include "message/charset.h"
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {

Extension unicode_casemap() {
  return {.name = "comparator-i;unicode-casemap",
          .standard = "RFC 5051",
          .comparators = {
              {.name = "i;unicode-casemap",
               .fold = message::fold_unicode_casemap,
               .compare = [](std::string_view a, std::string_view b) { return a.compare(b); },
               .cost = 16}}};
}

}  // namespace posthorn::sieve::extension
