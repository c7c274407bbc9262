// All extensions, a function each, a file each: the table that compile() checks scripts by.
#pragma once

#include "sieve/language/rows.h"

namespace posthorn::sieve {

// The base language first, then as RFCs came.
const Language& language();

namespace extension {
Extension base_commands();
Extension base_tests();
Extension comparators();
Extension copy();
Extension ereject();
Extension fileinto();
Extension imap4flags();
Extension imapflags();
Extension reject();
Extension vacation();
Extension vacation_seconds();
Extension variables();
}  // namespace extension

}  // namespace posthorn::sieve
