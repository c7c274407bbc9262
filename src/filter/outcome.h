// Outcome: what the filter's stage has made of a mail, and what made it so, as one value that the
// log, the trail and the counters are told. Sans-I/O.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "filter/verdict.h"
#include "message/envelope.h"

namespace posthorn::filter {

enum class Deed {
  passed,     // spamd does not call it spam
  tagged,     // it does, and the fields on top say so
  discarded,  // it does, and filter.discard_score is reached
  unscanned,  // spamd was to be asked, and has not judged it
  skipped     // it was not to be asked
};

struct Outcome {
  Deed deed = Deed::passed;
  Verdict verdict;
  // What decided: a setting ("filter.discard_score"), "spamd", whose own bound it is, or "origin",
  // who sent it.
  std::string_view by;
  std::string error;  // why spamd could not be asked, the last time; empty: it could
  std::chrono::milliseconds took{0};
};

// by: as in Outcome.
Outcome skip(Unscanned why, std::string_view by);
// Mail that spamd is not asked about, by who sent it: a notice never is, and what is sent on was
// scanned when it came. nullopt: it is to be asked.
std::optional<Outcome> find_skip(const config::Filter& config, message::SentBy by);
// Of a verdict, or of Filter::unscanned().
Outcome decide(const config::Filter& config, Verdict verdict);

// "ham", "spam", "unscanned", "discarded", as filter_verdicts counts them; what was skipped is not
// counted.
std::string_view label_of(Deed deed);
// "no", "yes", "unscanned", "skipped", as the log says it.
std::string_view word_of(Deed deed);

}  // namespace posthorn::filter
