#include "sieve/extensions/table.h"

namespace posthorn::sieve {

const Language& language() {
  static const std::vector<Extension> rows = [] {
    using namespace extension;
    std::vector<Extension> all;
    all.push_back(base_commands());
    all.push_back(base_tests());
    all.push_back(comparators());
    all.push_back(ascii_numeric());
    all.push_back(body());
    all.push_back(copy());
    all.push_back(date());
    all.push_back(dovecot_environment());
    all.push_back(duplicate());
    all.push_back(editheader());
    all.push_back(enclose());
    all.push_back(encoded_character());
    all.push_back(enotify());
    all.push_back(envelope());
    all.push_back(envelope_deliverby());
    all.push_back(envelope_dsn());
    all.push_back(environment());
    all.push_back(ereject());
    all.push_back(extlists());
    all.push_back(extracttext());
    all.push_back(fcc());
    all.push_back(fileinto());
    all.push_back(foreverypart());
    all.push_back(ihave());
    all.push_back(imap4flags());
    all.push_back(imapflags());
    all.push_back(imapsieve());
    all.push_back(include());
    all.push_back(index());
    all.push_back(mailbox());
    all.push_back(mailboxid());
    all.push_back(mboxmetadata());
    all.push_back(mime());
    all.push_back(redirect_deliverby());
    all.push_back(redirect_dsn());
    all.push_back(regex());
    all.push_back(reject());
    all.push_back(relational());
    all.push_back(replace());
    all.push_back(servermetadata());
    all.push_back(spamtest());
    all.push_back(spamtestplus());
    all.push_back(special_use());
    all.push_back(subaddress());
    all.push_back(unicode_casemap());
    all.push_back(vacation());
    all.push_back(vacation_seconds());
    all.push_back(variables());
    all.push_back(virustest());
    all.push_back(vnd_dovecot_debug());
    all.push_back(vnd_dovecot_duplicate());
    all.push_back(vnd_dovecot_execute());
    all.push_back(vnd_dovecot_filter());
    all.push_back(vnd_dovecot_pipe());
    all.push_back(vnd_dovecot_report());
    return all;
  }();
  static const Language table = [] {
    Language pointers;
    for (const Extension& row : rows) pointers.push_back(&row);
    return pointers;
  }();
  return table;
}

}  // namespace posthorn::sieve
