// Which of the administrator's scripts run when an IMAP client puts messages into a mailbox or
// changes flags (RFC 6785), as sieve.imap says it:
//
//   CAUSES [FROM] -> MAILBOX: FILE
//   "COPY,APPEND -> Junk: report-spam.sieve"    "COPY Junk -> *: report-ham.sieve"
//
// CAUSES are COPY (MOVE is one), APPEND and FLAG. FROM and MAILBOX are names with `*` for any
// letters; without FROM any mailbox is it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "imap/server/observer.h"

namespace posthorn::lda {

struct ImapRule {
  std::vector<imap::Cause> causes;
  std::string from = "*";
  std::string mailbox;
  std::string file;
  bool applies_to(imap::Cause cause, const std::string& came_from, const std::string& into) const;
};

// What is wrong: a sentence.
std::expected<ImapRule, std::string> parse_imap_rule(std::string_view text);

}  // namespace posthorn::lda
