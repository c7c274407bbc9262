// imapsieve (RFC 6785): that a script may run at events of a mailbox. What happened it asks the
// environment (environment.cc); what it may not do then is language/run.cc's.
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {

Extension imapsieve() {
  return {.name = "imapsieve",
          .standard = "RFC 6785",
          .limits = "no reject, ereject or vacation at events of a mailbox"};
}

}  // namespace posthorn::sieve::extension
