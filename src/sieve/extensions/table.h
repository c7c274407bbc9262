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
Extension ascii_numeric();
Extension body();
Extension copy();
Extension date();
Extension dovecot_environment();
Extension editheader();
Extension enclose();
Extension encoded_character();
Extension envelope();
Extension environment();
Extension ereject();
Extension extracttext();
Extension fileinto();
Extension foreverypart();
Extension imap4flags();
Extension imapflags();
Extension index();
Extension mime();
Extension regex();
Extension reject();
Extension relational();
Extension replace();
Extension spamtest();
Extension spamtestplus();
Extension subaddress();
Extension unicode_casemap();
Extension vacation();
Extension vacation_seconds();
Extension variables();
Extension virustest();
}  // namespace extension

}  // namespace posthorn::sieve
