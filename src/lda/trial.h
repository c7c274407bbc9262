// What scripts would do with a mail, for whoever tries them or asks why a mail lies where it does.
// Nothing is done, and no account is asked: there is no mailbox but INBOX, no list, no memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "lda/scripts.h"

namespace posthorn::lda {

struct TrialMail {
  std::string wire;  // CRLF
  // Of the envelope; not given: what the mail's own fields say (Return-Path, From; Delivered-To,
  // To).
  std::optional<std::string> from = {};
  std::optional<std::string> to = {};
};

struct Trial {
  sieve::Outcome outcome;
  std::vector<std::string> trace;  // "script:line: header: true", in order
};
enum class Tracing { off, on };
Trial try_scripts(const Scripts& scripts, TrialMail mail, const config::Config& config,
                  Tracing tracing);

// The outcome in words, a line an action: "fileinto \"Junk\" (spam.sieve:3)".
std::vector<std::string> describe(const sieve::Outcome& outcome);

}  // namespace posthorn::lda
