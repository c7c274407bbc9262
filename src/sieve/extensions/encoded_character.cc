// encoded-character (RFC 5228 section 2.4.2.4): ${hex: 40} and ${unicode: 20AC}. Texts are decoded
// while a script is compiled (language/arguments.cc).
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {

Extension encoded_character() {
  return {.name = "encoded-character",
          .standard = "RFC 5228 section 2.4.2.4",
          .changes = Extension::Changes::strings};
}

}  // namespace posthorn::sieve::extension
