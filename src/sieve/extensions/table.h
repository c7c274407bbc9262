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
Extension duplicate();
Extension editheader();
Extension enclose();
Extension encoded_character();
Extension enotify();
Extension envelope();
Extension envelope_deliverby();
Extension envelope_dsn();
Extension environment();
Extension ereject();
Extension extlists();
Extension extracttext();
Extension fcc();
Extension fileinto();
Extension foreverypart();
Extension ihave();
Extension imap4flags();
Extension imapflags();
Extension imapsieve();
Extension include();
Extension index();
Extension mailbox();
Extension mailboxid();
Extension mboxmetadata();
Extension mime();
Extension redirect_deliverby();
Extension redirect_dsn();
Extension regex();
Extension reject();
Extension relational();
Extension replace();
Extension servermetadata();
Extension spamtest();
Extension spamtestplus();
Extension special_use();
Extension subaddress();
Extension unicode_casemap();
Extension vacation();
Extension vacation_seconds();
Extension variables();
Extension virustest();
Extension vnd_dovecot_debug();
Extension vnd_dovecot_duplicate();
Extension vnd_dovecot_execute();
Extension vnd_dovecot_filter();
Extension vnd_dovecot_pipe();
Extension vnd_dovecot_report();
}  // namespace extension

}  // namespace posthorn::sieve
