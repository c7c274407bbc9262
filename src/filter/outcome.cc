#include "filter/outcome.h"

#include "filter/marks.h"

namespace posthorn::filter {
Outcome skip(Unscanned why, std::string_view by) {
  return {.deed = Deed::skipped, .verdict = {.unscanned = why}, .by = by, .error = {}};
}

std::optional<Outcome> find_skip(const config::Filter& config, message::SentBy by) {
  using message::SentBy;
  if (by == SentBy::notice) return skip(Unscanned::notice, "origin");
  if (by == SentBy::stranger || by == SentBy::trusted_network || config.scan_submissions)
    return std::nullopt;
  const Unscanned why = by == SentBy::user      ? Unscanned::user
                        : by == SentBy::program ? Unscanned::program
                                                : Unscanned::sent_on;
  return skip(why, "filter.scan_submissions");
}

Outcome decide(const config::Filter& config, Verdict verdict) {
  Outcome outcome;
  if (verdict.unscanned) {
    outcome.deed = Deed::unscanned;
    outcome.by = *verdict.unscanned == Unscanned::size ? "filter.message_max" : "filter.when_down";
  } else if (is_discarded(config, verdict)) {
    outcome.deed = Deed::discarded;
    outcome.by = "filter.discard_score";
  } else {
    outcome.deed = verdict.is_spam ? Deed::tagged : Deed::passed;
    const bool is_own_bound =
        config::parse_score(config.spam_score) && config::parse_score(verdict.score);
    outcome.by = is_own_bound ? "filter.spam_score" : "spamd";
  }
  outcome.verdict = std::move(verdict);
  return outcome;
}

std::string_view label_of(Deed deed) {
  switch (deed) {
    case Deed::passed:
      return "ham";
    case Deed::tagged:
      return "spam";
    case Deed::discarded:
      return "discarded";
    case Deed::unscanned:
    case Deed::skipped:
      break;
  }
  return "unscanned";
}

std::string_view word_of(Deed deed) {
  switch (deed) {
    case Deed::passed:
      return "no";
    case Deed::tagged:
    case Deed::discarded:
      return "yes";
    case Deed::skipped:
      return "skipped";
    case Deed::unscanned:
      break;
  }
  return "unscanned";
}

}  // namespace posthorn::filter
